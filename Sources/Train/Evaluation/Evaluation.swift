import Autograd
import Glibc
import Model
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
    /// The targets that end a turn, and the sum of their losses.
    package var turnEnds = 0
    package var turnEndNats = 0.0
    /// The metrics of an evaluation on preferences, whose loss is per example instead of per token.
    package var preferences: PreferenceMetrics?

    package init() {}

    init(_ preferences: PreferenceMetrics) {
        self.preferences = preferences
        nats = preferences.lossSum
        targets = preferences.examples
    }

    /// The mean loss in nats per token.
    package var loss: Double { targets == 0 ? .nan : nats / Double(targets) }
    package var perplexity: Double { exp(loss) }
    package var bitsPerByte: Double { bytes == 0 ? .nan : nats / M_LN2 / Double(bytes) }
    /// The mean loss of the targets that end a turn, and of the others.
    package var turnEndLoss: Double { turnEnds == 0 ? .nan : turnEndNats / Double(turnEnds) }
    package var textLoss: Double { targets == turnEnds ? .nan : (nats - turnEndNats) / Double(targets - turnEnds) }
    /// Top-1 accuracy.
    package var accuracy: Double { targets == 0 ? .nan : Double(correct) / Double(targets) }

    package static func += (a: inout Evaluation, b: Evaluation) {
        a.addSums(of: b)
        if let preferences = b.preferences { a.preferences = a.preferences ?? PreferenceMetrics(); a.preferences? += preferences }
    }

    mutating func add(_ nats: Float, isTopPrediction: Bool, isTurnEnd: Bool) {
        self.nats += Double(nats)
        targets += 1
        correct += isTopPrediction ? 1 : 0
        guard isTurnEnd else { return }
        turnEnds += 1
        turnEndNats += Double(nats)
    }
}

/// Ranks share evaluations on text only.
extension Evaluation: SummedResult {
    static var sums: [WritableKeyPath<Self, Double>] { [\.nats, \.turnEndNats] }
    static var counts: [WritableKeyPath<Self, Int>] { [\.targets, \.correct, \.bytes, \.turnEnds] }
}

extension Vocabulary {
    /// The number of text bytes of each token; 0 for special tokens.
    var textLengths: [Int] {
        let special = Set(specialTokens.map(\.id))
        return tokens.indices.map { special.contains(TokenID($0)) ? 0 : tokens.range(of: $0).count }
    }
}

extension Trainer {
    /// Evaluates texts with the current weights.
    package var evaluator: Evaluator {
        var evaluator = Evaluator(context: context) { batch in self.tokenLosses(of: batch) }
        evaluator.ranks = groups?.ranks
        return evaluator
    }

    /// Evaluates the model on a batch of training data.
    ///
    /// - Parameter turnEnds: See ``Batch/countAsOneEvent(_:)``.
    func evaluation(of batch: Batch, turnEnds: [TokenID]) -> Evaluation {
        var batch = batch
        batch.countAsOneEvent(turnEnds)
        let tokenLosses = tokenLosses(of: batch)
        var result = Evaluation()
        for (nats, isTopPrediction) in zip(tokenLosses.nats, tokenLosses.isTopPrediction) {
            result.add(max(0, nats), isTopPrediction: isTopPrediction, isTurnEnd: false)
        }
        return result
    }
}
