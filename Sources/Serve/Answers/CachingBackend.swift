package import Checkpoint
package import Infer
import Synchronization
package import Tokenize

/// Returns a cached answer to a prompt that was answered before with greedy sampling (temperature 0).
///
///     let backend = CachingBackend(model)
///
/// The number of cached answers is bounded; the oldest is evicted first. The cache belongs to one model and ends with it. A client gets
/// cached answers to its own prompts only, unless the cache is shared: an answer that is cached shows that another user has sent the same
/// prompt.
package final class CachingBackend: ChatBackend {
    /// Bytes of a prompt, and of an answer. Larger ones are not cached.
    fileprivate static let maxPromptBytes = 16 << 10
    fileprivate static let maxAnswerBytes = 64 << 10

    private let backend: any ChatBackend
    private let answers: Mutex<BoundedCache<Key, GenerationResult>>

    fileprivate struct Key: Hashable {
        /// Empty if the cache is shared.
        let owner: String
        let prompt: [[UInt8]]
        let options: String
    }

    private let isShared: Bool

    package init(_ backend: any ChatBackend, capacity: Int = 1_024, isShared: Bool = false) {
        self.backend = backend
        self.isShared = isShared
        answers = Mutex(BoundedCache(capacity: capacity))
    }

    package var name: String { backend.name }
    package var context: Int? { backend.context }
    package var samplingDefaults: SamplingDefaults { backend.samplingDefaults }
    package var kvMemoryUse: KVMemoryUse? { backend.kvMemoryUse }
    package var canPause: Bool { backend.canPause }
    package func probe(_ completion: @escaping @Sendable (_ works: Bool) -> Void) { backend.probe(completion) }

    package func start(
        _ request: GenerationRequest,
        deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) throws(GenerationError) -> any GenerationHandle {
        guard let key = Key(request, isShared: isShared) else { return try backend.start(request, deliver: deliver) }
        // Only with log-probabilities does it matter which tokens belong to which text.
        let keepsPieces = request.config.logProbabilities != nil
        if let cached = answers.withLock({ $0[key] }) {
            replay(cached, in: keepsPieces ? cached.pieces : [cached.joinedPiece], to: deliver)
            return FinishedGeneration()
        }
        let accumulator = AnswerAccumulator(keepsPieces: keepsPieces)
        return try backend.start(request) { event in
            let answer = accumulator.add(event)
            if case .ended(let end) = event, [.stop, .length].contains(end.reason), answer.byteCount < Self.maxAnswerBytes {
                self.answers.withLock { $0.set(key, to: answer) }
            }
            deliver(event)
        }
    }

    package var embeddingWidth: Int? { backend.embeddingWidth }
    package var weightBytes: Int? { backend.weightBytes }
    package func embed(
        _ texts: [[TokenID]], deliver: @escaping @Sendable (EmbeddingResult) -> Void
    ) throws(GenerationError) -> any GenerationHandle {
        try backend.embed(texts, deliver: deliver)
    }

    private func replay(_ answer: GenerationResult, in pieces: [TextPiece], to deliver: (GenerationEvent) -> Void) {
        var beginning = answer.start
        var end = answer.end
        // With a shared cache, the prompt may have come from another user.
        beginning.cachedTokens = isShared ? 0 : beginning.promptTokens ?? end.promptTokens
        end.cachedTokens = nil
        end.timings = GenerationTimings()
        deliver(.began(beginning))
        for piece in pieces where piece != TextPiece("") { deliver(.piece(piece)) }
        deliver(.ended(end))
    }

    private final class FinishedGeneration: GenerationHandle {
        func cancel() {}
    }
}

extension CachingBackend.Key {
    /// Returns nil if the request samples at random, has a format for its answer or variables of the template, is about the prompt, or is
    /// too large.
    fileprivate init?(_ request: GenerationRequest, isShared: Bool) {
        let config = request.config
        guard config.isGreedy, request.grammar == nil, request.forwardedFields.isEmpty else { return nil }
        if config.isPromptOnly || config.promptLogProbabilities != nil || request.templateArguments != nil { return nil }
        owner = isShared ? "" : request.owner
        switch request.prompt {
        case .text(let text): prompt = [Array(text.utf8)]
        case .tokens(let ids): prompt = [Array("\(ids)".utf8), [], []]
        case .chat(let messages):
            // Prompts with tools depend on much more than texts, and their answers are rarely asked for again.
            if request.tools != nil || messages.contains(where: \.concernsTools) { return nil }
            prompt = messages.flatMap { [Array($0.role.rawValue.utf8), $0.text, $0.reasoning ?? []] } + [[]]
        }
        // Greedy sampling ignores top_k, top_p, min_p and the seed, so they are not part of the key.
        let bias = config.logitBias.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" }.joined(separator: ",")
        options = """
            \(config.maxTokens ?? 0) \(config.repetitionPenalty) \(config.frequencyPenalty) \(config.presencePenalty) \
            \(config.logProbabilities ?? -1) \(request.policy.rawValue) \(config.ignoresEOS) \(request.continuesAnswer) \(bias) \
            \(config.stop)
            """
        if prompt.reduce(options.utf8.count, { $0 + $1.count }) > CachingBackend.maxPromptBytes { return nil }
    }
}

extension GenerationResult {
    /// The approximate size in memory.
    fileprivate var byteCount: Int { tokens.reduce(text.utf8.count + reasoning.utf8.count) { $0 + 96 * (1 + $1.alternatives.count) } }
}
