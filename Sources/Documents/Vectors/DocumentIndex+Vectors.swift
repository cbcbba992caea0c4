import Kernels
import SQLite

/// The vectors of an index: one for each chunk, of length 1, in int8 (Documentation/decisions/document-index.md).
extension DocumentIndex {
    /// The model that made the vectors; nil if there are none.
    package func embeddingModel() throws(DocumentError) -> TextEmbedder.Model? {
        let model = try run { () throws(SQLiteError) -> TextEmbedder.Model? in
            let statement = try connection.statement("SELECT path, digest, width FROM embedding")
            defer { statement.reset() }
            guard try statement.step() else { return nil }
            return TextEmbedder.Model(path: statement.text(0), digest: statement.text(1), width: statement.integer(2))
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

    /// What is embedded of a chunk. The title is left out where the headings begin with it.
    static func embeddedText(title: String, heading: String, text: String) -> String {
        [heading.hasPrefix(title) ? "" : title, heading, text].filter { !$0.isEmpty }.joined(separator: "\n")
    }

    /// The chunks whose vectors are closest to one, with their cosine similarity. Equal ones are in the order in which they were added.
    func closest(to vector: [Float], width: Int, limit: Int) throws(SQLiteError) -> [FoundChunk] {
        let table = try vectorTable(width: width), products = table.vectors.products(with: Int8Vectors.Code(directionOf: vector))
        // The order of the best few, without sorting all.
        var best: [(index: Int, product: Float)] = []
        for (i, product) in products.enumerated() where product >= Self.leastSimilarity {
            if best.count >= limit, product <= best[best.count - 1].product { continue }
            best.insert((i, product), at: best.firstIndex { product > $0.product } ?? best.count)
            if best.count > limit { best.removeLast() }
        }
        var found: [FoundChunk] = []
        for (i, product) in best { found.append(FoundChunk(table.chunks[i], Double(product), best: found.first)) }
        return found
    }

    /// All vectors, which stay in memory until the index is changed.
    private func vectorTable(width: Int) throws(SQLiteError) -> VectorTable {
        // Another connection's changes are seen by this number, our own by none: only an update makes them.
        let version = try integer("PRAGMA data_version")
        if let vectorTable, vectorTable.version == version { return vectorTable }
        var table = VectorTable(version: version, vectors: Int8Vectors(width: width))
        table.vectors.reserveCapacity(try integer("SELECT count(*) FROM vectors"))
        let statement = try connection.statement("SELECT chunk, scale, codes FROM vectors ORDER BY chunk")
        defer { statement.reset() }
        while try statement.step() {
            let isAdded = statement.withBytes(2) { bytes in
                // A damaged file may have another length.
                guard bytes.count == width else { return false }
                table.vectors.append(bytes, scale: Float(statement.real(1)))
                return true
            }
            if isAdded { table.chunks.append(statement.integer(0)) }
        }
        vectorTable = table
        return table
    }

    struct VectorTable {
        let version: Int
        var vectors: Int8Vectors
        var chunks: [Int] = []
    }
}

extension IndexWriter {
    func add(_ model: TextEmbedder.Model) throws(SQLiteError) {
        let statement = try connection.statement("INSERT INTO embedding (path, digest, width) VALUES ($1, $2, $3)")
        defer { statement.reset() }
        try statement.bind(model.path, to: "$1")
        try statement.bind(model.digest, to: "$2")
        try statement.bind(model.width, to: "$3")
        _ = try statement.step()
    }

    func add(_ vector: Int8Vectors.Code, of chunk: Int) throws(SQLiteError) {
        let statement = try connection.statement("INSERT INTO vectors (chunk, scale, codes) VALUES ($1, $2, $3)")
        defer { statement.reset() }
        try statement.bind(chunk, to: "$1")
        try statement.bind(Double(vector.scale), to: "$2")
        try statement.bind(vector.codes.map { UInt8(bitPattern: $0) }, to: "$3")
        _ = try statement.step()
    }

    /// The vectors of a file's chunks, by the text that was embedded: most of a changed file is as before.
    func vectors(ofFile id: Int) throws(SQLiteError) -> [String: Int8Vectors.Code] {
        let statement = try connection.statement("""
            SELECT title, heading, body, scale, codes FROM chunks JOIN vectors ON chunk = chunks.id WHERE file = $1
            """)
        defer { statement.reset() }
        try statement.bind(id, to: "$1")
        var vectors: [String: Int8Vectors.Code] = [:]
        while try statement.step() {
            let text = DocumentIndex.embeddedText(title: statement.text(0), heading: statement.text(1), text: statement.text(2))
            var codes: [Int8] = []
            statement.withBytes(4) { bytes in for i in bytes.indices { codes.append(Int8(bitPattern: bytes[i])) } }
            vectors[text] = Int8Vectors.Code(codes: codes, scale: Float(statement.real(3)))
        }
        return vectors
    }
}
