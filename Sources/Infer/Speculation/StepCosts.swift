/// The measured time of steps by the number of tokens that they decode, to choose how many guesses are worth checking.
package struct StepCosts {
    package init() {}

    /// More tokens of one step are not guesses worth checking.
    package static let mostRows = 64
    /// What a token adds to a step, until it is measured, as a share of the step's time per token.
    private static let usualShare = 0.2
    /// Steps after which a measurement is forgotten: it may have been disturbed, and contexts grow.
    private static let lifetime = 512

    private struct Measurement {
        var seconds: Double
        var step: Int
    }

    private var measurements = [Measurement?](repeating: nil, count: mostRows + 1)
    private var steps = 0

    /// Notes a step that decoded so many tokens.
    package mutating func add(rows: Int, seconds: Double) {
        steps += 1
        guard rows <= Self.mostRows else { return }
        if let old = measurement(rows) {
            // A step that was disturbed takes longer, none is too short.
            let weight = seconds < old.seconds ? 0.5 : 0.1
            measurements[rows] = Measurement(seconds: old.seconds + weight * (seconds - old.seconds), step: steps)
        } else {
            measurements[rows] = Measurement(seconds: seconds, step: steps)
        }
    }

    private func measurement(_ rows: Int) -> Measurement? {
        measurements[rows].flatMap { steps - $0.step < Self.lifetime ? $0 : nil }
    }

    /// The time of a step of `count` tokens, from that of one with fewer.
    private static func estimate(_ count: Int, from seconds: Double, rows: Int) -> Double {
        seconds * (1 + usualShare * Double(count - rows) / Double(rows))
    }

    /// The measured time of a step of so many tokens; nil if there is none.
    package func measured(rows: Int) -> Double? { 1...Self.mostRows ~= rows ? measurement(rows)?.seconds : nil }

    /// The time of a step of so many tokens: measured, or estimated from the nearest measured one. 0 if nothing is measured.
    package func seconds(rows: Int) -> Double {
        for fewer in (0...min(rows, Self.mostRows)).reversed() {
            if let measured = measured(rows: fewer) { return Self.estimate(rows, from: measured, rows: fewer) }
        }
        return measurements.indices.lazy.compactMap { measured(rows: $0) }.first ?? 0
    }

    /// How many of some guesses to check besides the tokens that are decoded anyway: the number with the most tokens per second.
    ///
    /// - Parameters:
    ///   - probabilities: That each guess, and all before it in its answer, are right, from the highest.
    ///   - prices: The seconds that each guess takes before the step, in a draft model. Empty if they take none.
    ///   - rows: The tokens that are decoded anyway.
    package func worthwhile(_ probabilities: [Double], prices: [Double] = [], besides rows: Int) -> Int {
        guard let alone = measured(rows: rows) else { return 0 }
        var best = 0, tokens = Double(rows), mostPerSecond = tokens / alone, price = 0.0
        for (i, probability) in probabilities.prefix(Self.mostRows - rows).enumerated() {
            tokens += probability
            if !prices.isEmpty { price += prices[i] }
            let count = rows + i + 1, seconds = price + (measured(rows: count) ?? Self.estimate(count, from: alone, rows: rows))
            // A small gain may be an error of measurement.
            if tokens / seconds > 1.02 * mostPerSecond {
                best = i + 1
                mostPerSecond = tokens / seconds
            }
        }
        return best
    }
}
