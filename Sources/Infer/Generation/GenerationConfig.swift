package import Tokenize

/// All settings of a generation: sampling, stop texts, the number of tokens. ``check()`` throws an error that names a field out of range.
///
///     let config = try GenerationConfig {
///         $0.maxTokens = 200
///         $0.temperature = 0.8
///     }
///     let colder = try config.with(temperature: 0.2)
///
/// `GenerationConfig()` samples from the model's unmodified distribution until the end of the turn or of the context. ``Sampler``
/// documents the order in which the settings apply.
package struct GenerationConfig: Sendable, Equatable {
    /// nil: up to the end of the context.
    package var maxTokens: Int?
    /// 0 is greedy: always the most likely token.
    package var temperature = 1.0
    /// Samples from the k most likely tokens; 0 for all.
    package var topK = 0
    /// Samples from the smallest set of most likely tokens whose total probability is at least p (nucleus sampling); 0 is greedy.
    package var topP = 1.0
    /// Samples from tokens with at least this fraction of the highest probability.
    package var minP = 0.0
    /// Divides positive logits, and multiplies negative ones, of tokens in the prompt or the answer. 1 is off.
    package var repetitionPenalty = 1.0
    /// Subtracted from a token's logit for each occurrence in the answer.
    package var frequencyPenalty = 0.0
    /// Subtracted from a token's logit once it occurs in the answer.
    package var presencePenalty = 0.0
    /// The answer ends before the first of these texts.
    package var stop: [String] = []
    /// nil: a random seed for each generation.
    package var seed: UInt64?
    /// Added to the logits of these tokens.
    package var logitBias: [TokenID: Float] = [:]
    /// The number of alternatives reported beside each token's log-probability; nil to report no log-probabilities.
    package var logProbabilities: Int?
    /// The number of alternatives reported beside the log-probability of each token of the prompt; nil to report none.
    package var promptLogProbabilities: Int?
    /// The first token of the prompt whose log-probability is reported. Those before it need no logits, and can be cached.
    package var firstPromptLogProbability = 0
    /// Whether only the prompt is processed and no token is generated: `max_tokens: 0`.
    package var isPromptOnly = false
    /// Whether generation continues past end-of-text tokens, as in benchmarks.
    package var ignoresEOS = false

    /// Samples from the model's unmodified distribution.
    package init() {}

    /// Throws if `change` sets a value out of range.
    package init(_ change: (inout GenerationConfig) -> Void) throws(GenerationError) {
        change(&self)
        try check()
    }

    package func with(temperature: Double) throws(GenerationError) -> GenerationConfig {
        var changed = self
        changed.temperature = temperature
        try changed.check()
        return changed
    }

    /// Returns the settings for another attempt at the same prompt: a fixed seed is increased, so that the answer differs.
    package func reseeded(attempt: UInt64) -> GenerationConfig {
        var changed = self
        changed.seed = seed.map { $0 &+ attempt }
        return changed
    }

    /// Whether the most likely token is always chosen. True also for a temperature so low that nothing else is ever sampled.
    package var isGreedy: Bool { temperature < 1e-6 || topK == 1 || topP == 0 }

    package static let maxStopTexts = 16
    package static let maxAlternatives = 20

    /// Throws if a value is out of range.
    package func check() throws(GenerationError) {
        if let maxTokens, maxTokens < 1 {
            throw .field("maxTokens", value: "\(maxTokens)", expected: "at least 1")
        }
        try Self.check("temperature", temperature, in: 0...2)
        if topK < 0 { throw .field("topK", value: "\(topK)", expected: "at least 0 (0: all tokens)") }
        try Self.check("topP", topP, in: 0...1)
        try Self.check("minP", minP, in: 0...1)
        guard repetitionPenalty > 0, repetitionPenalty.isFinite else {
            throw .field("repetitionPenalty", value: "\(repetitionPenalty)", expected: "a number above 0 (1: off)")
        }
        try Self.check("frequencyPenalty", frequencyPenalty, in: -2...2)
        try Self.check("presencePenalty", presencePenalty, in: -2...2)
        if stop.count > Self.maxStopTexts {
            throw .field("stop", value: "\(stop.count) texts", expected: "at most \(Self.maxStopTexts)")
        }
        if stop.contains("") { throw .field("stop", value: "an empty text", expected: "texts that are not empty") }
        for id in logitBias.keys.sorted() {
            let bias = logitBias[id] ?? 0
            guard id >= 0 else { throw .field("logitBias", value: "token \(id)", expected: "token ids of at least 0") }
            guard bias >= -100, bias <= 100 else {
                throw .field("logitBias", value: "\(bias) for token \(id)", expected: "a number from -100 to 100")
            }
        }
        if let logProbabilities, !(0...Self.maxAlternatives).contains(logProbabilities) {
            throw .field("logProbabilities", value: "\(logProbabilities)", expected: "a whole number from 0 to \(Self.maxAlternatives)")
        }
    }

    private static func check(_ field: String, _ value: Double, in range: ClosedRange<Double>) throws(GenerationError) {
        guard range.contains(value) else {
            throw .field(field, value: "\(value)", expected: "a number from \(Int(range.lowerBound)) to \(Int(range.upperBound))")
        }
    }
}
