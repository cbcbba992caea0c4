import Glibc

/// An error while reading or writing files.
///
///     do { try file.commit() } catch FileError.diskFull(let path, _, _) { … }
package enum FileError: Error, Equatable {
    case unreadable(path: String, reason: String)
    case notWritten(path: String, reason: String)
    /// The disk is full, or the file exceeds a size limit. `bytes` were written before of a file that replaces another when it is whole;
    /// nil for a file that is appended to.
    case diskFull(path: String, reason: String, bytes: Int?)
    /// A line that exceeds the reader's limit in bytes.
    case lineTooLong(path: String, line: Int, limit: Int)
    /// A folder without a file of these extensions.
    case noMatchingFiles(folder: String, extensions: [String])
}

extension FileError {
    /// The error for `errno` after a failed write.
    ///
    /// - Parameter bytes: How many were written before of a file that replaces another; nil for a file that is appended to.
    package static func writing(_ path: String, after bytes: Int?) -> FileError {
        switch errno {
        case ENOSPC, EFBIG, EDQUOT: .diskFull(path: path, reason: systemErrorMessage(), bytes: bytes)
        default: .notWritten(path: path, reason: systemErrorMessage())
        }
    }
}

extension FileError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadable(let path, let reason): "\(path): cannot be read: \(reason)."
        case .notWritten(let path, let reason): "\(path): cannot be written: \(reason)."
        case .diskFull(let path, let reason, let bytes?):
            "no space left for \(path): \(reason) after \(bytes) bytes. The previous file is unchanged."
        case .diskFull(let path, let reason, nil): "no space left for \(path): \(reason). What was written before is kept."
        case .lineTooLong(let path, let line, let limit): "\(path):\(line): a line longer than \(limit) bytes."
        case .noMatchingFiles(let folder, let extensions): "\(folder): no file in it ends in \(extensions.joined(separator: ", "))."
        }
    }
}

/// The operating system's message for `errno`.
package func systemErrorMessage() -> String { String(cString: strerror(errno)) }
