import Checkpoint
import Kernels
import Model
import Tokenize

/// A model in a line.
struct ModelSummary: CustomStringConvertible {
    let description: String

    init(_ checkpoint: Checkpoint) {
        let shape = checkpoint.configuration, rounded = checkpoint.quantized.reduce(0) { $0 + $1.element.outputs * $1.element.inputs }
        description =
            "\(shape.layers) layers, \(shape.heads) heads, width \(shape.width), context \(shape.context), \(shape.vocabulary) tokens, "
            + "\(checkpoint.weights.elementCount + rounded) parameters, "
            + (checkpoint.tokenizer == nil ? "no tokenizer" : checkpoint.chatTemplate.map { "chats as \($0.rawValue)" } ?? "no chats")
    }
}

extension GPTConfiguration {
    /// The preset of a name that somebody gave.
    static func preset(_ name: String, for command: String) throws -> GPTConfiguration {
        guard let preset = presets.first(where: { $0.name == name }) else {
            throw UsageError("slm \(command): unknown preset '\(name)'. Presets: \(presets.map(\.name).joined(separator: ", ")).")
        }
        return preset.configuration
    }
}
