import Train

/// One line for each evaluated file, as a table or as JSON.
struct EvaluationReport {
    /// Why these tokens count.
    enum ScopeOrigin {
        case option
        /// The model, or one of two, was trained on them.
        case model, models
    }

    private let checkpoint: String
    private let width: Int
    private let scope: LossScope
    private let origin: ScopeOrigin
    private let json: Bool
    private var hasHeader = false
    private var hasChats = false
    private var sum = Evaluation()

    init(_ checkpoint: String, _ files: [String], _ scope: LossScope, _ origin: ScopeOrigin, json: Bool) {
        self.checkpoint = checkpoint
        self.scope = scope
        self.origin = origin
        self.json = json
        width = max(4, files.map(\.count).max() ?? 0) + 2
    }

    /// - Parameter file: nil for the sum of all files.
    mutating func printRow(_ file: String?, _ conversations: Int, _ pieces: [Evaluation], hasChats: Bool) {
        let sum = pieces.reduce(into: Evaluation(), +=)
        if file != nil {
            self.sum += sum
            self.hasChats = self.hasChats || hasChats
        }
        if json {
            return printLine(JSONLine([
                "checkpoint": .text(checkpoint),
                "file": .text(file ?? "all"),
                "conversations": .whole(conversations),
                "loss_scope": .text(hasChats ? scope.rawValue : LossScope.all.rawValue),
                "tokens": .whole(sum.targets),
                "bytes": .whole(sum.bytes),
                "loss": .exact(sum.loss),
                "perplexity": .exact(sum.perplexity),
                "bits_per_byte": sum.bytes == 0 ? nil : .exact(sum.bitsPerByte),
                "accuracy": .exact(sum.accuracy),
                "text_loss": sum.turnEnds == 0 || sum.turnEnds == sum.targets ? nil : .exact(sum.textLoss),
                "turn_ends": sum.turnEnds == 0 ? nil : .whole(sum.turnEnds),
                "turn_end_loss": sum.turnEnds == 0 ? nil : .exact(sum.turnEndLoss),
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

    /// Prints which tokens count, and the losses of text and of ends of turns.
    func printNotes() {
        if json || !hasChats { return }
        let tokens = scope == .assistant ? "the assistant's tokens" : "all tokens"
        let other = scope == .assistant ? "--loss-scope all" : "--loss-scope assistant"
        let reason = switch origin {
        case .option: ""
        case .model: ", as in training (\(other) counts \(scope == .assistant ? "all" : "the assistant's only"))"
        case .models: scope == .assistant
            ? ", which the models have in common (\(other) counts all)" : ", as in training (\(other) counts the assistant's only)"
        }
        printLine("Counts \(tokens)\(reason).")
        if sum.turnEnds > 0, sum.turnEnds < sum.targets {
            printLine("Text: loss \(sum.textLoss.fixed(4)) over \(sum.targets - sum.turnEnds) tokens; "
                + "ends of turns: loss \(sum.turnEndLoss.fixed(4)) over \(sum.turnEnds).")
        }
    }

    private func columns(_ texts: [String]) -> String { zip(texts, [7, 10, 10, 9, 12, 11, 10]).map { $0.leftPadded(to: $1) }.joined() }
}
