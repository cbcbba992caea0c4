import Documents
import Foundation
import JSON
import Serve
import TestSupport
import Testing

/// A server with documents: the index "notes" of a folder with two files.
final class DocumentServer {
    let folder = TemporaryFolder()
    let backend = RecordingBackend(context: 1_000)
    let server: TestServer
    var index: String { folder("notes.index") }

    /// - Parameter change: Changes the settings after the documents were set.
    init(collecting: Bool = false, with change: (inout ServeSettings) -> Void = { _ in }) throws {
        try FileManager.default.createDirectory(atPath: folder("notes"), withIntermediateDirectories: true)
        folder.write("# Pump\n## Reset\nHold the red button.\n", to: "notes/pump.md")
        folder.write("The valve turns left.\n", to: "notes/valve.txt")
        let index = folder("notes.index")
        try Self.build(folder("notes"), at: index)
        server = try TestServer(backend, collecting: collecting) { settings in
            settings.documents = ServedDocuments([try! SharedIndex(index, named: "notes")])
            change(&settings)
        }
    }

    static func build(_ path: String, at index: String) throws {
        try IndexBuilder(reader: DocumentReader(programs: "")).build([path], at: index)
    }

    func post(_ path: String, _ body: String, _ headers: [String: String] = [:]) throws -> RawHTTPConnection.Answer {
        try #require(try server.connect().post(path, body, headers))
    }

    /// The last message of the last prompt.
    var lastPrompt: String { backend.prompts.last?.last ?? "" }

    /// What a model gets for a question with the words "reset" and "pump".
    static func prompt(_ question: String) -> String {
        """
        user: Read these passages from documents. Then answer the question briefly, with the number of the passage, such as [1]. If no \
        passage answers the question, say that.

        [1] Hold the red button.
        (pump.md, Pump > Reset)

        Question: \(question)
        """
    }
}

extension JSONElement {
    /// The texts of the passages of `AnswerSources`.
    var passageTexts: [String] { self["passages"]?.elements.map { $0.compactMap { $0["text"]?.string } } ?? [] }
}
