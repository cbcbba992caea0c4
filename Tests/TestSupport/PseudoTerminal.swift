import Glibc

/// A pseudo-terminal: tests read what a program writes to it, and type input for the program.
package final class PseudoTerminal: Sendable {
    package let master, slave: Int32

    package init(columns: UInt16 = 40, rows: UInt16 = 12) {
        // posix_openpt, unlockpt and ptsname as Linux implements them; Swift does not import them.
        master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var locked: Int32 = 0, number: UInt32 = 0
        guard master >= 0, ioctl(master, 0x4004_5431 /* TIOCSPTLCK */, &locked) == 0,
            ioctl(master, 0x8004_5430 /* TIOCGPTN */, &number) == 0
        else {
            fatalError("no pseudo-terminal")
        }
        slave = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(master, UInt(TIOCSWINSZ), &size)
    }

    deinit {
        close(master)
        close(slave)
    }

    /// The local modes: `ECHO` shows typed text, `ICANON` reads by lines, …
    package var localModes: Int32 {
        var mode = termios()
        tcgetattr(slave, &mode)
        return Int32(mode.c_lflag)
    }

    package func type(_ text: String) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { write(master, $0.baseAddress, $0.count) }
    }

    /// Reads the program's output up to `end`, or all output within `seconds` if `end` does not come.
    package func read(until end: String, seconds: Double = 10) -> String {
        var bytes: [UInt8] = [], chunk = [UInt8](repeating: 0, count: 4_096), waited = 0.0
        while waited < seconds, !String(decoding: bytes, as: UTF8.self).contains(end) {
            var poll = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
            guard Glibc.poll(&poll, 1, 50) == 1 else {
                waited += 0.05
                continue
            }
            let count = Glibc.read(master, &chunk, chunk.count)
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
