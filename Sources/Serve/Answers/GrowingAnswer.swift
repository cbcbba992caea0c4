import Infer
import Synchronization

/// An answer that is put together from its events.
final class GrowingAnswer: Sendable {
    private let answer = Mutex(GenerationResult())

    /// What there is with this event.
    @discardableResult
    func add(_ event: GenerationEvent) -> GenerationResult {
        answer.withLock { answer in
            answer.add(event)
            return answer
        }
    }
}
