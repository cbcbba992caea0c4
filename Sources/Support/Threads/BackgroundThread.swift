import Glibc

/// Runs work on a new detached thread.
///
///     try BackgroundThread.run { mailbox.put(compute()) }
///
/// For work that computes for long or blocks: Swift's tasks share a few threads, which such work would occupy.
package enum BackgroundThread {
    package static func run(_ work: @escaping @Sendable () -> Void) throws(ThreadError) {
        let context = Unmanaged.passRetained(Work(work))
        var thread = pthread_t()
        let status = pthread_create(&thread, nil, { context in
            guard let context else { return nil }
            Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body()
            return nil
        }, context.toOpaque())
        guard status == 0 else {
            context.release()
            throw ThreadError(reason: String(cString: strerror(status)))
        }
        pthread_detach(thread)
    }

    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
}

/// The system refused to create a thread.
package struct ThreadError: Error, Equatable, CustomStringConvertible {
    let reason: String

    package var description: String { "cannot create a thread: \(reason)." }
}
