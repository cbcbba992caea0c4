import Glibc

/// The input mode and the size of a terminal.
///
///     TerminalMode.raw.apply { … }                            // keys are delivered at once and not echoed
package enum TerminalMode {
    /// Delivers every key at once, including Ctrl-C.
    case raw
    /// Does not echo keys. Ctrl-C sends SIGINT.
    case noEcho

    /// Applies the mode while `body` runs. If a signal ends the program, `TerminalRestore` resets the mode.
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
        let isRegistered = TerminalRestore.register(saved, of: descriptor)
        tcsetattr(descriptor, TCSADRAIN, &mode)
        defer {
            tcsetattr(descriptor, TCSADRAIN, &saved)
            if isRegistered { TerminalRestore.unregister() }
        }
        return body()
    }

    /// The size of the terminal; 80 × 24 if it is unknown.
    package static func size(of descriptor: Int32 = STDOUT_FILENO) -> (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return (80, 24) }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    package static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }
}
