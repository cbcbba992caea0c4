import JSON

/// What a run would need: the line of `slm finetune --estimate --json`.
struct TrainingEstimate: Equatable {
    let parameters, memoryBytes, totalBytes, availableBytes, diskBytes: Int
    let freeDiskBytes: Int?
    let advice: String?
    let knownData: [String]
    /// The time of a measured step.
    let seconds: Double?

    /// Whether it fits beside what runs now.
    var fits: Bool { memoryBytes < min(totalBytes, availableBytes) }

    init?(_ line: JSONElement) {
        guard line["event"]?.string == "estimate", let parameters = line["parameters"]?.integer,
              let memoryBytes = line["memory_bytes"]?.integer, let totalBytes = line["total_bytes"]?.integer,
              let diskBytes = line["disk_bytes"]?.integer else { return nil }
        self.parameters = parameters
        self.memoryBytes = memoryBytes
        self.totalBytes = totalBytes
        availableBytes = line["available_bytes"]?.integer ?? totalBytes
        self.diskBytes = diskBytes
        freeDiskBytes = line["free_disk_bytes"]?.integer
        advice = line["advice"]?.string
        knownData = line["known_data"]?.elements.map { $0.compactMap(\.string) } ?? []
        seconds = line["seconds"]?.number
    }
}
