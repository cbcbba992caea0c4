import Kernels
import SQLite

/// The vectors of an index: one for each passage, of length 1, in int8 (Documentation/decisions/document-index.md).
extension DocumentIndex {
    /// The model that made the vectors; nil if there are none.
    package func embeddingModel() throws(DocumentError) -> TextEmbedder.Model? {
        let model = try run { () throws(SQLiteError) -> TextEmbedder.Model? in
            var model: TextEmbedder.Model?
            try connection.execute("SELECT path, digest, width FROM embedding") { row in
                model = TextEmbedder.Model(path: row.text("path"), digest: row.text("digest"), width: row.integer("width"))
            }
            return model
        }
        guard (1...1 << 20).contains(model?.width ?? 1) else { throw .damaged(path: path, reason: "its vectors have no valid width") }
        return model
    }

    /// Throws unless the vectors are those of this model.
    package func check(_ embedder: TextEmbedder) throws(DocumentError) {
        guard let model = try embeddingModel() else { throw .noVectors(path: path) }
        guard model.digest == embedder.model.digest, model.width == embedder.model.width else {
            throw .otherModel(path: path, model: model.path, found: embedder.model.path)
        }
    }

    /// Passages that are less similar to a question are not found by their vectors. Measured: Documentation/decisions/document-index.md.
    private static let leastSimilarity: Float = 0.25

    /// What is embedded of a passage. The title is left out where the headings begin with it.
    static func embeddedText(title: String, heading: String, text: String) -> String {
        [heading.hasPrefix(title) ? "" : title, heading, text].filter { !$0.isEmpty }.joined(separator: "\n")
    }

    /// The passages whose vectors are closest to one, with their cosine similarity. Equal ones are in the order in which they were added.
    func closest(to vector: [Float], width: Int, limit: Int) throws(SQLiteError) -> [FoundPassage] {
        let table = try vectorTable(width: width), products = table.vectors.products(with: Int8Vectors.Code(directionOf: vector))
        // The order of the best few, without sorting all.
        var best: [(index: Int, product: Float)] = []
        for (i, product) in products.enumerated() where product >= Self.leastSimilarity {
            if best.count >= limit, product <= best[best.count - 1].product { continue }
            best.insert((i, product), at: best.firstIndex { product > $0.product } ?? best.count)
            if best.count > limit { best.removeLast() }
        }
        var found: [FoundPassage] = []
        for (i, product) in best { found.append(FoundPassage(table.passages[i], Double(product), best: found.first)) }
        return found
    }

    /// All vectors, which stay in memory until the index is changed.
    private func vectorTable(width: Int) throws(SQLiteError) -> VectorTable {
        // Another connection's changes are seen by this number, our own by none: only an update makes them.
        let version = try integer("PRAGMA data_version")
        if let vectorTable, vectorTable.version == version { return vectorTable }
        var table = VectorTable(version: version, vectors: Int8Vectors(width: width))
        table.vectors.reserveCapacity(try integer("SELECT count(*) FROM vectors"))
        try connection.execute("SELECT passage, scale, codes FROM vectors ORDER BY passage") { row in
            row.withBytes("codes") { bytes in
                // A damaged file may have another length.
                guard bytes.count == width else { return }
                table.vectors.append(bytes, scale: Float(row.real("scale")))
                table.passages.append(row.integer("passage"))
            }
        }
        vectorTable = table
        return table
    }

    struct VectorTable {
        let version: Int
        var vectors: Int8Vectors
        var passages: [Int] = []
    }
}

extension IndexWriter {
    func add(_ model: TextEmbedder.Model) throws(SQLiteError) {
        try connection.execute(
            "INSERT INTO embedding (path, digest, width) VALUES ($1, $2, $3)",
            [.text(model.path), .text(model.digest), .integer(model.width)])
    }

    func add(_ vector: Int8Vectors.Code, of passage: Int) throws(SQLiteError) {
        try connection.execute(
            "INSERT INTO vectors (passage, scale, codes) VALUES ($1, $2, $3)",
            [.integer(passage), .real(Double(vector.scale)), .bytes(vector.codes.map { UInt8(bitPattern: $0) })])
    }

    /// The vectors of a file's passages, by the text that was embedded: most of a changed file is as before.
    func vectors(ofFile id: Int) throws(SQLiteError) -> [String: Int8Vectors.Code] {
        var vectors: [String: Int8Vectors.Code] = [:]
        try connection.execute("""
            SELECT title, heading, body, scale, codes FROM passages JOIN vectors ON passage = passages.id WHERE file = $1
            """, [.integer(id)]) { row in
            let text = DocumentIndex.embeddedText(title: row.text("title"), heading: row.text("heading"), text: row.text("body"))
            var codes: [Int8] = []
            row.withBytes("codes") { bytes in for i in bytes.indices { codes.append(Int8(bitPattern: bytes[i])) } }
            vectors[text] = Int8Vectors.Code(codes: codes, scale: Float(row.real("scale")))
        }
        return vectors
    }
}
