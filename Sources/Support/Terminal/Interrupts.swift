import Glibc
import Synchronization

/// Counts presses of Ctrl-C instead of ending the program, for the lifetime of this value.
///
///     let interrupts = Interrupts()
///     if interrupts.take() > 0 { answer.cancel() }
package struct Interrupts: ~Copyable {
    private static let count = Atomic(0)
    private let saved: (@convention(c) (Int32) -> Void)?

    package init() {
        Self.count.store(0, ordering: .relaxed)
        unblock(SIGINT)
        saved = signal(SIGINT) { _ in Interrupts.count.wrappingAdd(1, ordering: .relaxed) }
    }

    deinit { signal(SIGINT, saved) }

    /// Returns the number of presses since the last call.
    package func take() -> Int { Self.count.exchange(0, ordering: .relaxed) }
}

/// Unblocks a signal, since the signal mask is inherited from the parent process.
func unblock(_ signal: Int32) {
    var set = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, signal)
    pthread_sigmask(SIG_UNBLOCK, &set, nil)
}
