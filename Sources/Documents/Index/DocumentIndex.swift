import Files
import SQLite

/// An index of documents: one SQLite file with files, passages, and a full-text index of the passages.
///
///     let index = try DocumentIndex("notes.index")
///     for passage in try index.search("how do I reset the pump", limit: 5).passages { … }
///
/// Only one thread may use it at a time.
package final class DocumentIndex {
    package let path: String
    let connection: SQLiteConnection
    /// The vectors that were read last.
    var vectorTable: VectorTable?

    /// In the header of the file: "slmd".
    static let applicationID = 0x736C_6D64
    static let version = 1

    /// How words are compared.
    package enum Stemming: String, Sendable, CaseIterable {
        /// Without the endings of English words: "pumps" finds "pump".
        case english
        case none

        var tokenizer: String { (self == .english ? "porter " : "") + "unicode61 remove_diacritics 2" }
    }

    /// Opens an index.
    ///
    /// - Parameter isReadOnly: Whether it is never changed, apart from what an update that was killed has left.
    package convenience init(_ path: String, isReadOnly: Bool = false) throws(DocumentError) {
        guard let status = FileStatus(path) else { throw .file(.unreadable(path: path, reason: systemErrorMessage())) }
        guard status.kind == .file else { throw .notAnIndex(path: path, found: status.kind == .folder ? "a folder" : "no regular file") }
        try self.init(file: path, path)
        try run { () throws(SQLiteError) in
            // What the schema of a foreign file says must not be executed.
            try connection.execute("PRAGMA trusted_schema = OFF")
            try connection.execute("PRAGMA foreign_keys = ON")
            try connection.execute("PRAGMA synchronous = FULL")
            // A large update must not write before it commits: others could not read meanwhile.
            try connection.execute("PRAGMA cache_spill = OFF")
            if isReadOnly { try connection.execute("PRAGMA query_only = ON") }
        }
        try check()
    }

    /// - Parameter path: For messages.
    private init(file: String, _ path: String) throws(DocumentError) {
        self.path = path
        do throws(SQLiteError) {
            connection = try SQLiteConnection(file.hasPrefix("/") ? file : "./" + file, timeout: .seconds(10))
        } catch { throw DocumentError(error, index: path) }
    }

    /// Writes the tables of an empty index into an empty file that has another name until it is complete.
    static func create(
        in part: String, for path: String, _ settings: IndexSettings, stemming: Stemming, model: TextEmbedder.Model? = nil
    ) throws(DocumentError) -> DocumentIndex {
        let index = try DocumentIndex(file: part, path)
        try index.run { () throws(SQLiteError) in
            // The file replaces the old one when it is complete: a journal could only restore an incomplete one.
            for setting in ["journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "cache_size = -64000"] {
                try index.connection.execute("PRAGMA \(setting)")
            }
            try index.connection.execute("PRAGMA application_id = \(applicationID)")
            try index.connection.execute("PRAGMA user_version = \(version)")
            for table in tables(stemming) { try index.connection.execute(table) }
            try IndexWriter(index).add(settings)
            if let model { try IndexWriter(index).add(model) }
        }
        return index
    }

    private static func tables(_ stemming: Stemming) -> [String] {
        [
            // What an update must do as the build did.
            "CREATE TABLE settings (passage_tokens INTEGER NOT NULL, file_limit INTEGER NOT NULL) STRICT",
            // What was given to `slm index build`.
            "CREATE TABLE roots (id INTEGER PRIMARY KEY, name TEXT NOT NULL, path TEXT NOT NULL) STRICT",
            // Times in nanoseconds since 1970. `skipped` is why a file has no passages.
            """
            CREATE TABLE files (
                id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, modified INTEGER NOT NULL,
                checked INTEGER NOT NULL, hash TEXT NOT NULL, title TEXT NOT NULL, skipped TEXT) STRICT
            """,
            """
            CREATE TABLE passages (
                id INTEGER PRIMARY KEY, file INTEGER NOT NULL REFERENCES files (id), position INTEGER NOT NULL,
                page INTEGER, line INTEGER NOT NULL, tokens INTEGER NOT NULL,
                title TEXT NOT NULL, heading TEXT NOT NULL, body TEXT NOT NULL) STRICT
            """,
            "CREATE UNIQUE INDEX passages_of_file ON passages (file, position)",
            // The texts are those of `passages`, so that they are in the file once.
            """
            CREATE VIRTUAL TABLE passage_search USING fts5 (
                title, heading, body, content = 'passages', content_rowid = 'id', tokenize = '\(stemming.tokenizer)')
            """,
            // The model that made the vectors: no row if there are none.
            "CREATE TABLE embedding (path TEXT NOT NULL, digest TEXT NOT NULL, width INTEGER NOT NULL) STRICT",
            "CREATE TABLE vectors (passage INTEGER PRIMARY KEY REFERENCES passages (id), scale REAL NOT NULL, codes BLOB NOT NULL) STRICT",
        ]
    }

    /// Throws for a file of another program, or of a later version.
    private func check() throws(DocumentError) {
        let found = try run { () throws(SQLiteError) in
            let unexpected = "SELECT count(*) FROM sqlite_master WHERE type IN ('trigger', 'view')"
            return (
                id: try integer("PRAGMA application_id"), version: try integer("PRAGMA user_version"), unexpected: try integer(unexpected))
        }
        guard found.id == Self.applicationID else {
            let isEmpty = FileStatus(path)?.size == 0
            throw .notAnIndex(path: path, found: isEmpty ? "an empty file" : "a database of another program")
        }
        guard found.version <= Self.version else { throw .newerFormat(path: path, version: found.version, known: Self.version) }
        guard found.version > 0, found.unexpected == 0 else { throw .damaged(path: path, reason: "its tables are not those of an index") }
    }

    /// The first column of the first row; 0 if there is none.
    func integer(_ sql: String, _ values: [SQLiteValue] = []) throws(SQLiteError) -> Int {
        var found: Int?
        try connection.execute(sql, values) { row in found = found ?? row.integer(0) }
        return found ?? 0
    }

    func run<Result>(_ body: () throws(SQLiteError) -> Result) throws(DocumentError) -> Result {
        do throws(SQLiteError) { return try body() } catch { throw DocumentError(error, index: path) }
    }
}
