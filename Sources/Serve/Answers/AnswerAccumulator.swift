import Infer
import Synchronization

/// Collects the events of an answer.
final class AnswerAccumulator: Sendable {
    private let result = Mutex(GenerationResult())

    /// Adds an event and returns the result so far.
    @discardableResult
    func add(_ event: GenerationEvent) -> GenerationResult {
        result.withLock { result in
            result.add(event)
            return result
        }
    }
}
