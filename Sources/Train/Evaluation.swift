import Glibc

/// How well a model predicts a text.
package struct Evaluation: Sendable, Equatable {
    /// The sum over all targets of how surprising they are.
    package var nats = 0.0
    package var targets = 0
    /// The bytes of text that the targets stand for; control tokens stand for none.
    package var bytes = 0

    package init() {}

    /// Nats a token.
    package var loss: Double { targets == 0 ? .nan : nats / Double(targets) }
    package var perplexity: Double { exp(loss) }
    package var bitsPerByte: Double { bytes == 0 ? .nan : nats / M_LN2 / Double(bytes) }

    package static func += (a: inout Evaluation, b: Evaluation) {
        a.nats += b.nats
        a.targets += b.targets
        a.bytes += b.bytes
    }
}

extension Trainer {
    /// - Parameter lengths: how many bytes of text each token stands for.
    package func evaluation(of batch: Batch, lengths: [Int]) -> Evaluation {
        var result = Evaluation()
        (result.nats, result.targets) = surprise(of: batch)
        for target in batch.targets where target >= 0 { result.bytes += lengths[Int(target)] }
        return result
    }
}
