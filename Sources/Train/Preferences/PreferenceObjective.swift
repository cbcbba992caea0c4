import Glibc

/// How preferences become a loss.
package enum PreferenceMethod: String, Sendable, CaseIterable {
    /// Direct preference optimization of pairs (Rafailov et al. 2023).
    case dpo
    /// Kahneman-Tversky optimization of answers that are good or bad (Ethayarajh et al. 2024).
    case kto
}

/// The loss of preferences, as a function of log-ratios: the log-probability of an answer, summed over its tokens, minus that of the
/// reference model. β times a log-ratio is the reward of an answer.
///
///     let objective = PreferenceObjective(.dpo)
///     objective.loss(chosen: 0.5, rejected: -0.2)                  // (loss: −log σ(β·0.7), slope: −β·σ(−β·0.7))
package struct PreferenceObjective: Sendable, Equatable {
    package var method: PreferenceMethod
    /// β: how strongly the model is held to the reference model.
    package var beta = 0.1
    /// The assumed share of pairs that are the wrong way round (conservative DPO).
    package var labelSmoothing = 0.0
    /// The weights of good and of bad answers (KTO).
    package var desirableWeight = 1.0
    package var undesirableWeight = 1.0
    /// The weight of the loss per token of good answers, which keeps them likely (Pang et al. 2024).
    package var sftWeight = 0.0
    /// Whether log-probabilities count as log-ratios: the reference model finds all answers equally likely (DPO).
    package var isReferenceFree = false

    package init(_ method: PreferenceMethod) { self.method = method }

    /// −(1 − ε)·log σ(h) − ε·log σ(−h) with h = β·(chosen − rejected). The slope is the derivative by `chosen`; that by `rejected` is its
    /// negative.
    package func loss(chosen: Double, rejected: Double) -> (loss: Double, slope: Double) {
        let h = beta * (chosen - rejected)
        let loss = (1 - labelSmoothing) * softplus(-h) + labelSmoothing * softplus(h)
        return (loss, beta * (labelSmoothing * sigmoid(h) - (1 - labelSmoothing) * sigmoid(-h)))
    }

    /// λ·(1 − σ(β·(r − z))) for a good answer with the log-ratio r, and λ·(1 − σ(β·(z − r))) for a bad one. The slope is the derivative
    /// by r.
    ///
    /// - Parameter kl: z, an estimate of the divergence from the reference model, which counts as a constant.
    package func loss(_ logRatio: Double, isGood: Bool, kl: Double) -> (loss: Double, slope: Double) {
        let sign = isGood ? 1.0 : -1.0
        let weight = isGood ? desirableWeight : undesirableWeight
        let s = sigmoid(sign * beta * (logRatio - kl))
        return (weight * (1 - s), -sign * weight * beta * s * (1 - s))
    }

    /// log(1 + exp(x)) without overflow.
    private func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }

    private func sigmoid(_ x: Double) -> Double { x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)) }
}

/// How well a model tells good answers from bad ones: sums over examples.
package struct PreferenceMetrics: Sendable, Equatable {
    package var examples = 0
    package var lossSum = 0.0
    /// Examples whose rewards are the right way round: a higher one for the chosen answer or, of a single answer, one above or below
    /// β times the KL divergence. A tie counts half, so that the reference model has an accuracy of 0.5.
    package var correct = 0.0
    var chosen = 0
    var chosenRewards = 0.0
    var rejected = 0
    var rejectedRewards = 0.0
    /// The log-ratios of answers to other prompts.
    var mismatched = 0
    var mismatchedLogRatios = 0.0

    package init() {}

    package var loss: Double { examples == 0 ? .nan : lossSum / Double(examples) }
    package var accuracy: Double { examples == 0 ? .nan : correct / Double(examples) }
    /// The mean rewards of good and of bad answers.
    package var chosenReward: Double { chosen == 0 ? .nan : chosenRewards / Double(chosen) }
    package var rejectedReward: Double { rejected == 0 ? .nan : rejectedRewards / Double(rejected) }
    /// By how much good answers are rewarded more; nil if there are only good or only bad ones.
    package var margin: Double? { chosen == 0 || rejected == 0 ? nil : chosenReward - rejectedReward }
    /// KTO's estimate of the KL divergence from the reference model: the mean log-ratio of answers to other prompts, at least 0.
    /// nil without such answers.
    package var kl: Double? { mismatched == 0 ? nil : max(0, mismatchedLogRatios / Double(mismatched)) }

    package static func += (a: inout PreferenceMetrics, b: PreferenceMetrics) { a.addSums(of: b) }
}

extension PreferenceMetrics: SummedResult {
    static var sums: [WritableKeyPath<Self, Double>] { [\.lossSum, \.correct, \.chosenRewards, \.rejectedRewards, \.mismatchedLogRatios] }
    static var counts: [WritableKeyPath<Self, Int>] { [\.examples, \.chosen, \.rejected, \.mismatched] }
}

/// What a model makes of an answer.
struct AnswerScore {
    let logProbability: Double
    /// The log-probability minus that of the reference model.
    let logRatio: Double
    /// The number of the answer's tokens.
    let tokens: Int
}

extension PreferenceMetrics {
    /// Adds an example, and returns the derivatives of its loss by the log-probability of each of its answers.
    mutating func add(
        _ answers: PreferenceExample.Answers, _ objective: PreferenceObjective, kl: Double, score: (Int) -> AnswerScore
    ) -> [(sequence: Int, slope: Double)] {
        var slopes = addPreference(answers, objective, kl: kl) { score($0).logRatio }
        guard objective.sftWeight > 0, let good = answers.good else { return slopes }
        let answer = score(good), weight = objective.sftWeight / Double(max(answer.tokens, 1))
        lossSum -= weight * answer.logProbability
        slopes[0].slope -= weight
        return slopes
    }

    private mutating func addPreference(
        _ answers: PreferenceExample.Answers, _ objective: PreferenceObjective, kl: Double, logRatio: (Int) -> Double
    ) -> [(sequence: Int, slope: Double)] {
        examples += 1
        switch answers {
        case .pair(let good, let bad):
            let (first, second) = (logRatio(good), logRatio(bad))
            let result = objective.loss(chosen: first, rejected: second)
            lossSum += result.loss
            correct += first > second ? 1 : first == second ? 0.5 : 0
            addReward(objective.beta * first, isGood: true)
            addReward(objective.beta * second, isGood: false)
            return [(good, result.slope), (bad, -result.slope)]
        case .rated(let sequence, let isGood):
            let value = logRatio(sequence)
            let result = objective.loss(value, isGood: isGood, kl: kl)
            lossSum += result.loss
            correct += value == kl ? 0.5 : (value > kl) == isGood ? 1 : 0
            addReward(objective.beta * value, isGood: isGood)
            return [(sequence, result.slope)]
        }
    }

    private mutating func addReward(_ reward: Double, isGood: Bool) {
        chosen += isGood ? 1 : 0
        rejected += isGood ? 0 : 1
        chosenRewards += isGood ? reward : 0
        rejectedRewards += isGood ? 0 : reward
    }
}
