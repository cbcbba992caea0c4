import Synchronization

/// A fixed number of threads that run blocking or long-running work from a bounded queue.
///
///     let pool = try ThreadPool(threads: 4, maxQueued: 1_000)
///     guard pool.run({ store.append(…) }) else { … }           // the queue is full
///
/// The threads end when the pool is released.
package final class ThreadPool: Sendable {
    private final class Queue: Sendable {
        let work = Mailbox<(@Sendable () -> Void)?>()
        /// Work that has not started.
        let waiting = Atomic(0)
        /// Work that has not finished; includes `waiting`.
        let unfinished = Atomic(0)
    }

    private let queue = Queue()
    private let threads, maxQueued: Int

    package init(threads: Int, maxQueued: Int = .max) throws(ThreadError) {
        self.threads = threads
        self.maxQueued = maxQueued
        for _ in 0..<threads {
            try BackgroundThread.run { [queue] in
                while let work = queue.work.take() {
                    queue.waiting.subtract(1, ordering: .relaxed)
                    work()
                    queue.unfinished.subtract(1, ordering: .releasing)
                }
            }
        }
    }

    deinit { for _ in 0..<threads { queue.work.put(nil) } }

    /// Queues `work`. Returns false, without queueing it, if `maxQueued` items are already waiting.
    @discardableResult
    package func run(_ work: @escaping @Sendable () -> Void) -> Bool {
        if queue.waiting.add(1, ordering: .relaxed).newValue > maxQueued {
            queue.waiting.subtract(1, ordering: .relaxed)
            return false
        }
        enqueue(work)
        return true
    }

    /// Queues `work` that must run, however many items are waiting.
    package func runEvenIfFull(_ work: @escaping @Sendable () -> Void) {
        queue.waiting.add(1, ordering: .relaxed)
        enqueue(work)
    }

    private func enqueue(_ work: @escaping @Sendable () -> Void) {
        queue.unfinished.add(1, ordering: .relaxed)
        queue.work.put(work)
    }

    /// Whether all queued work has finished.
    package var isIdle: Bool { queue.unfinished.load(ordering: .acquiring) == 0 }
}
