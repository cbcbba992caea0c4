import Glibc

/// How a terminal treats its keyboard, and how large it is.
///
///     TerminalMode.raw.apply { … }                            // each key comes at once, and nothing is shown by itself
package enum TerminalMode {
    /// Keys come as they are, control-C too.
    case raw
    /// Keys wait and are not shown; control-C interrupts.
    case noEcho

    /// For as long as `body` runs; a signal that ends the program ends it, too (`TerminalRestore`).
    package func apply<Result>(to descriptor: Int32 = STDIN_FILENO, _ body: () -> Result) -> Result {
        var saved = termios()
        guard tcgetattr(descriptor, &saved) == 0 else { return body() }
        var mode = saved
        mode.c_lflag &= ~tcflag_t(ECHO | ICANON | (self == .raw ? ISIG | IEXTEN : 0))
        if self == .raw { mode.c_iflag &= ~tcflag_t(IXON | ICRNL | INLCR) }
        withUnsafeMutableBytes(of: &mode.c_cc) {
            $0[Int(VMIN)] = 1
            $0[Int(VTIME)] = 0
        }
        let isWatched = TerminalRestore.begin(saved, of: descriptor)
        tcsetattr(descriptor, TCSADRAIN, &mode)
        defer {
            tcsetattr(descriptor, TCSADRAIN, &saved)
            if isWatched { TerminalRestore.end() }
        }
        return body()
    }

    /// Of the terminal that is written to; what is usual if nobody knows.
    package static func size(of descriptor: Int32 = STDOUT_FILENO) -> (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return (80, 24) }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    package static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }
}
