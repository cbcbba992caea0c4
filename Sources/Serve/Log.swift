import Glibc

/// The server's log: standard error. It must never contain messages, passwords, keys or tokens.
enum Log {
    static func error(_ message: String) {
        // One write, so that lines of several threads do not mix.
        let line = Array("slm serve: error: \(message)\n".utf8)
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
