package import Infer
import Synchronization
import Tokenize

/// Gives an answer again that it gave before, where the model would say the same: to the same question, drawn without chance (temperature
/// 0).
///
///     let backend = CachingBackend(gpt)
///
/// It remembers a bounded number of answers, forgets the oldest first, and ends with the model whose answers they are.
package final class CachingBackend: ChatBackend {
    /// Bytes of a question, and of an answer: what takes more is not worth remembering.
    fileprivate static let longestQuestion = 16 << 10, longestAnswer = 64 << 10

    private let backend: any ChatBackend
    private let answers: Mutex<RecentTable<Key, GenerationResult>>

    fileprivate struct Key: Hashable {
        let prompt: [[UInt8]]
        let rest: String
    }

    package init(_ backend: any ChatBackend, remembering most: Int = 1_024) {
        self.backend = backend
        answers = Mutex(RecentTable(most: most))
    }

    package var name: String { backend.name }
    package var context: Int? { backend.context }

    package func start(
        _ request: GenerationRequest, deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) throws(GenerationError) -> any GenerationHandle {
        guard let key = Key(request) else { return try backend.start(request, deliver: deliver) }
        if let known = answers.withLock({ $0[key] }) {
            Self.give(known, to: deliver)
            return Over()
        }
        let collected = GrowingAnswer()
        return try backend.start(request) { event in
            let answer = collected.add(event)
            if case .ended(let end) = event, [.stop, .length].contains(end.reason), answer.byteCount < Self.longestAnswer {
                self.answers.withLock { $0.set(key, to: answer) }
            }
            deliver(event)
        }
    }

    private static func give(_ answer: GenerationResult, to deliver: (GenerationEvent) -> Void) {
        var beginning = answer.start, end = answer.end
        beginning.cachedTokens = beginning.promptTokens ?? 0
        end.timings = GenerationTimings()
        deliver(.began(beginning))
        if !answer.text.isEmpty { deliver(.piece(TextPiece(answer.text, answer.tokens))) }
        deliver(.ended(end))
    }

    private final class Over: GenerationHandle {
        func cancel() {}
    }
}

extension CachingBackend.Key {
    /// nil where the answer is another each time.
    fileprivate init?(_ request: GenerationRequest) {
        let config = request.config
        guard config.isGreedy else { return nil }
        switch request.prompt {
        case .text(let text): prompt = [Array(text.utf8)]
        case .tokens(let ids): prompt = [Array("\(ids)".utf8), [], []]
        case .chat(let turns): prompt = turns.flatMap { [Array($0.role.rawValue.utf8), $0.text] } + [[]]
        }
        // What is drawn without chance does not depend on how chance would be.
        let bias = config.logitBias.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" }.joined(separator: ",")
        rest = """
            \(config.maximumTokens ?? 0) \(config.repetitionPenalty) \(config.frequencyPenalty) \(config.presencePenalty) \(config.logProbabilities ?? -1) \
            \(request.policy.rawValue) \(config.ignoresEOS) \(bias) \(config.stop)
            """
        if prompt.reduce(rest.utf8.count, { $0 + $1.count }) > CachingBackend.longestQuestion { return nil }
    }
}

extension GenerationResult {
    /// Nearly what it takes of memory.
    fileprivate var byteCount: Int { tokens.reduce(text.utf8.count) { $0 + 96 * (1 + $1.alternatives.count) } }
}
