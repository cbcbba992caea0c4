import Infer
import Synchronization

/// Collects the events of an answer.
final class AnswerAccumulator: Sendable {
    private let result: Mutex<GenerationResult>

    /// - Parameter keepsPieces: Whether the result keeps the pieces in which the answer comes.
    init(keepsPieces: Bool = false) { result = Mutex(GenerationResult(keepsPieces: keepsPieces)) }

    /// Adds an event and returns the result so far.
    @discardableResult
    func add(_ event: GenerationEvent) -> GenerationResult {
        result.withLock { result in
            result.add(event)
            return result
        }
    }
}
