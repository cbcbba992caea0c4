import Synchronization
import Threads

/// The handle of a generation of `LocalBackend`.
final class GenerationControl: GenerationHandle {
    private let canceled = Atomic(false)
    private let paused = Atomic(false)
    private let inbox: Mailbox<LocalBackend.Message>

    /// - Parameter inbox: The mailbox of the thread that runs the model, which waits for messages while it has nothing to do.
    init(_ inbox: Mailbox<LocalBackend.Message>) { self.inbox = inbox }

    var isCancelled: Bool { canceled.load(ordering: .relaxed) }
    /// A paused generation that is canceled must be ended, so it is no longer paused.
    var isPaused: Bool { paused.load(ordering: .relaxed) && !isCancelled }

    var canPause: Bool { true }

    func cancel() {
        canceled.store(true, ordering: .relaxed)
        if paused.load(ordering: .relaxed) { inbox.put(.wake) }
    }

    func pause() { paused.store(true, ordering: .relaxed) }

    func resume() {
        paused.store(false, ordering: .relaxed)
        inbox.put(.wake)
    }
}
