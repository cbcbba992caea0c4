import Glibc

/// A file, or standard input as "-", that is read from start to end.
///
///     var file = try InputFile("chats.jsonl")
///     var bytes: [UInt8] = []
///     while try file.read(atMost: 1 << 20, into: &bytes) > 0 { … }
package struct InputFile: ~Copyable {
    /// The path, or "standard input", for messages.
    package let name: String
    /// In bytes; nil if unknown: standard input, a pipe.
    package let size: Int?
    private let descriptor: Int32

    package init(_ path: String) throws(FileError) {
        name = path == "-" ? "standard input" : path
        descriptor = path == "-" ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unreadable(path: name, reason: systemErrorMessage()) }
        var status = stat()
        _ = fstat(descriptor, &status)
        size = status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : nil
    }

    deinit { close(descriptor) }

    /// Appends the next bytes and returns their number: 0 at the end.
    package mutating func read(atMost count: Int, into bytes: inout [UInt8]) throws(FileError) -> Int {
        let old = bytes.count
        var got = 0
        // Uninitialized memory: the system call writes it first.
        let tail = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            repeat { got = Glibc.read(descriptor, buffer.baseAddress, count) } while got < 0 && errno == EINTR
            initialized = max(got, 0)
        }
        guard got >= 0 else { throw .unreadable(path: name, reason: systemErrorMessage()) }
        if old == 0 { bytes = tail } else { bytes.append(contentsOf: tail) }
        return got
    }

    /// Throws if a file cannot be read. Does not open it, because a pipe can be opened only once.
    package static func check(_ path: String) throws(FileError) {
        guard path == "-" || access(path, R_OK) == 0 else { throw .unreadable(path: path, reason: systemErrorMessage()) }
    }

    /// Reads a whole file into memory.
    package static func contents(of path: String) throws(FileError) -> [UInt8] {
        var file = try InputFile(path), bytes: [UInt8] = []
        // One byte more than the size, so that a single read reaches the end.
        while try file.read(atMost: max((file.size ?? 0) + 1 - bytes.count, 1 << 16), into: &bytes) > 0 {}
        return bytes
    }
}
