import Glibc

/// The local time that `strftime_now` formats.
///
///     JinjaClock(year: 2026, month: 11, day: 21).formatted("%d %b %Y")          // 21 Nov 2026
package struct JinjaClock: Sendable, Equatable {
    package var year: Int
    package var month: Int
    package var day: Int
    package var hour: Int
    package var minute: Int
    package var second: Int

    package init(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0) {
        self.year = year
        self.month = month
        self.day = day
        self.hour = hour
        self.minute = minute
        self.second = second
    }

    /// The local time.
    package static var now: JinjaClock {
        var seconds = time(nil)
        var parts = unsafe tm()
        unsafe localtime_r(&seconds, &parts)
        return unsafe JinjaClock(
            year: Int(parts.tm_year) + 1_900, month: Int(parts.tm_mon) + 1, day: Int(parts.tm_mday), hour: Int(parts.tm_hour),
            minute: Int(parts.tm_min), second: Int(parts.tm_sec))
    }

    /// The text of C's `strftime`, in English.
    package func formatted(_ format: String) -> String {
        var parts = unsafe tm()
        unsafe parts.tm_year = Int32(year - 1_900)
        unsafe parts.tm_mon = Int32(month - 1)
        unsafe parts.tm_mday = Int32(day)
        unsafe parts.tm_hour = Int32(hour)
        unsafe parts.tm_min = Int32(minute)
        unsafe parts.tm_sec = Int32(second)
        _ = unsafe timegm(&parts)                            // sets the day of the week and of the year
        let capacity = 32 * format.utf8.count + 1
        var text = [CChar](repeating: 0, count: capacity)
        let count = unsafe strftime(&text, capacity, format, &parts)
        return String(decoding: text[..<count].lazy.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
