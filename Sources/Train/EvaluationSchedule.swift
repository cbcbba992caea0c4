/// Chooses on how many tokens a run evaluates, so that its evaluations take about 3 % of it.
///
/// Half of that is for the evaluations during the run, and half for the one at its end.
package enum EvaluationSchedule {
    /// The usual number of evaluations during a run.
    static let defaultCount = 20
    private static let leastCount = 5
    /// The share of the run for the evaluations during it; as much again is for the one at its end.
    static let share = 0.015
    /// Below these tokens, fewer evaluations are better than smaller ones; and the smallest evaluation.
    private static let fewTokens = 8_192, fewestTokens = 1_024
    /// Evaluating a token takes about a third of the time of training on it.
    private static let trainingCost = 3.0
    /// The training tokens that are evaluated for each validation token.
    static let trainingShare = 0.25

    /// The tokens of an evaluation in a run of limited time: the most of `most`, its half, its quarter …, of which `defaultCount`
    /// evaluations fit, and below `fewTokens` the most of which `leastCount` fit.
    package static func tokens(most: Int, within seconds: Double, secondsPerToken: Double) -> Int {
        let budget = seconds * share / (secondsPerToken * (1 + trainingShare))
        let fits = { (tokens: Int, count: Int) in Double(tokens * count) <= budget }
        var tokens = most
        while tokens > fewestTokens, !fits(tokens, tokens > fewTokens ? defaultCount : leastCount) {
            tokens = max(min(tokens, fewestTokens), tokens / 2)
        }
        return tokens
    }

    /// The tokens of an evaluation in a run of so many training tokens. Does not depend on the speed of the machine.
    package static func tokens(most: Int, trainingTokens: Int) -> Int {
        let budget = Double(trainingTokens) * 2 * share * trainingCost / (1 + trainingShare)
        var tokens = most
        while tokens > fewTokens / 2, Double(tokens * defaultCount) > budget { tokens = max(fewTokens / 2, tokens / 2) }
        return tokens
    }

    /// The tokens of the evaluation at the end: all, or the most of `most`, its half … that fit.
    static func finalTokens(all: Int, most: Int, atLeast least: Int, affordable: Double) -> Int {
        if Double(all) <= affordable { return all }
        var tokens = min(most, all)
        while tokens > least, Double(tokens) > affordable { tokens /= 2 }
        return max(tokens, least)
    }

    /// The tokens that a run of so many training tokens can afford at its end: a few always.
    static func affordable(afterTraining tokens: Int) -> Double { max(65_536, Double(tokens) * share * trainingCost) }
}
