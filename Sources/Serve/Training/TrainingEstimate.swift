import JSON

/// What a run would need: the line of `slm finetune --estimate --json`.
struct TrainingEstimate {
    let parameters, memoryBytes, totalBytes, availableBytes, diskBytes: Int
    let knownData: [String]
    /// The time of a measured step.
    let seconds: Double?

    /// Whether it fits beside what runs now.
    var fits: Bool { memoryBytes < min(totalBytes, availableBytes) }

    init?(line text: String) {
        guard text.hasPrefix("{"), let line = try? JSONElement(parsing: text), line["event"]?.string == "estimate",
              let parameters = line["parameters"]?.integer, let memoryBytes = line["memory_bytes"]?.integer,
              let totalBytes = line["total_bytes"]?.integer, let diskBytes = line["disk_bytes"]?.integer else { return nil }
        self.parameters = parameters
        self.memoryBytes = memoryBytes
        self.totalBytes = totalBytes
        availableBytes = line["available_bytes"]?.integer ?? totalBytes
        self.diskBytes = diskBytes
        knownData = line["known_data"]?.elements.map { $0.compactMap(\.string) } ?? []
        seconds = line["seconds"]?.number
    }
}
