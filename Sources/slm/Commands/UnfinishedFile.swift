import Glibc
import Threads

/// A file that is of no use if Ctrl-C ends the program.
enum UnfinishedFile {
    /// Removes the file before SIGINT or SIGTERM ends the program.
    static func removeWhenInterrupted(_ path: String) {
        let signals = SignalListener([SIGINT, SIGTERM])
        // Without a thread, the signals would have no effect.
        do throws(ThreadError) { try BackgroundThread.run { wait(for: signals, removing: path) } } catch {
            for number in [SIGINT, SIGTERM] { signal(number, SIG_DFL) }
        }
    }

    private static func wait(for signals: SignalListener, removing path: String) {
        while true {
            guard let number = signals.next(within: .seconds(3_600)) else { continue }
            unlink(path)
            // The shell sees that a signal has ended the program.
            signal(number, SIG_DFL)
            raise(number)
        }
    }
}
