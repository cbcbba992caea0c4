import Kernels

/// The memory that the KV caches of an engine may use together.
package struct KVMemory: Sendable {
    /// In bytes.
    package let limit: Int
    /// The limit of the KV caches of a draft model; 0 without one.
    let draftLimit: Int
    /// The most tokens of a prompt and its answer that fit, alone.
    package let mostPositions: Int
    private let size: KVCacheSize

    init(limit: Int, draft draftLimit: Int, _ size: KVCacheSize) {
        self.limit = limit
        self.draftLimit = draftLimit
        self.size = size
        mostPositions = size.positions(within: limit)
    }

    /// Limits an answer to what fits with its prompt. Throws if the prompt alone does not.
    func fit(_ state: inout GenerationState) throws(GenerationError) {
        let prompt = state.prompt.count
        if prompt + (state.isPromptOnly ? 0 : 1) > mostPositions {
            throw .tooMuchMemory(promptTokens: prompt, bytes: size.bytes(forPositions: prompt + 1), limit: limit)
        }
        state.limitAnswer(to: mostPositions - prompt)
    }

    /// Throws if the keys and values of so many tokens do not fit.
    func checkFit(_ tokens: Int) throws(GenerationError) {
        if tokens > mostPositions { throw .tooMuchMemory(promptTokens: tokens, bytes: size.bytes(forPositions: tokens), limit: limit) }
    }
}
