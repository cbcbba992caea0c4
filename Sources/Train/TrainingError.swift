package import Corpus

/// What can end or prevent a training.
package enum TrainingError: Error, Equatable {
    case tooFewTokens(path: String, count: Int, needed: Int)
    case corpus(CorpusError)
}

extension TrainingError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooFewTokens(let path, let count, let needed): "\(path): \(count) tokens, and it takes \(needed) to learn from. Bring more text, or make the context shorter."
        case .corpus(let error): error.description
        }
    }
}
