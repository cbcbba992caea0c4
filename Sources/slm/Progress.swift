import Threads
import Glibc
import Report

/// How far a piece of work is, on standard error: a bar in a terminal, a line now and then elsewhere.
///
///     let progress = Progress("reading", ofBytes: 1_000_000)
///     progress.show(bytes: 250_000)                             // reading ━━━━━━━──────────  25 %  120 MB/s  0:03 left
///     progress.clear()
final class Progress {
    private let title: String
    /// nil if nobody knows.
    private let bytes: Int?
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let start = now()
    private var lastShown: Double
    private var pace = RemainingTime()

    init(_ title: String, ofBytes bytes: Int? = nil) {
        self.title = title
        self.bytes = bytes
        lastShown = start
    }

    func show(bytes done: Int) {
        if pace.left == nil { pace.note(share: 0, at: start) }
        let speed = "\((Double(done) / max(now() - start, 1e-9) / 1e6).fixed(0)) MB/s"
        show(share: bytes.map { Double(done) / Double(max($0, 1)) }, bytes == nil ? "\((Double(done) / 1e6).fixed(1)) MB  \(speed)" : speed)
    }

    func show(share: Double?, _ details: @autoclosure () -> String) {
        let time = now()
        if let share { pace.note(share: share, at: time) }
        guard time - lastShown >= (isTerminal ? 0.1 : 10) else { return }
        lastShown = time
        guard let share else { return write("\(title)  \(details())") }
        let filled = min(30, Int(share * 30)), left = pace.left.map(clockText) ?? "?"
        let bar = isTerminal ? String(repeating: "━", count: filled) + String(repeating: "─", count: 30 - filled) + "  " : ""
        write("\(title)  \(bar)\(Int(share * 100)) %  \(details())  \(left) left")
    }

    /// Takes the bar away, so that a line can be printed or the work is over.
    func clear() {
        if isTerminal, lastShown > start { write("") }
    }

    private func write(_ line: String) {
        let bytes = Array((isTerminal ? "\r\u{1B}[K\(line)" : "slm: \(line)\n").utf8)
        _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

func clockText(_ seconds: Double) -> String {
    let whole = Int(seconds.rounded()), (hours, minutes) = (whole / 3_600, whole / 60 % 60)
    let two = { (n: Int) in n < 10 ? "0\(n)" : "\(n)" }
    return hours > 0 ? "\(hours):\(two(minutes)):\(two(whole % 60))" : "\(minutes):\(two(whole % 60))"
}

/// Seconds since the program began to ask.
func now() -> Double { origin.duration(to: ContinuousClock.now).inSeconds }
private let origin = ContinuousClock.now
