import Glibc

/// What can go wrong between a program and its files.
///
///     do { try file.commit() } catch FileError.noRoom(let path, _, _) { … }
package enum FileError: Error, Equatable {
    case unreadable(path: String, reason: String)
    case notWritten(path: String, reason: String)
    /// The disk is full, or the file longer than it may be.
    case noRoom(path: String, reason: String, bytes: Int)
    /// A line that is longer than the reader was told to take.
    case lineTooLong(path: String, line: Int, limit: Int)
    /// A folder with no file of the kinds that were looked for.
    case noMatchingFiles(folder: String, endings: [String])
}

extension FileError {
    /// The system's last error, when something was written.
    /// - Parameter bytes: So many were written before.
    package static func writing(_ path: String, after bytes: Int = 0) -> FileError {
        switch errno {
        case ENOSPC, EFBIG, EDQUOT: .noRoom(path: path, reason: systemErrorMessage(), bytes: bytes)
        default: .notWritten(path: path, reason: systemErrorMessage())
        }
    }
}

extension FileError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadable(let path, let reason): "\(path): cannot be read: \(reason)."
        case .notWritten(let path, let reason): "\(path): cannot be written: \(reason)."
        case .noRoom(let path, let reason, let bytes):
            "no room for \(path): \(reason) after \(bytes) bytes. What was there before is untouched."
        case .lineTooLong(let path, let line, let limit): "\(path):\(line): a line longer than \(limit) bytes."
        case .noMatchingFiles(let folder, let endings): "\(folder): no file in it ends in \(endings.joined(separator: ", "))."
        }
    }
}

/// The system's words for its last error.
package func systemErrorMessage() -> String { String(cString: strerror(errno)) }
