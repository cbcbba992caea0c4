import Glibc
import Synchronization

/// Control-C as something to ask about, for as long as this lives.
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

    /// How often it was pressed since the last time.
    package func take() -> Int { Self.count.exchange(0, ordering: .relaxed) }
}

/// Whoever has started this program may have blocked a signal, and programs inherit that.
func unblock(_ signal: Int32) {
    var set = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, signal)
    pthread_sigmask(SIG_UNBLOCK, &set, nil)
}
