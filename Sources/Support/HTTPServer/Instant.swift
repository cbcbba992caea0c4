import Glibc

/// A point in time of a clock that nobody sets back.
struct Instant: Comparable, Sendable {
    let nanoseconds: Int64

    static var now: Instant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    static let distantFuture = Instant(nanoseconds: .max)

    static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }
    static func + (a: Instant, time: Duration) -> Instant { Instant(nanoseconds: a.nanoseconds + time.nanoseconds) }

    /// Seconds from `start` to here.
    func seconds(since start: Instant) -> Double { Double(nanoseconds - start.nanoseconds) / 1e9 }
}

extension Duration {
    var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
