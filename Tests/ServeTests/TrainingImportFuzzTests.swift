import JSON
import Serve
import Store
import TestSupport
import Testing

/// Imports randomly damaged files of chats. A failed round is reproducible by its number.
@Suite struct TrainingImportFuzzTests {
    private static let seeds = [
        "[INST] Hi [/INST] Hello! [INST] Bye [/INST] See you\n[INST] é😀 [/INST] [x]\r\n[INST] a [/INST] b\n",
        #"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"Hi"},"#
            + #"{"role":"assistant","content":"H\u00e9 \ud83d\ude00"}]}"# + "\n"
            + #"{"messages":[{"role":"user","content":"q"},{"role":"tool","content":"1"},{"role":"assistant","content":"a"}]}"# + "\n",
        #"{"timestamp":"2025","user":"a","assistant":"b"}"# + "\n"
            + #"{"user":"c","assistant":"d","history":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"# + "\n",
        #"{"prompt":"Hi","chosen":"Hello!","rejected":"No."}"# + "\n" + #"{"prompt":"a","completion":"b","label":true}"# + "\n"
            + #"{"chosen":"\n\nHuman: a\n\nAssistant: b","rejected":"\n\nHuman: a\n\nAssistant: c"}"# + "\n",
    ]
    private static let words = [
        "[INST]", "[/INST]", "\n", "\r\n", "\0", "\"", "{", "}", "[", "]", ",", "\\u", "\\ud800", "é", "😀", "\u{FEFF}", "null", "true",
        "\"role\"", "\"assistant\"", "\"history\"", "\"label\"", "\"chosen\"", "\"rejected\"", "ada@example.org",
    ]

    /// Each file is refused as a whole, or what it says it has added is there, can be read and exported, and is deleted with the import.
    @Test func `a damaged file adds whole chats or none`() throws {
        let server = try TestServer { $0.adminKey = "the owner's key" }, store = server.store
        let connection = try server.connect(), key = ["X-Admin-Key": "the owner's key"]
        let formats = ["detected", "tinychat", "collected", "messages", "preferences"]
        var mutator = Mutator(seed: 19, words: Self.words), added = 0, refused = 0
        for round in 0..<fuzzRounds(default: 300) {
            var bytes = Array(Self.seeds[mutator.random.below(Self.seeds.count)].utf8)
            for _ in 0..<mutator.random.below(4) { mutator.damage(&bytes) }
            // A connection sends text. What is not UTF-8 is replaced, as in a file with such bytes written as text.
            let text = String(decoding: bytes, as: UTF8.self), format = formats[mutator.random.below(formats.count)]
            let path = "/api/training/chats/import?format=\(format)"
            let answer = try #require(connection.ask("POST", path, key, body: text), "round \(round): the connection was closed")
            if answer.status != 200 {
                refused += 1
                #expect([400, 422].contains(answer.status), "round \(round): \(answer.status) \(answer.text)")
                #expect(try store.trainingChats().total == 0, "round \(round): \(answer.text)")
                continue
            }
            let result = try answer.json(), page = try store.trainingChats(limit: 200)
            added += page.total
            #expect(page.total == result["added"]?.integer, "round \(round): \(answer.text)")
            for chat in page.chats {
                let messages = try store.trainingChat(chat.id).messages
                #expect(messages.contains { $0.isActive && $0.message.role == .assistant }, "round \(round): \(chat.title)")
            }
            let export = try #require(connection.ask("GET", "/api/training/chats/export", key), "round \(round)")
            #expect(export.status == 200, "round \(round): \(export.text)")
            guard page.total > 0, let id = result["import"]?.string.flatMap({ TrainingImportID($0) }) else { continue }
            try store.deleteTrainingImport(id, by: AdminRequest(actor: "admin", address: ""))
        }
        #expect(added > 100 && refused > 2, "\(added) chats, \(refused) files refused")
    }
}
