import Glibc
import Synchronization

/// Signals that are waited for instead of interrupting what is being done.
///
///     let signals = SignalWait([SIGTERM, SIGHUP])
///     while signals.next(within: .seconds(2)) != SIGTERM { … }
///
/// Whichever thread a signal reaches, it is written into a pipe, and read here. There is one such pipe; the last who asked for a signal has it.
package struct SignalWait: Sendable {
    /// Where a handler writes to, which may do little else.
    private static let writing = Atomic<Int32>(-1)
    private let reading: Int32

    package init(_ numbers: [Int32]) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { fatalError("no pipe: \(String(cString: strerror(errno)))") }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        reading = ends[0]
        Self.writing.store(ends[1], ordering: .sequentiallyConsistent)
        for number in numbers {
            signal(number) { number in
                var byte = UInt8(truncatingIfNeeded: number)
                let kept = errno
                _ = write(SignalWait.writing.load(ordering: .relaxed), &byte, 1)
                errno = kept
            }
        }
    }

    /// nil if none comes in that time.
    package func next(within time: Duration) -> Int32? {
        var waited = pollfd(fd: reading, events: Int16(POLLIN), revents: 0), byte: UInt8 = 0
        guard poll(&waited, 1, Int32(time.components.seconds * 1_000 + time.components.attoseconds / 1_000_000_000_000_000)) > 0,
              read(reading, &byte, 1) == 1 else { return nil }
        return Int32(byte)
    }
}
