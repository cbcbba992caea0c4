import Autograd
import Glibc
import Tokenize

/// How well a model predicts a text.
package struct Evaluation: Sendable, Equatable {
    /// The sum over all targets of how surprising they are.
    package var nats = 0.0
    package var targets = 0
    /// The targets that the model thought likeliest.
    package var hits = 0
    /// The bytes of text that the targets stand for; control tokens stand for none.
    package var bytes = 0

    package init() {}

    /// Nats a token.
    package var loss: Double { targets == 0 ? .nan : nats / Double(targets) }
    package var perplexity: Double { exp(loss) }
    package var bitsPerByte: Double { bytes == 0 ? .nan : nats / M_LN2 / Double(bytes) }
    /// The share of the targets that would have been guessed.
    package var accuracy: Double { targets == 0 ? .nan : Double(hits) / Double(targets) }

    package static func += (a: inout Evaluation, b: Evaluation) {
        a.nats += b.nats
        a.targets += b.targets
        a.hits += b.hits
        a.bytes += b.bytes
    }

    mutating func add(_ nats: Float, isHit: Bool) {
        self.nats += Double(nats)
        targets += 1
        hits += isHit ? 1 : 0
    }
}

extension Vocabulary {
    /// How many bytes of text each token stands for.
    var textLengths: [Int] {
        let special = Set(specialTokens.map(\.id))
        return tokens.indices.map { special.contains(TokenID($0)) ? 0 : tokens.range(of: $0).count }
    }
}

extension Trainer {
    /// - Parameter lengths: how many bytes of text each token stands for.
    package func evaluation(of batch: Batch, lengths: [Int]) -> Evaluation {
        let tokenLosses = tokenLosses(of: batch)
        var result = Evaluation()
        for (nats, isHit) in zip(tokenLosses.nats, tokenLosses.isTopPrediction) { result.add(nats, isHit: isHit) }
        for target in batch.targets where target >= 0 { result.bytes += lengths[Int(target)] }
        return result
    }
}
