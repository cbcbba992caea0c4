import Glibc

/// How far a piece of work is, on standard error: a bar in a terminal, a line now and then elsewhere.
///
///     let progress = Progress("learning", of: bytes, unit: .bytes)
///     progress.show(1_000_000)
///     progress.finish()
final class Progress {
    enum Unit {
        case bytes, tokens
    }

    private let title: String
    /// nil if nobody knows.
    private let total: Int?
    private let unit: Unit
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let start = now()
    private var lastShown: Double

    init(_ title: String, of total: Int?, unit: Unit) {
        (self.title, self.total, self.unit) = (title, total, unit)
        lastShown = start
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    func show(_ done: Int) {
        let time = Self.now()
        guard time - lastShown >= (isTerminal ? 0.1 : 10) else { return }
        lastShown = time
        let rate = Double(done) / max(time - start, 1e-9)
        let speed = unit == .bytes ? "\((rate / 1e6).fixed(0)) MB/s" : "\(Int(rate)) a second"
        guard let total, total > 0 else { return write("\(title)  \(amount(done))  \(speed)") }
        let share = min(1, Double(done) / Double(total)), left = Int((Double(total - done) / max(rate, 1)).rounded(.up))
        let bar = String(repeating: "━", count: Int(share * 30)) + String(repeating: "─", count: 30 - Int(share * 30))
        write("\(title)  \(isTerminal ? bar + "  " : "")\(Int(share * 100)) %  \(speed)  \(left / 60):\(left % 60 < 10 ? "0" : "")\(left % 60) left")
    }

    /// Takes the bar away.
    func finish() {
        if isTerminal, lastShown > start { write("") }
    }

    private func amount(_ n: Int) -> String { unit == .bytes ? "\((Double(n) / 1e6).fixed(1)) MB" : "\(n)" }

    private func write(_ line: String) {
        let bytes = Array((isTerminal ? "\r\u{1B}[K\(line)" : "slm: \(line)\n").utf8)
        _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
