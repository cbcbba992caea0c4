import Autograd
import Glibc
import Tokenize

/// The metrics of a model on a text.
package struct Evaluation: Sendable, Equatable {
    /// The sum of the losses of all targets.
    package var nats = 0.0
    package var targets = 0
    /// The number of targets with the highest logit.
    package var correct = 0
    /// The bytes of text that the targets encode. Special tokens encode none.
    package var bytes = 0

    package init() {}

    /// The mean loss in nats per token.
    package var loss: Double { targets == 0 ? .nan : nats / Double(targets) }
    package var perplexity: Double { exp(loss) }
    package var bitsPerByte: Double { bytes == 0 ? .nan : nats / M_LN2 / Double(bytes) }
    /// Top-1 accuracy.
    package var accuracy: Double { targets == 0 ? .nan : Double(correct) / Double(targets) }

    package static func += (a: inout Evaluation, b: Evaluation) {
        a.nats += b.nats
        a.targets += b.targets
        a.correct += b.correct
        a.bytes += b.bytes
    }

    mutating func add(_ nats: Float, isTopPrediction: Bool) {
        self.nats += Double(nats)
        targets += 1
        correct += isTopPrediction ? 1 : 0
    }
}

extension Vocabulary {
    /// The number of text bytes of each token; 0 for special tokens.
    var textLengths: [Int] {
        let special = Set(specialTokens.map(\.id))
        return tokens.indices.map { special.contains(TokenID($0)) ? 0 : tokens.range(of: $0).count }
    }
}

extension Trainer {
    /// Evaluates the model on a batch.
    ///
    /// - Parameter lengths: The number of text bytes of each token.
    package func evaluation(of batch: Batch, lengths: [Int]) -> Evaluation {
        let tokenLosses = tokenLosses(of: batch)
        var result = Evaluation()
        for (nats, isTopPrediction) in zip(tokenLosses.nats, tokenLosses.isTopPrediction) {
            result.add(nats, isTopPrediction: isTopPrediction)
        }
        for target in batch.targets where target >= 0 { result.bytes += lengths[Int(target)] }
        return result
    }
}
