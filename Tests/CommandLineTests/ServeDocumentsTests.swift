import Checkpoint
import Foundation
import Testing
import TestSupport

/// `slm serve --documents` as a process.
@Suite struct ServeDocumentsTests {
    private let folder = TemporaryFolder()

    init() throws {
        try FileManager.default.createDirectory(atPath: folder("notes"), withIntermediateDirectories: true)
        folder.write("The pump has a red button.\n", to: "notes/pump.txt")
        try OneSentenceModel.checkpoint(context: 600).write(to: folder("parrot.h5"))
    }

    private func build(_ name: String, _ options: String...) throws {
        #expect(try slm(["index", "build", "notes", "--out", name, "--quiet"] + options, in: folder.path).status == 0)
    }

    private func refused(_ documents: String...) throws -> Outcome {
        let options = documents.flatMap { ["--documents", $0] }
        return try slm(["serve", "parrot.h5", "--port", "0", "--database", "sqlite:chats.db"] + options, in: folder.path)
    }

    @Test func `an index that cannot be opened ends the start`() throws {
        #expect(try refused("none.index").errors == "slm: none.index: cannot be read: No such file or directory.\n")
        let other = try refused("parrot.h5")
        #expect(other.status == 1 && other.errors.contains("expected an index of documents"), "\(other)")
        try build("notes.index")
        let twice = try refused("notes.index", "./notes.index")
        #expect(twice.status == 2 && twice.errors.contains("found 'notes' twice"), "\(twice)")
        #expect(try refused("my notes=notes.index").status == 2)
    }

    @Test func `the names, sizes and models of documents are logged`() throws {
        let bert = SampleBERT().write(to: folder, "bert"), away = SampleBERT { $0.layers = 1 }.write(to: folder, "away")
        try build("notes.index")
        try build("near.index", "--embedding-model", bert)
        try build("far.index", "--embedding-model", away)
        try FileManager.default.moveItem(atPath: away, toPath: folder("moved"))
        let server = try ServerProcess(
            ["parrot.h5", "--documents", "notes.index", "--documents", "near=near.index", "--documents", "far.index"], in: folder.path)
        let port = try server.port()
        #expect(server.waits(for: "far.index is searched by words only: its embedding model is not at \(away). If it is elsewhere:"))
        #expect(server.waits(for: "documents far: 1 file, 1 passage of far.index, by words."))
        #expect(server.waits(for: "documents near: 1 file, 1 passage of near.index, by words and vectors."))
        let connection = try #require(RawHTTPConnection(to: port))
        let body = #"{"query":"automobile","documents":["near"]}"#
        let found = connection.ask("POST", "/api/documents/search", ["Content-Type": "application/json"], body: body)
        #expect(found?.status == 200 && found?.text.contains("red button") == true, "\(found?.text ?? "no response")")
        let ranking = SampleBERT { $0.isReranker = true }.write(to: folder, "reranker")
        let ranked = try ServerProcess(["parrot.h5", "--documents", "notes.index", "--reranker", ranking], in: folder.path)
        let other = try #require(RawHTTPConnection(to: try ranked.port()))
        #expect(ranked.waits(for: "documents notes: 1 file, 1 passage of notes.index, by words, in the order of reranker."))
        let words = other.ask("POST", "/api/documents/search", ["Content-Type": "application/json"], body: #"{"query":"red button"}"#)
        #expect(words?.status == 200 && words?.text.contains("red button") == true, "\(words?.text ?? "no response")")
        // The model of /v1/embeddings is that of the index.
        let shared = try ServerProcess(["parrot.h5", "--documents", "far.index", "--embedding-model", "moved"], in: folder.path)
        _ = try shared.port()
        #expect(shared.waits(for: "documents far: 1 file, 1 passage of far.index, by words and vectors."))
    }
}
