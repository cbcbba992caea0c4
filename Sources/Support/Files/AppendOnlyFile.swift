import Glibc

/// A file that is only appended to, such as a log. `append` returns when the operating system has the bytes.
///
///     let log = try AppendOnlyFile("log.jsonl")
///     try log.append(line: #"{"step":1}"#)
package struct AppendOnlyFile: ~Copyable {
    private let path: String
    private let descriptor: Int32

    package init(_ path: String) throws(FileError) {
        self.path = path
        descriptor = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .notWritten(path: path, reason: systemErrorMessage()) }
    }

    deinit { close(descriptor) }

    package func append(_ bytes: [UInt8]) throws(FileError) {
        guard writeAll(bytes, by: { write(descriptor, $0, $1) }) else { throw .writing(path, after: nil) }
    }

    /// Appends a line. If a killed program left the last line unfinished, it is ended first.
    package func append(line: String) throws(FileError) {
        var last: UInt8 = 0x0A
        let end = lseek(descriptor, 0, SEEK_END)
        if end > 0 { pread(descriptor, &last, 1, end - 1) }
        try append(Array(((last == 0x0A ? "" : "\n") + line + "\n").utf8))
    }
}
