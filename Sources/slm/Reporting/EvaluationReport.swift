import Train

/// One line for each evaluated file, as a table or as JSON.
struct EvaluationReport {
    private let checkpoint: String
    private let width: Int
    private let json: Bool
    private var hasHeader = false

    init(_ checkpoint: String, _ files: [String], json: Bool) {
        self.checkpoint = checkpoint
        self.json = json
        width = max(4, files.map(\.count).max() ?? 0) + 2
    }

    /// - Parameter file: nil for the sum of all files.
    mutating func printRow(_ file: String?, _ conversations: Int, _ pieces: [Evaluation]) {
        let sum = pieces.reduce(into: Evaluation(), +=)
        if json {
            return printLine(JSONLine([
                "checkpoint": .text(checkpoint),
                "file": .text(file ?? "all"),
                "conversations": .whole(conversations),
                "tokens": .whole(sum.targets),
                "bytes": .whole(sum.bytes),
                "loss": .exact(sum.loss),
                "perplexity": .exact(sum.perplexity),
                "bits_per_byte": sum.bytes == 0 ? nil : .exact(sum.bitsPerByte),
                "accuracy": .exact(sum.accuracy),
            ]))
        }
        if !hasHeader {
            printLine("file".padded(to: width) + columns(["chats", "tokens", "bytes", "loss", "perplexity", "bits/byte", "accuracy"]))
        }
        hasHeader = true
        printLine((file ?? "all").padded(to: width) + columns([
            "\(conversations)",
            "\(sum.targets)",
            "\(sum.bytes)",
            sum.loss.fixed(4),
            sum.perplexity.fixed(2),
            sum.bytes == 0 ? "-" : sum.bitsPerByte.fixed(4),
            (100 * sum.accuracy).fixed(2) + " %",
        ]))
    }

    private func columns(_ texts: [String]) -> String { zip(texts, [7, 10, 10, 9, 12, 11, 10]).map { $0.leftPadded(to: $1) }.joined() }
}
