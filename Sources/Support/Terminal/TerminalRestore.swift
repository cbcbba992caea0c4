import Glibc
import Synchronization

/// A signal that ends the program ends it as it always would, but gives the terminal its own mode back first: a shell behind it would show
/// nothing of what is typed.
///
///     let isOurs = TerminalRestore.begin(saved, of: descriptor)
///     defer { if isOurs { TerminalRestore.end() } }
///
/// One terminal at a time, in the mode that it had first.
enum TerminalRestore {
    /// Of the terminal; -1 while there is none.
    private static let descriptor = Atomic<Int32>(-1)
    /// Written while there is no handler, and read by handlers alone.
    nonisolated(unsafe) private static let mode = UnsafeMutablePointer<termios>.allocate(capacity: 1)
    /// What was done about each signal before. Whoever has the descriptor has it.
    nonisolated(unsafe) private static var earlier: [(signal: Int32, action: sigaction)] = []

    /// False if a terminal is watched over already.
    static func begin(_ saved: termios, of terminal: Int32) -> Bool {
        guard descriptor.compareExchange(expected: -1, desired: terminal, ordering: .acquiringAndReleasing).exchanged else { return false }
        mode.initialize(to: saved)
        for signal in [SIGTERM, SIGHUP, SIGQUIT] {
            var now = sigaction(), before = sigaction()
            sigaction(signal, nil, &before)
            // Under nohup it does not end the program.
            guard unsafeBitCast(before.__sigaction_handler.sa_handler, to: Int.self) != unsafeBitCast(SIG_IGN, to: Int.self) else {
                continue
            }
            now.__sigaction_handler.sa_handler = { TerminalRestore.leave($0) }
            sigaction(signal, &now, nil)
            unblock(signal)
            earlier.append((signal, before))
        }
        return true
    }

    static func end() {
        for (signal, action) in earlier {
            var action = action
            sigaction(signal, &action, nil)
        }
        earlier.removeAll()
        descriptor.store(-1, ordering: .releasing)
    }

    /// In a handler: calls nothing but what may be called there.
    private static func leave(_ number: Int32) {
        let terminal = descriptor.load(ordering: .relaxed)
        if terminal >= 0 {
            tcsetattr(terminal, TCSANOW, mode)
            let end: StaticString = "\u{1B}[?2004l\n"          // pastes come without marks again, and the shell begins a line
            _ = write(terminal, end.utf8Start, end.utf8CodeUnitCount)
        }
        signal(number, SIG_DFL)
        raise(number)                                          // comes when the handler is over
    }
}
