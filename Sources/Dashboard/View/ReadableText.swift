import AdminAPI
import Files

extension Int {
    /// In at most `columns` columns if possible: 12,345 or 12k or 1.2M.
    func short(_ columns: Int) -> String {
        if grouped.count <= columns { return grouped }
        for (unit, size) in [("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)] {
            let value = Double(self) / size
            let text = value < 9.95 ? "\(value.oneDigit)\(unit)" : "\(Int(value.rounded()))\(unit)"
            if value < 999.5, text.count <= columns { return text }
        }
        return grouped
    }

    /// A size in bytes: 512 MB.
    var bytesText: String {
        let value = Double(self)
        if value < 1e6 { return "\(Int((value / 1e3).rounded())) kB" }
        if value < 1e9 { return "\(Int((value / 1e6).rounded())) MB" }
        return "\((value / 1e9).oneDigit) GB"
    }

    /// The time since this time, both in milliseconds since 1970: 3 min ago. After a month the date.
    package func ago(at now: Int) -> String {
        let seconds = (now - self) / 1_000
        switch seconds {
        case ..<(-60): return date
        case ..<10: return "just now"
        case ..<60: return "\(seconds) s ago"
        case ..<3_600: return "\(seconds / 60) min ago"
        case ..<86_400: return "\(seconds / 3_600) h ago"
        case ..<(31 * 86_400): return "\(seconds / 86_400) d ago"
        default: return date
        }
    }

    /// The local date of a time: 2026-11-21.
    var date: String { String(dateAndTime.prefix(10)) }

    /// The local date and time: 2026-11-21 13:05:09.
    package var dateAndTime: String { localTimeText(self / 1_000, "%Y-%m-%d %H:%M:%S") }
}

extension Double {
    /// With one digit after the point.
    var oneDigit: String {
        let tenths = Int((self * 10).rounded())
        return "\(tenths / 10).\(tenths.magnitude % 10)"
    }

    /// A duration in seconds: 3 d 4 h, 5 min.
    package var spanText: String {
        let seconds = Int(self)
        switch seconds {
        case ..<60: return "\(seconds) s"
        case ..<3_600: return "\(seconds / 60) min"
        case ..<86_400: return "\(seconds / 3_600) h \(seconds % 3_600 / 60) min"
        default: return "\(seconds / 86_400) d \(seconds % 86_400 / 3_600) h"
        }
    }
}

extension String {
    /// answers_per_client as "answers per client".
    var spaced: String { replacing("_", with: " ") }
}
