import Glibc

/// A time as text, in the time zone of this machine.
///
///     localTimeText(time(nil), "%Y-%m-%d %H:%M")                 // 2026-11-20 14:30
///
/// - Parameters:
///   - seconds: Since 1970.
///   - format: As for `strftime`.
package func localTimeText(_ seconds: Int, _ format: String) -> String {
    var time = time_t(seconds)
    var parts = tm()
    localtime_r(&time, &parts)
    var text = [CChar](repeating: 0, count: 64)
    let count = strftime(&text, text.count, format, &parts)
    return String(decoding: text.prefix(count).map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
}
