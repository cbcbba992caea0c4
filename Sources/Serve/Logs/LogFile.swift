package import Files
import Glibc
import Synchronization

/// A file that the logs are appended to. If another program moves it away, as logrotate does, the next line starts a new one.
///
///     let file = try LogFile("/var/log/slm/server.log")
///     Log.configure(.json, output: file.write)
package final class LogFile: Sendable {
    private let path: String
    private let descriptor: Mutex<Int32>

    package init(_ path: String) throws(FileError) {
        self.path = path
        descriptor = Mutex(try Self.open(path))
    }

    deinit { _ = descriptor.withLock { close($0) } }

    /// Appends a line with one call, so that lines of several threads do not mix. If the file cannot be written, the line goes to standard
    /// error.
    package var write: @Sendable ([UInt8]) -> Void {
        { [self] line in
            let isWritten = descriptor.withLock { descriptor in
                if !Folder.isSame(path, descriptor), let new = try? Self.open(path) {
                    close(descriptor)
                    descriptor = new
                }
                return Glibc.write(descriptor, line, line.count) == line.count
            }
            if !isWritten { AccessLog.standardError(line) }
        }
    }

    private static func open(_ path: String) throws(FileError) -> Int32 {
        let descriptor = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0o640)
        guard descriptor != -1 else { throw .notWritten(path: path, reason: systemErrorMessage()) }
        return descriptor
    }
}
