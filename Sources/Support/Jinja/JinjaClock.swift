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

    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
    ]
    private static let weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]

    /// The day of the year, from 1.
    private var dayOfYear: Int {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]
        return before[(month - 1) % 12] + day + (isLeap && month > 2 ? 1 : 0)
    }

    /// Days from Sunday.
    private var weekday: Int {
        let past = year - 1
        return (past * 365 + past / 4 - past / 100 + past / 400 + dayOfYear) % 7
    }

    /// Python's `strftime` in the C locale.
    package func formatted(_ format: String) -> String {
        func two(_ value: Int, _ pad: String = "0") -> String { (value < 10 ? pad : "") + String(value) }
        func three(_ value: Int) -> String { String(repeating: "0", count: max(0, 3 - String(value).count)) + String(value) }
        let month = Self.months[(self.month - 1) % 12], weekdayName = Self.weekdays[weekday]
        let twelve = hour % 12 == 0 ? 12 : hour % 12
        var result = "", rest = format[...]
        while let character = rest.popFirst() {
            guard character == "%" else {
                result.append(character)
                continue
            }
            // "%-d" is the number without padding.
            let isUnpadded = rest.first == "-"
            if isUnpadded { rest.removeFirst() }
            guard let directive = rest.popFirst() else { return result + (isUnpadded ? "%-" : "%") }
            let text: String
            switch directive {
            case "Y": text = String(year)
            case "y": text = two(year % 100)
            case "C": text = two(year / 100)
            case "m": text = two(self.month)
            case "d": text = two(day)
            case "e": text = two(day, " ")
            case "H": text = two(hour)
            case "I": text = two(twelve)
            case "M": text = two(minute)
            case "S": text = two(second)
            case "f": text = "000000"
            case "j": text = three(dayOfYear)
            case "p": text = hour < 12 ? "AM" : "PM"
            case "B": text = month
            case "b", "h": text = String(month.prefix(3))
            case "A": text = weekdayName
            case "a": text = String(weekdayName.prefix(3))
            case "w": text = String(weekday)
            case "u": text = String(weekday == 0 ? 7 : weekday)
            case "F": text = formatted("%Y-%m-%d")
            case "D", "x": text = formatted("%m/%d/%y")
            case "T", "X": text = formatted("%H:%M:%S")
            case "R": text = formatted("%H:%M")
            case "c": text = formatted("%a %b %e %H:%M:%S %Y")
            case "U": text = two((dayOfYear + 6 - weekday) / 7)
            case "W": text = two((dayOfYear + 6 - (weekday + 6) % 7) / 7)
            case "n": text = "\n"
            case "t": text = "\t"
            case "z", "Z": text = ""
            case "%": text = "%"
            default: text = "%" + (isUnpadded ? "-" : "") + String(directive)
            }
            let isNumber = isUnpadded && text.count > 1
            result += isNumber ? String(text.drop { $0 == "0" || $0 == " " }.isEmpty ? "0" : text.drop { $0 == "0" || $0 == " " }) : text
        }
        return result
    }
}
