/// The time that a draft model may cost: what its guesses have saved, and 2 % of the time of all steps.
///
///     budget.add(step: 0.01, saved: -0.002)                    // two wrong guesses
///     budget.allows(catchingUp: 0.03, step: 0.01)
///
/// Estimates choose how many tokens to guess. The budget limits what wrong estimates cost: it counts the measured times.
package struct DraftBudget: Sendable {
    /// What may be lost, as a share of the time of steps.
    private static let share = 0.02
    /// The debt with which the draft model may still process the tokens that it lacks, in steps of one token for each answer. Also what
    /// the first prompts may cost, before anything is measured.
    private static let catchUpDebt = 4.0
    /// The debt with which it guesses nothing. In between, it tries whether its guesses are right.
    private static let mostDebt = 8.0
    /// The most steps that savings count for: texts change.
    private static let mostSavings = 128.0

    /// In seconds; negative is a debt.
    private var left = 0.0

    package init() {}

    /// Adds a step of the model.
    ///
    /// - Parameter saved: The seconds that the guesses of the draft model have saved. Negative if they cost more.
    package mutating func add(step seconds: Double, saved: Double) {
        left = min(left + Self.share * seconds + saved, Self.mostSavings * seconds)
    }

    /// Whether the draft model may guess.
    ///
    /// - Parameter step: The seconds of a step without guesses.
    package func allowsGuesses(step: Double) -> Bool { left > -Self.mostDebt * step }

    /// Whether the draft model may spend so many seconds on tokens that it has not processed.
    package func allows(catchingUp seconds: Double, step: Double) -> Bool { seconds <= left + Self.catchUpDebt * step }
}

/// How often the guesses of a draft model are right in an answer.
package struct DraftAccuracy: Sendable {
    /// Older guesses count less, so that the share follows a text that changes.
    private static let decay = 0.95
    // As if there had been two guesses. A high share lets the draft model try; a few wrong guesses end that.
    private var right = 1.6, all = 2.0

    package init() {}

    /// The probability that the next guess is right.
    package var share: Double { right / all }

    /// The probability that each of the next guesses, and all before it, are right.
    package func probabilities(count: Int) -> [Double] {
        var probability = 1.0
        return (0..<count).map { _ in
            probability *= share
            return probability
        }
    }

    /// Adds the guesses that a step has checked. What follows a wrong guess says nothing.
    package mutating func add(right count: Int, of checked: Int) {
        for i in 0..<min(count + 1, checked) {
            right = right * Self.decay + (i < count ? 1 : 0)
            all = all * Self.decay + 1
        }
    }
}
