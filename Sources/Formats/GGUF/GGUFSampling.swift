import Checkpoint

// The sampling settings that the author of a model recommends.

private let samplingPrefix = "general.sampling."

extension GGUFFile {
    /// nil if there are none. Settings out of range are left out: they do not keep the model from being used.
    var samplingDefaults: SamplingDefaults? {
        // Numbers are stored in f32: 0.8 becomes 0.8 again, not 0.800000011920929.
        func number(_ key: String) -> Double? {
            (try? self.number(samplingPrefix + key, -1e9...1e9)).flatMap { Double(Float($0).description) }
        }
        return SamplingDefaults(
            temperature: number("temp"), topK: try? integer(samplingPrefix + "top_k", 0...Int.max), topP: number("top_p"),
            minP: number("min_p"), repetitionPenalty: number("penalty_repeat"))
    }
}

extension GGUFHeader {
    mutating func add(_ sampling: SamplingDefaults) {
        add(samplingPrefix + "temp", Float(sampling.temperature))
        add(samplingPrefix + "top_k", Int32(clamping: sampling.topK))
        add(samplingPrefix + "top_p", Float(sampling.topP))
        if sampling.minP != 0 { add(samplingPrefix + "min_p", Float(sampling.minP)) }
        if sampling.repetitionPenalty != 1 { add(samplingPrefix + "penalty_repeat", Float(sampling.repetitionPenalty)) }
    }
}
