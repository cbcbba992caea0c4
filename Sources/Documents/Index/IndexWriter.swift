import Kernels
import SQLite

/// How the documents of an index are read.
struct IndexSettings: Sendable, Equatable {
    /// The most tokens of a chunk.
    let chunkTokens: Int
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
    /// Why it has no chunks.
    let skipped: String?

    /// Whether the file is the same, as far as can be seen without reading it. A file may be written twice within the resolution of its
    /// time, so one that was read right after it was written is read again.
    func isCurrent(_ file: FoundFile) -> Bool {
        size == file.size && modified == file.modified && modified &+ 2_000_000_000 < checked
    }
}

/// The changes of an index. All of them happen in a transaction of the caller.
struct IndexWriter {
    let connection: SQLiteConnection

    init(_ index: DocumentIndex) { connection = index.connection }

    func add(_ settings: IndexSettings) throws(SQLiteError) {
        let statement = try connection.statement("INSERT INTO settings (chunk_tokens, file_limit) VALUES ($1, $2)")
        defer { statement.reset() }
        try statement.bind(settings.chunkTokens, to: "$1")
        try statement.bind(settings.fileLimit, to: "$2")
        _ = try statement.step()
    }

    /// nil if the index has none, because it is damaged.
    func settings() throws(SQLiteError) -> IndexSettings? {
        let statement = try connection.statement("SELECT chunk_tokens, file_limit FROM settings")
        defer { statement.reset() }
        guard try statement.step(), statement.integer(0) > 0 else { return nil }
        return IndexSettings(chunkTokens: statement.integer(0), fileLimit: statement.integer(1))
    }

    func roots() throws(SQLiteError) -> [IndexRoot] {
        let statement = try connection.statement("SELECT name, path FROM roots ORDER BY id")
        defer { statement.reset() }
        var roots: [IndexRoot] = []
        while try statement.step() { roots.append(IndexRoot(name: statement.text(0), path: statement.text(1))) }
        return roots
    }

    func add(_ root: IndexRoot) throws(SQLiteError) {
        let statement = try connection.statement("INSERT INTO roots (name, path) VALUES ($1, $2)")
        defer { statement.reset() }
        try statement.bind(root.name, to: "$1")
        try statement.bind(root.path, to: "$2")
        _ = try statement.step()
    }

    /// All files by their names.
    func files() throws(SQLiteError) -> [String: StoredFile] {
        let statement = try connection.statement("SELECT name, id, size, modified, checked, hash, skipped FROM files")
        defer { statement.reset() }
        var files: [String: StoredFile] = [:]
        while try statement.step() {
            files[statement.text(0)] = StoredFile(
                id: statement.integer(1), size: statement.integer(2), modified: statement.integer(3), checked: statement.integer(4),
                hash: statement.text(5), skipped: statement.type(6) == .null ? nil : statement.text(6))
        }
        return files
    }

    /// Adds a file with its chunks, or with the reason why it has none.
    ///
    /// - Parameter vectors: One for each chunk, or none.
    func add(
        _ file: FoundFile, hash: String, checked: Int, title: String, _ chunks: [DocumentChunk], _ vectors: [Int8Vectors.Code] = [],
        skipped: String? = nil
    ) throws(SQLiteError) {
        let insert = try connection.statement("""
            INSERT INTO files (name, size, modified, checked, hash, title, skipped) VALUES ($1, $2, $3, $4, $5, $6, $7)
            """)
        defer { insert.reset() }
        try insert.bind(file.name, to: "$1")
        try insert.bind(file.size, to: "$2")
        try insert.bind(file.modified, to: "$3")
        try insert.bind(checked, to: "$4")
        try insert.bind(hash, to: "$5")
        try insert.bind(title, to: "$6")
        if let skipped { try insert.bind(skipped, to: "$7") }
        _ = try insert.step()
        let id = connection.lastInsertedRow
        for (position, chunk) in chunks.enumerated() {
            let chunk = try add(chunk, at: position, of: id, title: title)
            if !vectors.isEmpty { try add(vectors[position], of: chunk) }
        }
    }

    /// Returns the id of the chunk.
    private func add(_ chunk: DocumentChunk, at position: Int, of file: Int, title: String) throws(SQLiteError) -> Int {
        let insert = try connection.statement("""
            INSERT INTO chunks (file, position, page, line, tokens, title, heading, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            """)
        defer { insert.reset() }
        try insert.bind(file, to: "$1")
        try insert.bind(position, to: "$2")
        if let page = chunk.page { try insert.bind(page, to: "$3") }
        try insert.bind(chunk.line, to: "$4")
        try insert.bind(chunk.tokens, to: "$5")
        try insert.bind(title, to: "$6")
        try insert.bind(chunk.heading, to: "$7")
        try insert.bind(chunk.text, to: "$8")
        _ = try insert.step()
        let id = connection.lastInsertedRow
        let index = try connection.statement("INSERT INTO chunk_search (rowid, title, heading, body) VALUES ($1, $2, $3, $4)")
        defer { index.reset() }
        try index.bind(id, to: "$1")
        try index.bind(title, to: "$2")
        try index.bind(chunk.heading, to: "$3")
        try index.bind(chunk.text, to: "$4")
        _ = try index.step()
        return id
    }

    /// The same contents at another time.
    func touch(_ file: FoundFile, checked: Int, id: Int) throws(SQLiteError) {
        let statement = try connection.statement("UPDATE files SET size = $2, modified = $3, checked = $4 WHERE id = $1")
        defer { statement.reset() }
        try statement.bind(id, to: "$1")
        try statement.bind(file.size, to: "$2")
        try statement.bind(file.modified, to: "$3")
        try statement.bind(checked, to: "$4")
        _ = try statement.step()
    }

    func remove(_ id: Int) throws(SQLiteError) {
        // FTS5 needs the texts that it removes.
        let delete = """
            INSERT INTO chunk_search (chunk_search, rowid, title, heading, body)
            SELECT 'delete', id, title, heading, body FROM chunks WHERE file = $1
            """
        let vectors = "DELETE FROM vectors WHERE chunk IN (SELECT id FROM chunks WHERE file = $1)"
        for sql in [vectors, delete, "DELETE FROM chunks WHERE file = $1", "DELETE FROM files WHERE id = $1"] {
            let statement = try connection.statement(sql)
            defer { statement.reset() }
            try statement.bind(id, to: "$1")
            _ = try statement.step()
        }
    }

    /// Merges the parts of the full-text index into one, which makes it smaller.
    func optimize() throws(SQLiteError) { try connection.execute("INSERT INTO chunk_search (chunk_search) VALUES ('optimize')") }
}
