internal import CKernels

/// The threads that run kernels, including the calling thread.
///
///     let pool = try WorkerPool(threads: 2)
///     pool.forEach(items.count) { item, thread in … }
///
/// On a machine that is busy with other programs, items go to the threads that run: a thread without a core takes none.
package final class WorkerPool {
    package let size: Int
    /// The threads that do items: at most one per hardware thread. Operations are divided for these.
    package let concurrency: Int
    private let pool: OpaquePointer

    /// - Parameter cores: At most this many threads do items; nil: as many as the process has hardware threads.
    package init(threads: Int, cores: Int? = nil) throws(ProcessorError) {
        let concurrency = max(1, min(threads, cores ?? CPU.hardwareThreads.amount))
        guard let pool = slm_pool_create(Int32(threads), Int32(concurrency)) else {
            throw .noThreads(requested: threads)
        }
        self.pool = pool
        size = threads
        self.concurrency = concurrency
    }

    deinit { slm_pool_destroy(pool) }

    /// Calls `body` for each item of 0 ..< count, in parallel and in no particular order, and returns when all calls have finished.
    /// Each thread begins with its own part of the items, and then takes those that other threads have not begun. Must not be called
    /// from inside a task.
    package func forEach(_ count: Int, _ body: (_ item: Int, _ thread: Int) -> Void) {
        if size == 1 || count <= 1 {
            for item in 0..<count { body(item, 0) }
            return
        }
        withoutActuallyEscaping(body) { escaping in
            var body = escaping
            withUnsafeMutablePointer(to: &body) {
                slm_pool_for(pool, count, { context, item, thread in
                    guard let context else { return }
                    context.assumingMemoryBound(to: ((Int, Int) -> Void).self).pointee(item, Int(thread))
                }, $0)
            }
        }
    }

    /// Calls `body` once on every thread, with the thread's number, and returns when all calls have finished.
    package func run(_ body: (Int) -> Void) {
        if size == 1 { return body(0) }
        withoutActuallyEscaping(body) { escaping in
            var body = escaping
            withUnsafeMutablePointer(to: &body) {
                slm_pool_run(pool, { context, thread in
                    guard let context else { return }
                    context.assumingMemoryBound(to: ((Int) -> Void).self).pointee(Int(thread))
                }, $0)
            }
        }
    }
}
