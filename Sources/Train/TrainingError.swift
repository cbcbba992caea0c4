package import Checkpoint
package import Corpus
package import Tokenize

/// What can end or prevent a training.
package enum TrainingError: Error, Equatable {
    case tooFewTokens(path: String, count: Int, needed: Int)
    case corpus(CorpusError)
    case tokenizer(TokenizeError)
    case checkpoint(CheckpointError)
}

extension TrainingError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooFewTokens(let path, let count, let needed): "\(path): \(count) tokens, and it takes \(needed) to learn from. Bring more text, or make the context shorter."
        case .corpus(let error): error.description
        case .tokenizer(let error): error.description
        case .checkpoint(let error): error.description
        }
    }
}
