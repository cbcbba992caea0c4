import Glibc

/// The system clock, and its times as text in ISO 8601, in UTC.
///
///     UTCTime.text(1_795_266_309_123)                          // 2026-11-21T13:05:09.123Z
///     UTCTime.milliseconds("2026-11-21T13:05:09.123Z")         // 1795266309123
package enum UTCTime {
    /// The present time in nanoseconds since 1970, on the clock of `FileStatus.modified`.
    package static var nanosecondsNow: Int {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }

    /// The present time in milliseconds since 1970.
    package static var millisecondsNow: Int { nanosecondsNow / 1_000_000 }

    /// Milliseconds since 1970 as text.
    package static func text(_ milliseconds: Int) -> String {
        // Rounded down, so that the remainder is not negative for times before 1970.
        let rest = (milliseconds % 1_000 + 1_000) % 1_000
        var time = time_t((milliseconds - rest) / 1_000), parts = tm()
        gmtime_r(&time, &parts)
        func digits(_ number: some BinaryInteger, _ count: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        let date = "\(digits(Int(parts.tm_year) + 1_900, 4))-\(digits(parts.tm_mon + 1, 2))-\(digits(parts.tm_mday, 2))"
        return "\(date)T\(digits(parts.tm_hour, 2)):\(digits(parts.tm_min, 2)):\(digits(parts.tm_sec, 2)).\(digits(rest, 3))Z"
    }

    /// Parses what `text` returns. nil for any other text.
    package static func milliseconds(_ text: String) -> Int? {
        let numbers = text.split { !$0.isASCII || !$0.isNumber }.map { Int32($0) ?? 0 }
        guard numbers.count == 7 else { return nil }
        var parts = tm()
        parts.tm_year = numbers[0] &- 1_900
        parts.tm_mon = numbers[1] &- 1
        parts.tm_mday = numbers[2]
        parts.tm_hour = numbers[3]
        parts.tm_min = numbers[4]
        parts.tm_sec = numbers[5]
        let milliseconds = Int(timegm(&parts)) * 1_000 + Int(numbers[6])
        return self.text(milliseconds) == text ? milliseconds : nil
    }
}
