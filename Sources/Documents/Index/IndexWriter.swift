import Kernels
import SQLite

/// How the documents of an index are read.
struct IndexSettings: Sendable, Equatable {
    /// The most tokens of a passage.
    let passageTokens: Int
    /// The largest file that is read, in bytes.
    let fileLimit: Int
}

/// A file as an index knows it.
struct StoredFile: Sendable, Equatable {
    let id: Int
    let size: Int
    let modified: Int
    /// When it was read.
    let checked: Int
    /// Empty for a file whose contents are not known.
    let hash: String
    /// Why it has no passages.
    let skipped: String?

    /// Whether the file is the same, as far as can be seen without reading it. A file may be written twice within the resolution of its
    /// time, so one that was read right after it was written is read again.
    func isCurrent(_ file: FoundFile) -> Bool {
        size == file.size && modified == file.modified && modified &+ 2_000_000_000 < checked
    }
}

extension StoredFile {
    static let columns = "name, id, size, modified, checked, hash, skipped"

    /// - Parameter row: Has `columns`.
    init(_ row: SQLiteStatement) {
        self.init(
            id: row.integer("id"), size: row.integer("size"), modified: row.integer("modified"), checked: row.integer("checked"),
            hash: row.text("hash"), skipped: row.optionalText("skipped"))
    }
}

/// The changes of an index. All of them happen in a transaction of the caller.
struct IndexWriter {
    let connection: SQLiteConnection

    init(_ index: DocumentIndex) { connection = index.connection }

    func add(_ settings: IndexSettings) throws(SQLiteError) {
        try connection.execute(
            "INSERT INTO settings (passage_tokens, file_limit) VALUES ($1, $2)",
            [.integer(settings.passageTokens), .integer(settings.fileLimit)])
    }

    /// nil if the index has none, because it is damaged.
    func settings() throws(SQLiteError) -> IndexSettings? {
        var settings: IndexSettings?
        try connection.execute("SELECT passage_tokens, file_limit FROM settings LIMIT 1") { row in
            settings = IndexSettings(passageTokens: row.integer("passage_tokens"), fileLimit: row.integer("file_limit"))
        }
        return settings.flatMap { $0.passageTokens > 0 ? $0 : nil }
    }

    func roots() throws(SQLiteError) -> [IndexRoot] {
        var roots: [IndexRoot] = []
        try connection.execute("SELECT name, path FROM roots ORDER BY id") { row in
            roots.append(IndexRoot(name: row.text("name"), path: row.text("path")))
        }
        return roots
    }

    func add(_ root: IndexRoot) throws(SQLiteError) {
        try connection.execute("INSERT INTO roots (name, path) VALUES ($1, $2)", [.text(root.name), .text(root.path)])
    }

    /// All files by their names.
    func files() throws(SQLiteError) -> [String: StoredFile] {
        var files: [String: StoredFile] = [:]
        try connection.execute("SELECT \(StoredFile.columns) FROM files") { row in files[row.text("name")] = StoredFile(row) }
        return files
    }

    /// Adds a file with its passages, or with the reason why it has none.
    ///
    /// - Parameter vectors: One for each passage, or none.
    func add(
        _ file: FoundFile, hash: String, checked: Int, title: String, _ passages: [DocumentPassage], _ vectors: [Int8Vectors.Code] = [],
        skipped: String? = nil
    ) throws(SQLiteError) {
        try connection.execute("""
            INSERT INTO files (name, size, modified, checked, hash, title, skipped) VALUES ($1, $2, $3, $4, $5, $6, $7)
            """, [
                .text(file.name), .integer(file.size), .integer(file.modified), .integer(checked), .text(hash), .text(title),
                .text(skipped),
            ])
        let id = connection.lastInsertedRow
        for (position, passage) in passages.enumerated() {
            let passage = try add(passage, at: position, of: id, title: title)
            if !vectors.isEmpty { try add(vectors[position], of: passage) }
        }
    }

    /// Returns the id of the passage.
    private func add(_ passage: DocumentPassage, at position: Int, of file: Int, title: String) throws(SQLiteError) -> Int {
        let texts: [SQLiteValue] = [.text(title), .text(passage.heading), .text(passage.text)]
        try connection.execute("""
            INSERT INTO passages (title, heading, body, file, position, page, line, tokens) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            """, texts + [.integer(file), .integer(position), .integer(passage.page), .integer(passage.line), .integer(passage.tokens)])
        let id = connection.lastInsertedRow
        try connection.execute(
            "INSERT INTO passage_search (title, heading, body, rowid) VALUES ($1, $2, $3, $4)", texts + [.integer(id)])
        return id
    }

    /// The same contents at another time.
    func touch(_ file: FoundFile, checked: Int, id: Int) throws(SQLiteError) {
        try connection.execute(
            "UPDATE files SET size = $2, modified = $3, checked = $4 WHERE id = $1",
            [.integer(id), .integer(file.size), .integer(file.modified), .integer(checked)])
    }

    func remove(_ id: Int) throws(SQLiteError) {
        // FTS5 needs the texts that it removes.
        let delete = """
            INSERT INTO passage_search (passage_search, rowid, title, heading, body)
            SELECT 'delete', id, title, heading, body FROM passages WHERE file = $1
            """
        let vectors = "DELETE FROM vectors WHERE passage IN (SELECT id FROM passages WHERE file = $1)"
        for sql in [vectors, delete, "DELETE FROM passages WHERE file = $1", "DELETE FROM files WHERE id = $1"] {
            try connection.execute(sql, [.integer(id)])
        }
    }

    /// Merges the parts of the full-text index into one, which makes it smaller.
    func optimize() throws(SQLiteError) { try connection.execute("INSERT INTO passage_search (passage_search) VALUES ('optimize')") }
}
