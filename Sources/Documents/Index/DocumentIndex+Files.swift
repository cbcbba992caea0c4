import SQLite

/// A file in an index.
package struct IndexedFile: Sendable, Equatable {
    /// As it was given to `slm index build`, or found in a folder that was given.
    package let name: String
    package let title: String
    /// In bytes.
    package let size: Int
    package let passages: Int
    /// Why it has no passages.
    package let skipped: String?
}

/// A passage in an index, with its file: see ``DocumentPassage``.
package struct Passage: Sendable, Equatable {
    package var file: String
    /// What the document calls itself, or the name of its file.
    package let title: String
    package let heading: String
    package let page: Int?
    package let line: Int
    /// Its place among the passages of its file, from 0.
    package let position: Int
    package let text: String
    package let tokens: Int
    /// How well it fits a question: by BM25, by cosine similarity, by its ranks in both lists, or as a reranker says. Larger is better.
    /// 0 if nothing was searched.
    package internal(set) var score: Double
    /// Its BM25 or its similarity as a share of the best passage's, whichever is more. After a reranker: its score as a share.
    package internal(set) var share: Double
    /// The share of the question's words that it has, each weighted by how rare it is. nil unless words alone decided, and for all but the
    /// first few.
    package internal(set) var coverage: Double?
    /// The name of its documents, where several indexes are searched.
    package var documents: String?
    /// Where its file is stored, if it was uploaded to a library.
    package var origin: Origin?

    package struct Origin: Sendable, Equatable {
        package let library, file: String

        package init(library: String, file: String) {
            self.library = library
            self.file = file
        }
    }

    package init(
        file: String, title: String, heading: String, page: Int? = nil, line: Int, position: Int = 0, text: String, tokens: Int,
        score: Double = 0, share: Double = 0
    ) {
        self.file = file
        self.title = title
        self.heading = heading
        self.page = page
        self.line = line
        self.position = position
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
        package let files, passages, tokens: Int
    }

    package func counts() throws(DocumentError) -> Counts {
        try run { () throws(SQLiteError) in
            Counts(
                files: try integer("SELECT count(*) FROM files WHERE skipped IS NULL"),
                passages: try integer("SELECT count(*) FROM passages"),
                tokens: try integer("SELECT coalesce(sum(tokens), 0) FROM passages"))
        }
    }

    package func files() throws(DocumentError) -> [IndexedFile] {
        try run { () throws(SQLiteError) in
            var files: [IndexedFile] = []
            try connection.execute("""
                SELECT name, title, size, (SELECT count(*) FROM passages WHERE file = files.id) AS passages, skipped
                FROM files ORDER BY name
                """) { row in
                files.append(IndexedFile(
                    name: row.text("name"), title: row.text("title"), size: row.integer("size"), passages: row.integer("passages"),
                    skipped: row.optionalText("skipped")))
            }
            return files
        }
    }

    /// Lends all passages, or those of one file, in the order of the text.
    package func forEachPassage(of file: String? = nil, _ body: (Passage) -> Void) throws(DocumentError) {
        try run { () throws(SQLiteError) in
            try connection.execute("""
                SELECT \(Self.passageColumns) FROM passages JOIN files ON files.id = passages.file
                WHERE $1 = '' OR files.name = $1 ORDER BY files.name, passages.position
                """, [.text(file ?? "")]) { row in body(Passage(row)) }
        }
    }

    /// Some of the passages of a file in the order of the text, and how many it has.
    ///
    /// - Parameter file: What the name of the file ends with.
    package func passages(ofFileEndingWith file: String, from start: Int, limit: Int) throws(DocumentError) -> (total: Int, [Passage]) {
        try passages(where: "substr(files.name, -length($1)) = $1", file, from: start, limit: limit)
    }

    /// - Parameter file: The whole name of the file.
    func passages(of file: String, from start: Int, limit: Int) throws(DocumentError) -> (total: Int, [Passage]) {
        try passages(where: "files.name = $1", file, from: start, limit: limit)
    }

    private func passages(
        where condition: String, _ file: String, from start: Int, limit: Int
    ) throws(DocumentError) -> (total: Int, [Passage]) {
        try run { () throws(SQLiteError) in
            var passages: [Passage] = []
            let source = "FROM passages JOIN files ON files.id = passages.file WHERE \(condition)"
            let total = try integer("SELECT count(*) \(source)", [.text(file)])
            try connection.execute(
                "SELECT \(Self.passageColumns) \(source) ORDER BY passages.position LIMIT $3 OFFSET $2",
                [.text(file), .integer(start), .integer(limit)]) { row in passages.append(Passage(row)) }
            return (total, passages)
        }
    }

    static let passageColumns = "files.name AS file, passages.title, heading, page, line, passages.position, body, tokens"
}

extension Passage {
    /// What is embedded of it.
    package var embeddedText: String { DocumentIndex.embeddedText(title: title, heading: heading, text: text) }

    /// - Parameter row: Has `passageColumns`.
    init(_ row: SQLiteStatement, score: Double = 0, share: Double = 0, coverage: Double? = nil) {
        self.init(
            file: row.text("file"), title: row.text("title"), heading: row.text("heading"), page: row.optionalInteger("page"),
            line: row.integer("line"), position: row.integer("position"), text: row.text("body"), tokens: row.integer("tokens"),
            score: score, share: share)
        self.coverage = coverage
    }
}
