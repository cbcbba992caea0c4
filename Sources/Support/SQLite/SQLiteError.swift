import CSQLite
import Glibc

/// An error that SQLite reports. It does not name the file: the caller knows what the file is for, and says what to do.
package enum SQLiteError: Error, Equatable {
    /// The transaction was rolled back, and reads still work.
    case diskFull(reason: String)
    /// Another connection holds a lock for longer than the timeout.
    case busy(reason: String)
    /// The file cannot be opened or written.
    case unusable(reason: String)
    case damaged(reason: String)
    /// The file is not a SQLite database.
    case notADatabase(reason: String)
    /// The statement ran past its deadline.
    case timeout
    case failed(reason: String)
}

extension SQLiteError {
    /// - Parameter code: An extended result code; its low byte is the primary result code.
    init(_ code: Int32, reason: String, systemError: Int32) {
        let isSystem = [SQLITE_IOERR, SQLITE_CANTOPEN].contains(code & 0xFF) && systemError != 0
        let detail = isSystem ? "\(reason) (\(String(cString: strerror(systemError))))" : reason
        self = switch code & 0xFF {
        case SQLITE_FULL: .diskFull(reason: reason)
        case SQLITE_IOERR where [ENOSPC, EDQUOT, EFBIG].contains(systemError): .diskFull(reason: detail)
        case SQLITE_BUSY, SQLITE_LOCKED: .busy(reason: reason)
        case SQLITE_CANTOPEN, SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH: .unusable(reason: detail)
        case SQLITE_INTERRUPT: .timeout
        case SQLITE_ERROR where reason == "no such module: fts5":
            .unusable(reason: "the SQLite library has no full-text search (FTS5); install a build that has it")
        case SQLITE_CORRUPT: .damaged(reason: reason)
        case SQLITE_NOTADB: .notADatabase(reason: reason)
        default: .failed(reason: detail)
        }
    }
}
