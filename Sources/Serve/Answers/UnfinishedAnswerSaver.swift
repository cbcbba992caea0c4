import Store
import Synchronization
import Threads

/// Decides when the text so far of an answer is saved, in case the server is killed.
///
///     let saver = UnfinishedAnswerSaver()
///     if saver.begin() { pool.run { store.save(…); saver.end() } }
package final class UnfinishedAnswerSaver: Sendable {
    /// Between two saves of one answer.
    package static let interval = Duration.seconds(2)

    private let state: Mutex<(next: ContinuousClock.Instant, isSaving: Bool)>

    package init(at now: ContinuousClock.Instant = .now) { state = Mutex((now + Self.interval, false)) }

    /// Returns whether the answer should be saved now.
    package func begin(at now: ContinuousClock.Instant = .now) -> Bool {
        state.withLock { state in
            if state.isSaving || state.next > now { return false }
            state.isSaving = true
            return true
        }
    }

    package func end(at now: ContinuousClock.Instant = .now) { state.withLock { $0 = (now + Self.interval, false) } }
}
