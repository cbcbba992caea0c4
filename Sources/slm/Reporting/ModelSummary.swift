import Autograd
import Checkpoint
import Kernels
import Model
import Tokenize

/// One line about a model.
struct ModelSummary: CustomStringConvertible {
    let description: String

    init(_ checkpoint: Checkpoint) {
        let c = checkpoint.configuration
        let chats = checkpoint.chatTemplate.map { "chat template \($0.rawValue)" } ?? "no chat template"
        description = "\(c.layers) layers, \(c.heads) heads, width \(c.width), context \(c.context), vocabulary \(c.vocabulary), "
            + "\(checkpoint.weights.elementCount + checkpoint.quantizedCount) parameters, \(c.expertSummary)"
            + (checkpoint.tokenizer == nil ? "no tokenizer" : chats)
    }
}

extension GPTConfiguration {
    /// Text before other items of a list; empty without experts.
    fileprivate var expertSummary: String {
        experts.map { "\($0.active) of \($0.count) experts a token (\(activeParameterCount) parameters), " } ?? ""
    }

    /// The preset of `--preset`.
    static func preset(_ name: String, for command: String) throws -> GPTConfiguration {
        guard let preset = presets.first(where: { $0.name == name }) else {
            throw UsageError("slm \(command): unknown preset '\(name)'. Presets: \(presets.map(\.name).joined(separator: ", ")).")
        }
        return preset.configuration
    }
}
