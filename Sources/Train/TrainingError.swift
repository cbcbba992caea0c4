package import Checkpoint
package import Corpus
package import Tokenize

/// What can end or prevent a training.
package enum TrainingError: Error, Equatable {
    case tooFewTokens(path: String, count: Int, needed: Int)
    case corpus(CorpusError)
    case tokenizer(TokenizeError)
    case checkpoint(CheckpointError)
    case tooFewChats(paths: [String], count: Int, needed: Int)
    /// What is to be finetuned is no model but adapts one.
    case adapterAsBase(path: String)
    /// Numbers of a model that is to be finetuned are not finite.
    case notFinite(path: String)
    /// What is to be gone on with is no finetune.
    case noFinetune(path: String)
    /// Chats are others than those that the finetune began with.
    case changedData(paths: [String])
}

extension TrainingError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooFewTokens(let path, let count, let needed):
            "\(path): \(count) tokens, and it takes \(needed) to learn from. Bring more text, or make the context shorter."
        case .corpus(let error): error.description
        case .tokenizer(let error): error.description
        case .checkpoint(let error): error.description
        case .tooFewChats(let paths, let count, let needed):
            "\(paths.joined(separator: ", ")): \(count) chat\(count == 1 ? "" : "s"), and finetuning needs \(needed). Collect more, or go on with fewer: --force"
        case .adapterAsBase(let path):
            "\(path) is an adapter, not a model. Fold it into its model first: slm finetune --merge \(path) --out MERGED.h5, then finetune that."
        case .notFinite(let path):
            "\(path): some of its weights are not finite, so it has no singular values. Take another checkpoint, or begin plainly: --lora-init plain"
        case .noFinetune(let path): "\(path) was not made by slm finetune. Go on with a training: slm train --resume"
        case .changedData(let paths):
            "\(paths.joined(separator: ", ")): not the chats that this finetune began with. Bring them back to go on, or finetune anew from its best.h5."
        }
    }
}
