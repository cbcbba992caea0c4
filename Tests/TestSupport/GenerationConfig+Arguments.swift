package import Infer
package import Tokenize

extension GenerationConfig {
    /// The settings of a test as arguments.
    package init(
        maxTokens: Int? = nil, temperature: Double = 1, topK: Int = 0, topP: Double = 1, minP: Double = 0,
        repetitionPenalty: Double = 1, frequencyPenalty: Double = 0, presencePenalty: Double = 0, stop: [String] = [],
        seed: UInt64? = nil, logitBias: [TokenID: Float] = [:], logProbabilities: Int? = nil
    ) throws(GenerationError) {
        try self.init {
            $0.maxTokens = maxTokens
            $0.temperature = temperature
            $0.topK = topK
            $0.topP = topP
            $0.minP = minP
            $0.repetitionPenalty = repetitionPenalty
            $0.frequencyPenalty = frequencyPenalty
            $0.presencePenalty = presencePenalty
            $0.stop = stop
            $0.seed = seed
            $0.logitBias = logitBias
            $0.logProbabilities = logProbabilities
        }
    }
}
