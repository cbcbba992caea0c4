import SQLite

/// A file in an index.
package struct IndexedFile: Sendable, Equatable {
    /// As it was given to `slm index build`, or found in a folder that was given.
    package let name: String
    package let title: String
    /// In bytes.
    package let size: Int
    package let chunks: Int
    /// Why it has no chunks.
    package let skipped: String?
}

/// A chunk in an index, with its file.
package struct Passage: Sendable, Equatable {
    package internal(set) var file: String
    /// What the document calls itself, or the name of its file.
    package let title: String
    package let heading: String
    package let page: Int?
    package let line: Int
    package let text: String
    package let tokens: Int
    /// How well it fits a question: by BM25, by cosine similarity, by its ranks in both lists, or as a reranker says. Larger is better.
    /// 0 if nothing was searched.
    package internal(set) var score: Double
    /// Its BM25 or its similarity as a share of the best passage's, whichever is more. After a reranker: its score as a share.
    package internal(set) var share: Double
    /// The name of its index, where several are searched.
    package internal(set) var documents: String?

    package init(
        file: String, title: String, heading: String, page: Int? = nil, line: Int, text: String, tokens: Int, score: Double = 0,
        share: Double = 0
    ) {
        self.file = file
        self.title = title
        self.heading = heading
        self.page = page
        self.line = line
        self.text = text
        self.tokens = tokens
        self.score = score
        self.share = share
    }

    /// Where it is: "manual.pdf, page 3" or "notes.md:12".
    package var place: String { page.map { "\(file), page \($0)" } ?? "\(file):\(line)" }
}

/// The contents of an index.
extension DocumentIndex {
    package struct Counts: Sendable, Equatable {
        package let files, chunks, tokens: Int
    }

    package func counts() throws(DocumentError) -> Counts {
        try run { () throws(SQLiteError) in
            Counts(
                files: try integer("SELECT count(*) FROM files WHERE skipped IS NULL"), chunks: try integer("SELECT count(*) FROM chunks"),
                tokens: try integer("SELECT coalesce(sum(tokens), 0) FROM chunks"))
        }
    }

    package func files() throws(DocumentError) -> [IndexedFile] {
        try run { () throws(SQLiteError) in
            let statement = try connection.statement("""
                SELECT name, title, size, (SELECT count(*) FROM chunks WHERE file = files.id), skipped FROM files ORDER BY name
                """)
            defer { statement.reset() }
            var files: [IndexedFile] = []
            while try statement.step() {
                files.append(IndexedFile(
                    name: statement.text(0), title: statement.text(1), size: statement.integer(2), chunks: statement.integer(3),
                    skipped: statement.type(4) == .null ? nil : statement.text(4)))
            }
            return files
        }
    }

    /// Lends all chunks, or those of one file, in the order of the text.
    package func forEachChunk(of file: String? = nil, _ body: (Passage) -> Void) throws(DocumentError) {
        try run { () throws(SQLiteError) in
            let statement = try connection.statement("""
                SELECT \(Self.passageColumns), 0.0, 0.0 FROM chunks JOIN files ON files.id = chunks.file
                WHERE $1 = '' OR files.name = $1 ORDER BY files.name, chunks.position
                """)
            defer { statement.reset() }
            try statement.bind(file ?? "", to: "$1")
            while try statement.step() { body(Passage(statement)) }
        }
    }

    static let passageColumns = """
        files.name, chunks.title, chunks.heading, chunks.page, chunks.line, chunks.body, chunks.tokens
        """
}

extension Passage {
    /// A row with `passageColumns`, a score and a share.
    init(_ row: SQLiteStatement) {
        file = row.text(0)
        title = row.text(1)
        heading = row.text(2)
        page = row.type(3) == .null ? nil : row.integer(3)
        line = row.integer(4)
        text = row.text(5)
        tokens = row.integer(6)
        score = row.real(7)
        share = row.real(8)
    }
}
