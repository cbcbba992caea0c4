import Glibc

/// A point in time in milliseconds, the resolution of all database columns.
///
///     Timestamp.now().description                   // "2026-11-20T17:36:00.123Z"
package struct Timestamp: Sendable, Hashable, Comparable {
    /// Milliseconds since 1970-01-01 UTC.
    package let milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// Whole seconds since 1970.
    package var seconds: Int { Int(milliseconds / 1_000) }

    /// The current time of the system clock.
    package static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// Parses what `description` writes. Returns nil for any other text.
    package init?(iso text: String) {
        let numbers = text.split { !$0.isASCII || !$0.isNumber }.map { Int32($0) ?? 0 }
        guard numbers.count == 7 else { return nil }
        var parts = tm()
        parts.tm_year = numbers[0] - 1_900
        parts.tm_mon = numbers[1] - 1
        parts.tm_mday = numbers[2]
        parts.tm_hour = numbers[3]
        parts.tm_min = numbers[4]
        parts.tm_sec = numbers[5]
        self.init(milliseconds: Int64(timegm(&parts)) * 1_000 + Int64(numbers[6]))
        if description != text { return nil }
    }

    /// Parses a date such as 2026-11-01, or a time such as 2026-11-01T00:00:00Z, with or without milliseconds.
    package init?(dateOrTime text: String) {
        for iso in [text, text + "T00:00:00.000Z", text.hasSuffix("Z") ? "\(text.dropLast()).000Z" : text + ".000Z"] {
            if let time = Timestamp(iso: iso) { self = time; return }
        }
        return nil
    }

    package static func < (a: Timestamp, b: Timestamp) -> Bool { a.milliseconds < b.milliseconds }

    package func advanced(by duration: Duration) -> Timestamp {
        Timestamp(milliseconds: milliseconds + duration.milliseconds)
    }
}

extension Timestamp: CustomStringConvertible {
    /// ISO 8601 in UTC, with milliseconds.
    package var description: String {
        let (seconds, rest) = milliseconds.flooredQuotientAndRemainder(dividingBy: 1_000)
        var time = time_t(seconds)
        var parts = tm()
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
    /// Rounds the quotient down, so the remainder is not negative for times before 1970.
    fileprivate func flooredQuotientAndRemainder(dividingBy divisor: Int64) -> (Int64, Int64) {
        let rest = (self % divisor + divisor) % divisor
        return ((self - rest) / divisor, rest)
    }
}

extension Duration {
    var milliseconds: Int64 { components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000 }
}
