import Glibc

/// A file of lines that grows at its end, such as a log. Each line is there when `append` returns.
///
///     let log = try AppendedFile("log.jsonl")
///     try log.append(#"{"step":1}"#)
package struct AppendedFile: ~Copyable {
    private let path: String
    private let descriptor: Int32

    package init(_ path: String) throws(FileError) {
        self.path = path
        descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .notWritten(path: path, reason: systemReason()) }
    }

    deinit { close(descriptor) }

    package func append(_ line: String) throws(FileError) {
        guard writeAll(Array((line + "\n").utf8), by: { write(descriptor, $0, $1) }) else { throw .notWritten(path: path, reason: systemReason()) }
    }
}
