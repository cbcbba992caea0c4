import Glibc

/// A point in time, to the millisecond, as all tables keep it.
///
///     Moment.now().description                      // "2026-11-20T17:36:00.123Z"
package struct Moment: Sendable, Hashable, Comparable {
    /// Since the beginning of 1970, UTC.
    package let milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// The system's clock.
    package static func now() -> Moment {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Moment(milliseconds: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000)
    }

    package static func < (a: Moment, b: Moment) -> Bool { a.milliseconds < b.milliseconds }

    package func advanced(by duration: Duration) -> Moment {
        let (seconds, attoseconds) = duration.components
        return Moment(milliseconds: milliseconds + seconds * 1_000 + attoseconds / 1_000_000_000_000_000)
    }
}

extension Moment: CustomStringConvertible {
    /// ISO 8601.
    package var description: String {
        let (seconds, rest) = milliseconds.quotientAndFloor(by: 1_000)
        var time = time_t(seconds), parts = tm()
        gmtime_r(&time, &parts)
        func digits(_ number: Int, _ count: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        let date = "\(digits(Int(parts.tm_year) + 1_900, 4))-\(digits(Int(parts.tm_mon) + 1, 2))-\(digits(Int(parts.tm_mday), 2))"
        let clock = "\(digits(Int(parts.tm_hour), 2)):\(digits(Int(parts.tm_min), 2)):\(digits(Int(parts.tm_sec), 2))"
        return "\(date)T\(clock).\(digits(Int(rest), 3))Z"
    }
}

extension Int64 {
    /// A remainder that is not negative, also before 1970.
    fileprivate func quotientAndFloor(by divisor: Int64) -> (Int64, Int64) {
        let rest = (self % divisor + divisor) % divisor
        return ((self - rest) / divisor, rest)
    }
}
