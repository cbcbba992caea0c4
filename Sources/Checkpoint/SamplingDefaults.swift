package import JSON

/// The sampling settings of a request that does not give its own.
///
///     let defaults = SamplingDefaults(try parser.parse(json)) ?? .smallModels
package struct SamplingDefaults: Sendable, Equatable {
    package let temperature: Double
    /// 0: all tokens.
    package let topK: Int
    package let topP: Double
    /// 0: off.
    package let minP: Double
    /// 1: off.
    package let repetitionPenalty: Double

    /// For small models, whose unlikely tokens are mostly nonsense. Measured: Documentation/decisions/sampling.md.
    package static let smallModels = SamplingDefaults(temperature: 0.8, topK: 50, topP: 0.95, minP: 0.1)
    /// For other servers: changes nothing, since they have their own defaults.
    package static let remoteModels = SamplingDefaults(temperature: 1, topK: 0, topP: 1)

    private init(temperature: Double, topK: Int, topP: Double, minP: Double = 0, repetitionPenalty: Double = 1) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.minP = minP
        self.repetitionPenalty = repetitionPenalty
    }

    /// The settings that the author of a model recommends; nil if all are missing. Single ones that are missing, or out of range, get the
    /// defaults of transformers, with which a model with such settings was tried.
    package init?(temperature: Double?, topK: Int?, topP: Double?, minP: Double?, repetitionPenalty: Double?) {
        func valid<Value: Comparable>(_ value: Value?, _ range: ClosedRange<Value>) -> Value? {
            value.flatMap { range.contains($0) ? $0 : nil }
        }
        let temperature = valid(temperature, 0...2), topK = valid(topK, 0...Int.max), topP = valid(topP, 0...1), minP = valid(minP, 0...1)
        let repetitionPenalty = valid(repetitionPenalty, 1e-3...1e3)
        if temperature == nil, topK == nil, topP == nil, minP == nil, repetitionPenalty == nil { return nil }
        self.init(
            temperature: temperature ?? 1, topK: topK ?? 50, topP: topP ?? 1, minP: minP ?? 0, repetitionPenalty: repetitionPenalty ?? 1)
    }

    /// Reads the fields of a generation_config.json.
    package init?(_ fields: JSONElement) {
        self.init(
            temperature: fields["temperature"]?.number, topK: fields["top_k"]?.integer, topP: fields["top_p"]?.number,
            minP: fields["min_p"]?.number, repetitionPenalty: fields["repetition_penalty"]?.number)
    }

    /// Writes the fields of a generation_config.json.
    package func write(to object: inout JSONWriter) {
        object["temperature"] = temperature
        object["top_k"] = topK
        object["top_p"] = topP
        if minP != 0 { object["min_p"] = minP }
        if repetitionPenalty != 1 { object["repetition_penalty"] = repetitionPenalty }
    }
}
