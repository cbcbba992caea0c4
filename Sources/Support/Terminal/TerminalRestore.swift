import Glibc
import Synchronization

/// Restores the mode of a terminal before a signal ends the program. Otherwise the shell would not echo input.
///
///     let isRegistered = TerminalRestore.register(saved, of: descriptor)
///     defer { if isRegistered { TerminalRestore.unregister() } }
///
/// Only one terminal can be registered at a time.
enum TerminalRestore {
    /// The terminal; -1 if none is registered.
    private static let descriptor = Atomic<Int32>(-1)
    /// Written before handlers are installed and read by handlers only.
    nonisolated(unsafe) private static let mode = UnsafeMutablePointer<termios>.allocate(capacity: 1)
    /// The previous actions of the signals. Owned by the thread that registered the terminal.
    nonisolated(unsafe) private static var previousActions: [(signal: Int32, action: sigaction)] = []

    /// Returns false if a terminal is already registered.
    static func register(_ saved: termios, of terminal: Int32) -> Bool {
        guard descriptor.compareExchange(expected: -1, desired: terminal, ordering: .acquiringAndReleasing).exchanged else { return false }
        mode.initialize(to: saved)
        for signal in [SIGTERM, SIGHUP, SIGQUIT] {
            var action = sigaction()
            var previous = sigaction()
            sigaction(signal, nil, &previous)
            // An ignored signal, as under nohup, does not end the program.
            let handler = unsafeBitCast(previous.__sigaction_handler.sa_handler, to: Int.self)
            if handler == unsafeBitCast(SIG_IGN, to: Int.self) { continue }
            action.__sigaction_handler.sa_handler = { TerminalRestore.restoreAndRaise($0) }
            sigaction(signal, &action, nil)
            unblock(signal)
            previousActions.append((signal, previous))
        }
        return true
    }

    static func unregister() {
        for (signal, action) in previousActions {
            var action = action
            sigaction(signal, &action, nil)
        }
        previousActions.removeAll()
        descriptor.store(-1, ordering: .releasing)
    }

    /// The signal handler. Calls only async-signal-safe functions.
    private static func restoreAndRaise(_ number: Int32) {
        let terminal = descriptor.load(ordering: .relaxed)
        if terminal >= 0 {
            tcsetattr(terminal, TCSANOW, mode)
            let end: StaticString = "\u{1B}[?2004l\n"          // disable bracketed paste; the shell starts a new line
            _ = write(terminal, end.utf8Start, end.utf8CodeUnitCount)
        }
        signal(number, SIG_DFL)
        raise(number)                                          // delivered when the handler returns
    }
}
