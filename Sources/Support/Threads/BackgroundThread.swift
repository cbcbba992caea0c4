import Glibc

/// A thread that runs a piece of work and is gone. Nobody waits for it.
///
///     try BackgroundThread.run { mailbox.put(compute()) }
///
/// Work that computes for long, or waits for others, has no place among Swift's tasks, which share few threads.
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

/// The system gives no thread.
package struct ThreadError: Error, Equatable, CustomStringConvertible {
    let reason: String

    package var description: String { "the system gives no thread: \(reason)." }
}
