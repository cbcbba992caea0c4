import Files

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
    package static func now() -> Timestamp { Timestamp(milliseconds: Int64(UTCTime.millisecondsNow)) }

    /// Parses what `description` writes. Returns nil for any other text.
    package init?(iso text: String) {
        guard let milliseconds = UTCTime.milliseconds(text) else { return nil }
        self.init(milliseconds: Int64(milliseconds))
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
    package var description: String { UTCTime.text(Int(milliseconds)) }
}

extension Duration {
    var milliseconds: Int64 { components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000 }
}
