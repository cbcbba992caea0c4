internal import CKernels

/// The threads that compute, the calling one among them.
///
///     let team = try WorkerPool(threads: 2)
///     team.run { thread in … }
package final class WorkerPool {
    package let size: Int
    private let team: OpaquePointer

    package init(threads: Int) throws(ProcessorError) {
        guard let team = slm_team_create(Int32(threads)) else { throw .noThreads(wanted: threads) }
        (self.team, size) = (team, threads)
    }

    deinit { slm_team_destroy(team) }

    /// Calls `body` once on every thread, with the thread's number.
    package func run(_ body: (Int) -> Void) {
        if size == 1 { return body(0) }
        withoutActuallyEscaping(body) { escaping in
            var body = escaping
            withUnsafeMutablePointer(to: &body) {
                slm_team_run(team, { context, thread in
                    guard let context else { return }
                    context.assumingMemoryBound(to: ((Int) -> Void).self).pointee(Int(thread))
                }, $0)
            }
        }
    }
}
