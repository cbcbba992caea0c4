import Checkpoint
import Model
import Tokenize

/// A model in a line.
struct ModelSummary: CustomStringConvertible {
    let description: String

    init(_ checkpoint: Checkpoint) {
        let shape = checkpoint.configuration
        description = "\(shape.layers) layers, \(shape.heads) heads, width \(shape.width), context \(shape.context), \(shape.vocabulary) tokens, "
            + "\(checkpoint.weights.numberCount) parameters, "
            + (checkpoint.tokenizer == nil ? "no tokenizer" : checkpoint.chatForm.map { "chats as \($0.rawValue)" } ?? "no chats")
    }
}
