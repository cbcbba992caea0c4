import Store
import Synchronization
import Threads

/// Decides when the text so far of an answer is saved, in case the server is killed.
///
///     let saver = UnfinishedAnswerSaver()
///     if saver.begin() { pool.run { store.save(…); saver.end() } }
final class UnfinishedAnswerSaver: Sendable {
    /// Between two saves of one answer.
    static let interval = Duration.seconds(2)

    private let state = Mutex((next: ContinuousClock.now + interval, isSaving: false))

    /// Returns whether the answer should be saved now.
    func begin() -> Bool {
        state.withLock { state in
            if state.isSaving || state.next > .now { return false }
            state.isSaving = true
            return true
        }
    }

    func end() { state.withLock { $0 = (.now + Self.interval, false) } }
}
