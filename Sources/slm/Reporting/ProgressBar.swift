import Glibc
import Report
import Terminal
import Threads

/// Prints progress on standard error: a bar in a terminal, else a line every ten seconds.
///
///     let progress = ProgressBar("reading", ofBytes: 1_000_000, isVisible: !quiet)
///     progress.show(bytes: 250_000)                             // reading ━━━━━━━──────────  25 %  120 MB/s  0:03 left
///     progress.clear()
final class ProgressBar {
    private var title: String
    /// nil if the total is unknown.
    private let bytes: Int?
    private let isVisible: Bool
    private let isTerminal = TerminalMode.isTerminal(STDERR_FILENO)
    private var start = now()
    private var lastShown: Double
    private var remaining = RemainingTime()

    init(_ title: String, ofBytes bytes: Int? = nil, isVisible: Bool = true) {
        self.title = title
        self.bytes = bytes
        self.isVisible = isVisible
        lastShown = start
    }

    func show(bytes done: Int) {
        if remaining.seconds == nil { remaining.update(fraction: 0, at: start) }
        let speed = "\((Double(done) / max(now() - start, 1e-9) / 1e6).fixed(0)) MB/s"
        let details = bytes == nil ? "\((Double(done) / 1e6).fixed(1)) MB  \(speed)" : speed
        show(fraction: bytes.map { Double(done) / Double(max($0, 1)) }, details)
    }

    func show(fraction: Double?, _ details: @autoclosure () -> String) {
        let time = now()
        if let fraction { remaining.update(fraction: fraction, at: time) }
        guard isVisible, time - lastShown >= (isTerminal ? 0.1 : 10) else { return }
        lastShown = time
        guard let fraction else { return write("\(title)  \(details())") }
        let filled = min(30, Int(fraction * 30))
        let bar = isTerminal ? String(repeating: "━", count: filled) + String(repeating: "─", count: 30 - filled) + "  " : ""
        write("\(title)  \(bar)\(Int(fraction * 100)) %  \(details())  \(remaining.seconds.map(clockText) ?? "?") left")
    }

    /// Shows the bar of one of several stages of the work, each with a time of its own.
    func show(_ stage: String, fraction: Double, _ details: String = "") {
        if stage != title {
            clear()
            title = stage
            start = now()
            lastShown = start
            remaining = RemainingTime()
        }
        show(fraction: fraction, details)
    }

    /// Removes the bar from the terminal.
    func clear() {
        if isTerminal, lastShown > start { write("") }
    }

    private func write(_ line: String) {
        let bytes = Array((isTerminal ? "\r\u{1B}[K\(line)" : "slm: \(line)\n").utf8)
        _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

/// 1:05 or 2:01:05.
func clockText(_ seconds: Double) -> String {
    let whole = Int(seconds.rounded())
    let hours = whole / 3_600
    let minutes = whole / 60 % 60
    let twoDigits = { (n: Int) in n < 10 ? "0\(n)" : "\(n)" }
    return hours > 0 ? "\(hours):\(twoDigits(minutes)):\(twoDigits(whole % 60))" : "\(minutes):\(twoDigits(whole % 60))"
}

/// Seconds since the first call, on the monotonic clock.
func now() -> Double { origin.duration(to: ContinuousClock.now).inSeconds }
private let origin = ContinuousClock.now
