internal import CKernels

/// The threads that run kernels, including the calling thread.
///
///     let pool = try WorkerPool(threads: 2)
///     pool.run { thread in … }
package final class WorkerPool {
    package let size: Int
    private let pool: OpaquePointer

    package init(threads: Int) throws(ProcessorError) {
        guard let pool = slm_pool_create(Int32(threads)) else { throw .noThreads(requested: threads) }
        self.pool = pool
        size = threads
    }

    deinit { slm_pool_destroy(pool) }

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
