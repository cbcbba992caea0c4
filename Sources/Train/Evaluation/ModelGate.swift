import Glibc

/// Decides whether a fine-tuned model may replace the one that answers now.
///
///     let decision = ModelGate().decision(on: evidence)
///     decision.verdict                                        // .better
///     decision.isPassed
///
/// The candidate is worse if it predicts held-out chats significantly worse, in the mean or in most of them, if it has forgotten more of
/// the general chats than allowed, or if it answers fewer questions right than the active model, or too few. It is better if it predicts
/// held-out chats significantly better, or answers significantly more questions right, and nothing is worse.
///
/// Without evidence there is no verdict: it takes general chats, and held-out chats or questions that could have shown a difference.
package struct ModelGate: Sendable, Equatable {
    /// How much the loss on general chats may rise, as a share of the active model's.
    package var maxReplayLossRise = 0.01
    /// How much the loss on text that the active model generates may rise. Every other model has a higher loss on it, also a good one.
    package var maxOwnTextRise: Double { max(0.25, maxReplayLossRise) }
    /// How many bits per byte fewer a better model needs on held-out chats, at least.
    package var minHeldOutGain = 0.0
    /// The share of the questions with known answers that the candidate must answer right, at least.
    package var minRightAnswers = 0.0
    /// The probability of taking noise for a difference.
    package var significance = 0.05
    /// Whether a model that is no worse, but not better either, fails.
    package var requiresBetter = false

    package init() {}

    package enum Verdict: String, Sendable, CaseIterable {
        case better, noWorse = "no_worse", worse
        /// Too little was measured.
        case notEnough = "not_enough"
    }

    /// What could give a verdict. Raw values are part of the API.
    package enum Missing: String, Sendable, CaseIterable {
        case heldOutChats = "held_out_chats", generalText = "general_text", questions
    }

    /// Both models on the same chats.
    package struct Pair: Sendable {
        package let candidate, active: Evaluation
        /// Bits per byte of the candidate minus those of the active model.
        package let comparison: ModelComparison

        /// - Parameters: The metrics of each conversation.
        package init(candidate: [Evaluation], active: [Evaluation]) throws(EvaluationError) {
            comparison = try ModelComparison(of: candidate, with: active)
            self.candidate = candidate.reduce(into: Evaluation(), +=)
            self.active = active.reduce(into: Evaluation(), +=)
        }

        /// The rise of bits per byte as a share of the active model's.
        package var rise: Double { candidate.bitsPerByte / active.bitsPerByte - 1 }
    }

    /// The questions whose answers are known.
    package struct Answers: Sendable, Equatable {
        package var questions = 0
        package var candidateRight = 0
        package var activeRight = 0
        /// Questions that only one of the models answers right.
        package var onlyCandidateRight = 0
        package var onlyActiveRight = 0

        package init() {}

        package mutating func add(candidate: Bool, active: Bool) {
            questions += 1
            if candidate { candidateRight += 1 }
            if active { activeRight += 1 }
            if candidate, !active { onlyCandidateRight += 1 }
            if active, !candidate { onlyActiveRight += 1 }
        }

        /// The probability of at least this difference between models that answer equally well.
        package var p: Double { signTest(onlyCandidateRight, onlyActiveRight) }
    }

    /// What was measured; nil for what was not.
    package struct Evidence: Sendable {
        package var heldOut: Pair?
        package var replay: Pair?
        /// On text that the active model generates, which is measured if there are no general chats.
        package var ownText: Pair?
        package var answers: Answers?

        package init() {}
    }

    package struct Decision: Sendable, Equatable {
        package let verdict: Verdict
        /// The verdict of each measurement; nil if it was not made.
        package let heldOut, replay, ownText, answers: Verdict?
        /// What a verdict takes; empty if there is one.
        package let missing: [Missing]
        /// Whether the candidate may replace the active model.
        package let isPassed: Bool
    }

    package func decision(on evidence: Evidence) -> Decision {
        let heldOut = evidence.heldOut.map { judge($0) }
        let replay = evidence.replay.map { $0.rise <= maxReplayLossRise ? Verdict.noWorse : .worse }            // NaN is worse
        let ownText = evidence.ownText.map { judge(ownText: $0) }
        let answers = evidence.answers.map { judge($0) }
        let all = [heldOut, replay, ownText, answers].compactMap { $0 }, wanted = [heldOut, answers].compactMap { $0 }
        var missing: [Missing] = []
        var verdict = Verdict.worse
        if !all.contains(.worse) {
            if replay == nil, ownText == nil { missing.append(.generalText) }
            if !wanted.contains(.better), !wanted.contains(.noWorse) { missing += [.heldOutChats, .questions] }
            verdict = !missing.isEmpty ? .notEnough : wanted.contains(.better) ? .better : .noWorse
        }
        return Decision(
            verdict: verdict, heldOut: heldOut, replay: replay, ownText: ownText, answers: answers, missing: missing,
            isPassed: verdict == .better || verdict == .noWorse && !requiresBetter)
    }

    /// The fewest held-out chats that can show a difference: if all of them are worse, the sign test finds it.
    package var minHeldOutChats: Int { Int((1 - log2(significance)).rounded(.up)) }

    package func isNoise(_ pair: Pair) -> Bool { pair.comparison.p > significance }

    /// Whether the candidate predicts significantly more conversations worse than better. The mean may be better then: a model that
    /// was trained on wrong answers predicts the wrong ones much better, and the right ones a little worse.
    package func isMostlyWorse(_ pair: Pair) -> Bool {
        let worse = pair.comparison.moreBits, better = pair.comparison.fewerBits
        return worse > better && signTest(worse, better) <= significance
    }

    /// The text of a model that knows few answers has so little information that a share of it means nothing. NaN is worse.
    private func judge(ownText pair: Pair) -> Verdict {
        pair.comparison.difference <= maxOwnTextRise * max(0.1, pair.active.bitsPerByte) ? .noWorse : .worse
    }

    private func judge(_ pair: Pair) -> Verdict {
        let comparison = pair.comparison
        if !comparison.difference.isFinite { return .worse }
        if isMostlyWorse(pair) { return .worse }
        if isNoise(pair) { return comparison.count < minHeldOutChats ? .notEnough : .noWorse }
        if comparison.difference > 0 { return .worse }
        return -comparison.difference >= minHeldOutGain ? .better : .noWorse
    }

    /// The questions are few, and each is a requirement of the owner, so one that is lost counts, even if it may be noise. Only they find
    /// wrong answers in the training data, since held-out chats have the same ones. Questions that neither model answers right show
    /// nothing.
    private func judge(_ answers: Answers) -> Verdict {
        if Double(answers.candidateRight) < minRightAnswers * Double(answers.questions) { return .worse }
        if answers.candidateRight < answers.activeRight { return .worse }
        if answers.p <= significance { return .better }
        return answers.candidateRight > 0 ? .noWorse : .notEnough
    }
}

/// The probability that of a + b fair coins at least max(a, b) show the same side: the two-sided sign test.
func signTest(_ a: Int, _ b: Int) -> Double {
    let n = a + b
    let tail = (max(a, b)...max(n, 1)).reduce(0.0) { sum, k in
        let choices: Double = lgamma(Double(n + 1)) - lgamma(Double(k + 1)) - lgamma(Double(n - k + 1))
        return sum + exp(choices - Double(n) * M_LN2)
    }
    return n == 0 ? 1 : min(1, 2 * tail)
}
