import Glibc
import Synchronization

/// Receives Unix signals on the calling thread instead of interrupting it.
///
///     let signals = SignalListener([SIGTERM, SIGHUP])
///     while signals.next(within: .seconds(2)) != SIGTERM { … }
///
/// The signal handler writes the signal's number into a pipe, and ``next(within:)`` reads it. The process has one such pipe:
/// the listener that was created last receives all signals.
package struct SignalListener: Sendable {
    /// The file descriptor that the handler writes to: a handler may call little else than `write`.
    private static let writeEnd = Atomic<Int32>(-1)
    private let readEnd: Int32

    /// Readable when a signal has arrived, for a `poll` together with other descriptors.
    package var descriptor: Int32 { readEnd }

    package init(_ numbers: [Int32]) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { fatalError("cannot create a pipe: \(String(cString: strerror(errno)))") }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        readEnd = ends[0]
        Self.writeEnd.store(ends[1], ordering: .sequentiallyConsistent)
        for number in numbers {
            signal(number) { number in
                var byte = UInt8(truncatingIfNeeded: number)
                let savedErrno = errno
                _ = write(SignalListener.writeEnd.load(ordering: .relaxed), &byte, 1)
                errno = savedErrno
            }
        }
        // The program that started this one may have blocked them, which is inherited.
        var set = sigset_t()
        sigemptyset(&set)
        for number in numbers { sigaddset(&set, number) }
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }

    /// The number of the next signal; nil if none arrives within `time`.
    package func next(within time: Duration) -> Int32? {
        var request = pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
        let milliseconds = Int32(time.components.seconds * 1_000 + time.components.attoseconds / 1_000_000_000_000_000)
        var byte: UInt8 = 0
        guard poll(&request, 1, milliseconds) > 0, read(readEnd, &byte, 1) == 1 else { return nil }
        return Int32(byte)
    }
}
