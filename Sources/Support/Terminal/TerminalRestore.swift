import Glibc
import Synchronization

/// Restores the mode of a terminal before a signal ends the program. Otherwise the shell would not echo input.
///
///     let isRegistered = TerminalRestore.register(saved, of: descriptor)
///     defer { if isRegistered { TerminalRestore.unregister() } }
///
/// Only one terminal can be registered at a time.
package enum TerminalRestore {
    /// The terminal; -1 if none is registered.
    private static let descriptor = Atomic<Int32>(-1)
    /// Written before handlers are installed and read by handlers only.
    nonisolated(unsafe) private static let mode = UnsafeMutablePointer<termios>.allocate(capacity: 1)
    /// What is written to the terminal. Written before handlers are installed and read by handlers only.
    nonisolated(unsafe) private static var ending: StaticString = ""
    /// The previous actions of the signals. Owned by the thread that registered the terminal.
    nonisolated(unsafe) private static var previousActions: [(signal: Int32, action: sigaction)] = []

    /// Registers a terminal with its current mode, for signals that report a crash of the program.
    ///
    /// - Parameter ending: What leaves a full-screen display.
    package static func registerForCrashes(of terminal: Int32, ending: StaticString) -> Bool {
        var mode = termios()
        guard tcgetattr(terminal, &mode) == 0 else { return false }
        return register(mode, of: terminal, for: [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE], ending: ending)
    }

    /// Returns false if a terminal is already registered.
    ///
    /// - Parameter ending: By default, disables bracketed paste; the shell starts a new line.
    static func register(
        _ saved: termios, of terminal: Int32, for signals: [Int32] = [SIGTERM, SIGHUP, SIGQUIT], ending: StaticString = "\u{1B}[?2004l\n"
    ) -> Bool {
        guard descriptor.compareExchange(expected: -1, desired: terminal, ordering: .acquiringAndReleasing).exchanged else { return false }
        mode.initialize(to: saved)
        self.ending = ending
        for signal in signals {
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

    package static func unregister() {
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
            _ = write(terminal, ending.utf8Start, ending.utf8CodeUnitCount)
        }
        signal(number, SIG_DFL)
        raise(number)                                          // delivered when the handler returns
    }
}
