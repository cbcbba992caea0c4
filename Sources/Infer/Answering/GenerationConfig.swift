package import Tokenize

/// How an answer is drawn. What is out of range is refused when it is made, with the name of the field.
///
///     let config = try GenerationConfig(maximumTokens: 200, temperature: 0.8, topK: 50, topP: 0.9)
///     let colder = try config.with(temperature: 0.2)
///
/// What is not given changes nothing: `GenerationConfig()` draws from what the model says, until the answer or the context ends. In which order all of
/// it takes effect stands at `Sampler`.
package struct GenerationConfig: Sendable, Equatable {
    /// nil: as many as the context leaves.
    package let maximumTokens: Int?
    /// 0 takes the likeliest token, always.
    package private(set) var temperature: Double
    /// So many of the likeliest; 0 for all.
    package let topK: Int
    /// The likeliest that together have this share.
    package let topP: Double
    /// Those that have at least this share of what the likeliest has.
    package let minP: Double
    /// What a token's score is divided by (multiplied, if negative) once it stands in the prompt or the answer.
    package let repetitionPenalty: Double
    /// What is taken from a token's score, for each time that it stands in the answer, and for being there at all.
    package let frequencyPenalty, presencePenalty: Double
    /// The answer ends before the first of these texts.
    package let stop: [String]
    /// nil for another one each time.
    package private(set) var seed: UInt64?
    /// What is added to the scores of tokens.
    package let logitBias: [TokenID: Float]
    /// Of how many other tokens the log-probability is told beside that of the token that came; nil for none, not even that.
    package let logProbabilities: Int?
    /// Whether the answer goes on where the model would end it, as when speed is measured.
    package var ignoresEnd = false

    package init(maximumTokens: Int? = nil, temperature: Double = 1, topK: Int = 0, topP: Double = 1, minP: Double = 0, repetitionPenalty: Double = 1,
                 frequencyPenalty: Double = 0, presencePenalty: Double = 0, stop: [String] = [], seed: UInt64? = nil, logitBias: [TokenID: Float] = [:],
                 logProbabilities: Int? = nil) throws(GenerationError) {
        (self.maximumTokens, self.temperature, self.topK, self.topP, self.minP) = (maximumTokens, temperature, topK, topP, minP)
        (self.repetitionPenalty, self.frequencyPenalty, self.presencePenalty) = (repetitionPenalty, frequencyPenalty, presencePenalty)
        (self.stop, self.seed, self.logitBias, self.logProbabilities) = (stop, seed, logitBias, logProbabilities)
        try check()
    }

    /// Draws from what the model says, until the answer or the context ends.
    package init() {
        (maximumTokens, temperature, topK, topP, minP) = (nil, 1, 0, 1, 0)
        (repetitionPenalty, frequencyPenalty, presencePenalty) = (1, 0, 0)
        (stop, seed, logitBias, logProbabilities) = ([], nil, [:], nil)
    }

    package func with(temperature: Double) throws(GenerationError) -> GenerationConfig {
        var changed = self
        changed.temperature = temperature
        try changed.check()
        return changed
    }

    /// The same, drawing something else where it draws with a seed.
    package func drawing(again attempts: UInt64) -> GenerationConfig {
        var changed = self
        changed.seed = seed.map { $0 &+ attempts }
        return changed
    }

    /// Whether the likeliest token is taken, always: also where the temperature is so small that nothing else is ever drawn.
    package var isGreedy: Bool { temperature < 1e-6 }

    package static let mostStops = 16, mostAlternatives = 20

    private func check() throws(GenerationError) {
        if let maximumTokens, maximumTokens < 1 { throw .field("maximumTokens", value: "\(maximumTokens)", expected: "at least 1") }
        try Self.check("temperature", temperature, in: 0...2)
        if topK < 0 { throw .field("topK", value: "\(topK)", expected: "0 for all tokens, or more") }
        guard topP > 0, topP <= 1 else { throw .field("topP", value: "\(topP)", expected: "a number above 0 and up to 1") }
        try Self.check("minP", minP, in: 0...1)
        guard repetitionPenalty > 0, repetitionPenalty.isFinite else {
            throw .field("repetitionPenalty", value: "\(repetitionPenalty)", expected: "a number above 0; 1 changes nothing")
        }
        try Self.check("frequencyPenalty", frequencyPenalty, in: -2...2)
        try Self.check("presencePenalty", presencePenalty, in: -2...2)
        if stop.count > Self.mostStops { throw .field("stop", value: "\(stop.count) texts", expected: "at most \(Self.mostStops)") }
        if stop.contains("") { throw .field("stop", value: "an empty text", expected: "texts that are not empty") }
        for id in logitBias.keys.sorted() {
            let bias = logitBias[id] ?? 0
            guard id >= 0 else { throw .field("logitBias", value: "token \(id)", expected: "the numbers of tokens, from 0 on") }
            guard bias >= -100, bias <= 100 else { throw .field("logitBias", value: "\(bias) for token \(id)", expected: "a number from -100 to 100") }
        }
        if let logProbabilities, !(0...Self.mostAlternatives).contains(logProbabilities) {
            throw .field("logProbabilities", value: "\(logProbabilities)", expected: "a whole number from 0 to \(Self.mostAlternatives)")
        }
    }

    private static func check(_ field: String, _ value: Double, in range: ClosedRange<Double>) throws(GenerationError) {
        guard range.contains(value) else {
            throw .field(field, value: "\(value)", expected: "a number from \(short(range.lowerBound)) to \(short(range.upperBound))")
        }
    }

    private static func short(_ bound: Double) -> String { "\(Int(bound))" }
}
