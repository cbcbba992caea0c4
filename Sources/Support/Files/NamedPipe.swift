import Glibc

/// A pipe with a name in a folder, through which one process of a machine sends bytes to another.
///
///     try NamedPipe.create(folder + "/1")
///     let pipe = try NamedPipe(writing: folder + "/1")         // waits until the other process reads
///     try pipe.write(bytes)
package final class NamedPipe: Sendable {
    private let path: String
    private let descriptor: Int32

    package static func create(_ path: String) throws(FileError) {
        guard mkfifo(path, 0o600) == 0 else { throw .notWritten(path: path, reason: systemErrorMessage()) }
    }

    package convenience init(reading path: String) throws(FileError) { try self.init(path, O_RDONLY) }

    package convenience init(writing path: String) throws(FileError) {
        // If the reader has gone, a write is an error instead of a signal that ends the program.
        _ = signal(SIGPIPE, SIG_IGN)
        try self.init(path, O_WRONLY)
        // Room for several messages, if the system allows it: F_SETPIPE_SZ.
        _ = fcntl(descriptor, 1031, 1 << 20)
    }

    private init(_ path: String, _ flags: Int32) throws(FileError) {
        var descriptor: Int32
        repeat { descriptor = open(path, flags | O_CLOEXEC) } while descriptor < 0 && errno == EINTR
        guard descriptor >= 0 else { throw .unreadable(path: path, reason: systemErrorMessage()) }
        self.path = path
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Writes all bytes, and waits for the reader if the pipe is full.
    ///
    /// - Returns: Whether there is a reader.
    package func write(_ bytes: [UInt8]) throws(FileError) -> Bool {
        if writeAll(bytes, by: { Glibc.write(descriptor, $0, $1) }) { return true }
        if errno == EPIPE { return false }
        throw .notWritten(path: path, reason: systemErrorMessage())
    }

    /// Reads exactly `count` bytes; nil if the writer has gone before.
    package func read(_ count: Int) throws(FileError) -> [UInt8]? {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, size in
            while size < count, let start = buffer.baseAddress {
                let got = Glibc.read(descriptor, start + size, count - size)
                if got > 0 { size += got; continue }
                if got < 0, errno == EINTR { continue }
                failure = got < 0 ? errno : 0
                return
            }
        }
        if failure != 0 { throw .unreadable(path: path, reason: String(cString: strerror(failure))) }
        return bytes.count == count ? bytes : nil
    }
}
