import Synchronization

/// A thread that works every so often, and at once when it is woken.
///
///     let thread = PeriodicThread(every: .milliseconds(500))
///     try thread.start { { removeExpiredSessions() } }
///     thread.wake()
///     thread.stop()                                            // waits until the thread has ended
package final class PeriodicThread: Sendable {
    private let interval: Duration
    private let wakes = Mailbox<Void>()
    private let ended = Mailbox<Void>()
    private let isStarted = Atomic(false)
    private let isStopping = Atomic(false)

    package init(every interval: Duration) { self.interval = interval }

    /// - Parameter makeWork: Is called once on the thread, so that what it returns may keep a state between its calls.
    package func start(_ makeWork: @escaping @Sendable () -> () -> Void) throws(ThreadError) {
        isStarted.store(true, ordering: .relaxed)
        try BackgroundThread.run { [self] in
            defer { ended.put(()) }
            let work = makeWork()
            while !isStopped {
                work()
                _ = wakes.take(within: interval)
                while wakes.takeIfAvailable() != nil {}
            }
        }
    }

    /// Works now, or again after the work in progress.
    package func wake() { wakes.put(()) }

    /// Whether `stop` was called. Work that takes long asks it.
    package var isStopped: Bool { isStopping.load(ordering: .acquiring) }

    /// Waits for work in progress, but no longer than `time`.
    package func stop(within time: Duration = .seconds(5)) {
        guard isStarted.load(ordering: .relaxed), !isStopping.exchange(true, ordering: .acquiringAndReleasing) else { return }
        wake()
        _ = ended.take(within: time)
    }
}
