import Glibc
import Infer
import Synchronization
import TestSupport
import Tokenize

/// A backend that records its prompts and generates one sentence, stopping at a gate.
final class RecordingBackend: ChatBackend {
    let name = "recording"
    var context: Int? { backend.context }
    private let recorded = Mutex<[[String]]>([])
    private let recordedTools = Mutex<[[String]]>([])
    private let backend: ScriptedBackend
    /// Counts calls of `cancel`.
    let cancellations = AtomicCounter()

    /// - Parameter gate: Every answer waits here before each character.
    init(_ sentence: String = OneSentenceModel.sentence, context: Int = 64, gate: GenerationGate? = nil) {
        backend = ScriptedBackend(sentence, context: context) { gate?.wait(character: $0) }
    }

    /// The messages of each prompt, such as "user: Hi", in the order in which the answers started.
    var prompts: [[String]] { recorded.withLock { $0 } }

    /// The names of the tools of each request.
    var toolNames: [[String]] { recordedTools.withLock { $0 } }

    func start(
        _ request: GenerationRequest,
        deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) throws(GenerationError) -> any GenerationHandle {
        recordedTools.withLock { $0.append(request.tools?.names ?? []) }
        if case .chat(let messages) = request.prompt {
            recorded.withLock { $0.append(messages.map { "\($0.role.rawValue): \(String(decoding: $0.text, as: UTF8.self))" }) }
        }
        return CountingHandle(try backend.start(request, deliver: deliver), cancellations)
    }

    private final class CountingHandle: GenerationHandle {
        private let handle: any GenerationHandle
        private let cancellations: AtomicCounter

        init(_ handle: any GenerationHandle, _ cancellations: AtomicCounter) {
            self.handle = handle
            self.cancellations = cancellations
        }

        func cancel() {
            handle.cancel()
            cancellations.increment()
        }
    }
}

/// Stops answers before one of their characters until it is opened.
final class GenerationGate: Sendable {
    private let character: Int
    private let isOpen = Atomic(false)

    init(beforeCharacter character: Int) { self.character = character }

    func wait(character: Int) {
        guard character == self.character else { return }
        // At most a minute: with ThreadSanitizer and all tests at once, a request has taken more than ten seconds.
        for _ in 0..<120_000 {
            if isOpen.load(ordering: .relaxed) { return }
            usleep(500)
        }
    }

    func open() { isOpen.store(true, ordering: .relaxed) }
    func close() { isOpen.store(false, ordering: .relaxed) }
}

final class AtomicCounter: Sendable {
    private let number = Atomic(0)

    @discardableResult
    func increment() -> Int { number.add(1, ordering: .relaxed).newValue }
    var value: Int { number.load(ordering: .relaxed) }
}
