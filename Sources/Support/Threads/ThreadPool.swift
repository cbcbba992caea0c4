import Synchronization

/// A few threads for work that waits for disks or computes for a while, and a bounded heap of such work.
///
///     let crew = try ThreadPool(of: 4, mostWaiting: 1_000)
///     guard crew.run({ store.append(…) }) else { … }           // too much waits already
///
/// The threads end when nobody holds the crew any more.
package final class ThreadPool: Sendable {
    private final class Heap: Sendable {
        let work = Mailbox<(@Sendable () -> Void)?>()
        /// `underWay` are those that wait too.
        let waiting = Atomic(0), underWay = Atomic(0)
    }

    private let heap = Heap()
    private let size, mostWaiting: Int

    package init(of size: Int, mostWaiting: Int = .max) throws(ThreadError) {
        (self.size, self.mostWaiting) = (size, mostWaiting)
        for _ in 0..<size {
            try BackgroundThread.run { [heap] in
                while let work = heap.work.take() {
                    heap.waiting.subtract(1, ordering: .relaxed)
                    work()
                    heap.underWay.subtract(1, ordering: .releasing)
                }
            }
        }
    }

    deinit { for _ in 0..<size { heap.work.put(nil) } }

    /// False if too much waits already; then it is not done.
    @discardableResult
    package func run(_ work: @escaping @Sendable () -> Void) -> Bool {
        if heap.waiting.add(1, ordering: .relaxed).newValue > mostWaiting {
            heap.waiting.subtract(1, ordering: .relaxed)
            return false
        }
        handOver(work)
        return true
    }

    /// The same for work that has to be done, however much waits.
    package func insist(_ work: @escaping @Sendable () -> Void) {
        heap.waiting.add(1, ordering: .relaxed)
        handOver(work)
    }

    private func handOver(_ work: @escaping @Sendable () -> Void) {
        heap.underWay.add(1, ordering: .relaxed)
        heap.work.put(work)
    }

    /// Whether all that was handed over is done.
    package var isIdle: Bool { heap.underWay.load(ordering: .acquiring) == 0 }
}
