import Documents
import Glibc
import SQLite
import Testing
import TestSupport

/// Indexes with vectors, of a model in which some words mean the same.
@Suite struct VectorTests {
    private let folder = TemporaryFolder()
    private var index: String { folder("x.index") }

    /// One dimension for each of these groups, and one for all other texts.
    private static let meanings = [["car", "vehicle", "automobile"], ["pump", "pumps"], ["valve", "tap"], ["garden", "lawn"]]

    /// Counts the texts that it embeds.
    private final class Model {
        var texts: [String] = []

        func embedder(digest: String = "a", width: Int = 5) -> TextEmbedder {
            TextEmbedder(.init(path: "/models/\(digest)", digest: digest, width: width)) { texts, role in
                if role == .passage { self.texts += texts }
                return texts.map { text in
                    let words = text.lowercased().split { !$0.isLetter }.map(String.init)
                    let counts = VectorTests.meanings.map { group in Float(words.count { group.contains($0) }) }
                    return counts + [counts.allSatisfy { $0 == 0 } ? 1 : 0]
                }
            }
        }
    }

    private let model = Model()

    private func build(_ texts: [String: String], _ embedder: TextEmbedder?) throws -> IndexReport {
        mkdir(folder("notes"), 0o755)
        for (name, text) in texts { folder.write(text, to: "notes/\(name).md") }
        return try IndexBuilder(reader: DocumentReader(programs: ""), embedder: embedder).build([folder("notes")], at: index)
    }

    /// The letters of the files that are found.
    private func files(_ question: String, _ method: SearchMethod = .both, limit: Int = 10) throws -> String {
        let result = try DocumentIndex(index).search(question, limit: limit, by: method, model.embedder())
        return result.passages.map { String($0.file.suffix(4).prefix(1)) }.joined()
    }

    private let texts = [
        "a": "The vehicle is red.", "b": "The pump is in the garden.", "c": "Close the tap.", "d": "A red car, a car, a red one.",
    ]

    @Test func `other words for the same are found, and both lists are fused`() throws {
        let report = try build(texts, model.embedder())
        #expect(report.embedded == 4 && report.passages == 4)
        #expect(try files("automobile", .words) == "" && files("automobile") == "ad" && files("automobile", .vectors) == "ad")
        #expect(try files("red car", .words) == "da" && files("valve") == "c" && files("garden pump") == "b")
        #expect(try files("red car") == "da", "equal ranks are in the order of the words")
        #expect(try files("nothing of this", .vectors) == "", "what is similar to nothing is not found")
        let passages = try DocumentIndex(index).search("car", limit: 5, by: .both, model.embedder()).passages
        #expect(passages.map(\.share) == [1, 1] && passages[0].score > passages[1].score)
    }

    /// A reranker that counts letters: the fewer a passage has, the better.
    @Test func `a reranker decides on the order`() throws {
        _ = try build(texts, nil)
        var read: [[String]] = []
        func found(_ reranker: TextReranker, _ limit: Int) throws -> [Passage] {
            try DocumentIndex(index).search("red pump vehicle", limit: limit, by: .both, nil, reranker).passages
        }
        let shortest = TextReranker { question, passages in
            #expect(question == "red pump vehicle")
            read.append(passages)
            return passages.map { 1 / Double($0.count) }
        }
        #expect(try files("red pump vehicle", .words) == "abd")
        let passages = try found(shortest, 2)
        #expect(passages.map { String($0.file.suffix(4).prefix(1)) } == ["a", "b"] && read.map(\.count) == [3])
        #expect(passages[0].share == 1 && passages[1].share == passages[1].score / passages[0].score)
        #expect(try found(TextReranker { _, passages in passages.map { Double($0.count) } }, 9).map(\.text).first == texts["d"])
        // One that fails, or whose scores are all 0, changes nothing.
        for broken in [TextReranker { _, _ in [] }, TextReranker { _, passages in passages.map { _ in 0 } }] {
            #expect(try found(broken, 1).map(\.text) == [texts["a"]])
        }
    }

    @Test func `without the model, words are searched`() throws {
        _ = try build(texts, model.embedder())
        let index = try DocumentIndex(index)
        #expect(try index.search("automobile", limit: 5).passages.isEmpty && index.search("vehicle", limit: 5).passages.count == 1)
        #expect(try index.embeddingModel() == .init(path: "/models/a", digest: "a", width: 5))
    }

    @Test func `an update embeds only texts that are new`() throws {
        let long = (0..<6).map { "# Part \($0)\n\nA pump of kind \($0).\n" }.joined(separator: "\n")
        _ = try build(texts.merging(["e": long]) { $1 }, model.embedder())
        model.texts = []
        let builder = IndexBuilder(reader: DocumentReader(programs: ""), embedder: model.embedder())
        folder.write(long + "\n# Part 7\n\nA lawn.\n", to: "notes/e.md")
        folder.write("An automobile.", to: "notes/f.md")
        unlink(folder("notes/a.md"))
        let report = try builder.update(index)
        #expect(report.embedded == 2 && model.texts.count == 2 && model.texts.contains { $0.hasSuffix("A lawn.") })
        #expect(try files("automobile").contains("f") && !files("automobile").contains("a") && files("lawn").hasPrefix("e"))
        #expect(try builder.update(index).embedded == 0)
    }

    @Test func `an updated index finds what a new one does`() throws {
        _ = try build(texts, model.embedder())
        let builder = IndexBuilder(reader: DocumentReader(programs: ""), embedder: model.embedder())
        var random = TestRandom(3)
        let words = ["car", "vehicle", "pump", "tap", "red", "lawn", "garden", "the"]
        for _ in 0..<20 {
            let text = (0..<random.below(12)).map { _ in words[random.below(words.count)] }.joined(separator: " ")
            folder.write(text, to: "notes/\(Character(Unicode.Scalar(UInt8(97 + random.below(6))))).md")
            try builder.update(index)
        }
        let updated = try words.map { try Set(files($0, .vectors)) }
        try builder.build([folder("notes")], at: index)
        #expect(try words.map { try Set(files($0, .vectors)) } == updated)
    }

    @Test func `another model is refused`() throws {
        _ = try build(texts, model.embedder())
        let other = model.embedder(digest: "b"), path = index, reader = DocumentReader(programs: "")
        let message = "\(path) has vectors of the embedding model /models/a; /models/b is another one. Give that model with "
            + "--embedding-model, or build the index again."
        let search = #expect(throws: DocumentError.self) { try DocumentIndex(path).search("car", limit: 5, by: .both, other) }
        let update = #expect(throws: DocumentError.self) { try IndexBuilder(reader: reader, embedder: other).update(path) }
        #expect(search?.description == message && update?.description == message)
        let without = #expect(throws: DocumentError.self) { try IndexBuilder(reader: reader).update(path) }
        #expect(without == .needsModel(path: path, model: "/models/a"))
        _ = try build(texts, nil)
        #expect(throws: DocumentError.noVectors(path: path)) { try DocumentIndex(path).search("car", limit: 5, by: .both, other) }
        #expect(try DocumentIndex(path).embeddingModel() == nil)
    }

    @Test func `damaged vectors are left out`() throws {
        _ = try build(texts, model.embedder())
        let connection = try SQLiteConnection(index, timeout: .seconds(1))
        try connection.execute("UPDATE vectors SET codes = x'01' WHERE passage = 1")
        try connection.execute("UPDATE vectors SET scale = 1e300 WHERE passage = 2")
        #expect(throws: Never.self) { try files("automobile pump tap") }
        try connection.execute("UPDATE embedding SET width = 0")
        #expect(throws: DocumentError.self) { try DocumentIndex(index).embeddingModel() }
    }

    @Test func `changes by another program are seen`() throws {
        _ = try build(texts, model.embedder())
        let open = try DocumentIndex(index), embedder = model.embedder()
        #expect(try open.search("automobile", limit: 9, by: .vectors, embedder).passages.count == 2)
        folder.write("An automobile.", to: "notes/f.md")
        try IndexBuilder(reader: DocumentReader(programs: ""), embedder: embedder).update(index)
        #expect(try open.search("automobile", limit: 9, by: .vectors, embedder).passages.count == 3)
    }
}
