package import Files

/// An error of a backup file, or a database that cannot be restored into.
package enum BackupError: Error, Equatable {
    case notABackup(path: String, found: String)
    case damaged(path: String, reason: String)
    /// The file was written by a later version of slm.
    case newerFormat(path: String, version: Int, known: Int)
    case newerSchema(path: String, version: Int, known: Int)
    /// The database has rows, and nothing allows replacing them.
    case notEmpty(store: String, found: String)
    case file(FileError)
}

extension BackupError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notABackup(let path, let found): "\(path) is not a backup of slm: \(found). Choose a file that slm admin backup wrote."
        case .damaged(let path, let reason): "the backup \(path) is damaged: \(reason). Restore another backup."
        case .newerFormat(let path, let version, let known):
            "the backup \(path) has format version \(version); this slm supports versions up to \(known). Use the slm that wrote it, or a "
                + "later one."
        case .newerSchema(let path, let version, let known):
            "the backup \(path) has schema version \(version); this slm supports versions up to \(known). Use the slm that wrote it, or a "
                + "later one."
        case .notEmpty(let store, let found):
            "\(store) is not empty: it has \(found). Restore into another database, or replace its contents with --replace."
        case .file(let error): "\(error)"
        }
    }
}

/// Turns the errors of files into those of the store.
func withFileErrors<Result: ~Copyable>(_ body: () throws(FileError) -> Result) throws(StoreError) -> Result {
    do { return try body() } catch { throw .backup(.file(error)) }
}
