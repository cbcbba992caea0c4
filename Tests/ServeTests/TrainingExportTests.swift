import Corpus
import JSON
import Serve
import Store
import TestSupport
import Testing

/// Chats, and what users have said of answers, as data to fine-tune with.
@Suite struct TrainingExportTests {
    private let server: TestServer
    private let ada: UserID
    private var store: Store { server.store }

    init() throws {
        server = try TestServer(store: .with { $0.showsTrainingNotice = true }) { $0.adminKey = "the owner's key" }
        ada = try server.store.addUser("ada", passwordHash: "x").id
    }

    /// A conversation of questions and answers in turn.
    private func chat(_ texts: String..., system: String? = nil) throws -> (id: ConversationID, messages: [Message]) {
        let id = try store.createConversation("chat", for: ada).id
        if let system { _ = try store.update(id, of: ada) { $0.systemPrompt = system } }
        let messages = try texts.enumerated().map { i, text in
            try store.append(NewMessage(i % 2 == 0 ? .user : .assistant, text), to: id, of: ada)
        }
        return (id, messages)
    }

    private func export(_ format: String, _ query: String = "") throws -> RawHTTPConnection.Answer {
        let path = "/api/admin/training-chats?format=\(format)\(query)"
        return try #require(try server.connect().ask("GET", path, ["X-Admin-Key": "the owner's key"]))
    }

    private func lines(_ format: String) throws -> [String] {
        let answer = try export(format)
        #expect(answer.status == 200, "\(answer.text)")
        return answer.text.split(separator: "\n").map(String.init).sorted()
    }

    @Test func `chats are exported as answers to train on, corrected ones as their correction, bad ones only as context`() throws {
        let chat = try chat("q1", "a1", "q2", "a2", "q3", "a3", "q4", "a4", system: "Be kind.")
        try store.correct(chat.messages[1].id, in: chat.id, of: ada, to: "better")
        try store.rate(chat.messages[3].id, in: chat.id, of: ada, Rating(.bad))
        try store.rate(chat.messages[5].id, in: chat.id, of: ada, Rating(.bad))
        try store.correct(chat.messages[5].id, in: chat.id, of: ada, to: "a3!")
        let found = try lines("chats").map { line in
            let element = try JSONElement(parsing: line)
            let history = element["history"]?.elements?.compactMap { $0["content"]?.string } ?? []
            return (history + [element["user"]?.string ?? "", element["assistant"]?.string ?? ""]).joined(separator: " ")
        }
        #expect(Set(found) == [
            "Be kind. q1 better", "Be kind. q1 better q2 a2 q3 a3!", "Be kind. q1 better q2 a2 q3 a3! q4 a4",
        ])
    }

    @Test func `whole chats are exported as messages, up to an answer that is not to be trained on`() throws {
        let first = try chat("q1", "a1", "q2", "a2", "q3", "a3", system: "Be kind.")
        try store.correct(first.messages[1].id, in: first.id, of: ada, to: "better")
        try store.rate(first.messages[5].id, in: first.id, of: ada, Rating(.bad))
        let bad = try chat("q", "a")
        try store.rate(bad.messages[1].id, in: bad.id, of: ada, Rating(.bad))
        _ = try chat("Hi", "Ho", "unanswered")
        let expected = [
            #"{"messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"q1"},{"role":"assistant","content":"better"},"#
                + #"{"role":"user","content":"q2"},{"role":"assistant","content":"a2"}]}"#,
            #"{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Ho"}]}"#,
        ].sorted()
        #expect(try lines("messages") == expected)
        let answer = try #require(try server.connect().ask(
            "GET", "/api/training/chats/export?format=messages", ["X-Admin-Key": "the owner's key"]))
        #expect(answer.text.split(separator: "\n").map(String.init).sorted() == expected)
        // `slm` reads them.
        let path = "/api/training/chats/import?format=messages"
        let added = try #require(try server.connect().ask("POST", path, ["X-Admin-Key": "the owner's key"], body: answer.text)).json()
        #expect(added["added"]?.integer == 2 && added["skipped"]?.integer == 0)
    }

    @Test func `corrections and choices are exported as pairs, and ratings as good and bad answers`() throws {
        let first = try chat("q1", "a1", "q2", "a2")
        try store.correct(first.messages[1].id, in: first.id, of: ada, to: "b1")
        try store.rate(first.messages[3].id, in: first.id, of: ada, Rating(.bad, .tooLong))
        let start = try store.beginAnswer(to: .storedMessage(first.messages[2].id), in: first.id, of: ada)
        let other = try store.append(
            NewMessage(.assistant, "b2"), to: first.id, of: ada, replacingFrom: start.replacedAnswer, answering: first.messages[2].id)
        try store.activate(other.id, in: first.id, of: ada)
        try store.rate(other.id, in: first.id, of: ada, Rating(.good))
        let one = #"{"role":"user","content":"q1"}"#
        let two = one + #",{"role":"assistant","content":"b1"},{"role":"user","content":"q2"}"#
        func answer(_ text: String) -> String { #"[{"role":"assistant","content":"\#(text)"}]"# }
        #expect(try lines("pairs") == [
            #"{"prompt":[\#(two)],"chosen":\#(answer("b2")),"rejected":\#(answer("a2"))}"#,
            #"{"prompt":[\#(one)],"chosen":\#(answer("b1")),"rejected":\#(answer("a1"))}"#,
        ].sorted())
        #expect(try lines("ratings") == [
            #"{"prompt":[\#(two)],"completion":\#(answer("a2")),"label":false}"#,
            #"{"prompt":[\#(two)],"completion":\#(answer("b2")),"label":true}"#,
        ])
        // `slm finetune --preferences` reads them.
        let folder = TemporaryFolder()
        var reader = try ConversationReader([folder.write(try lines("pairs").joined(separator: "\n"), to: "pairs.jsonl")])
        var count = 0
        try reader.forEachPreference { _, _, _ in count += 1 }
        #expect(count == 2)
    }

    @Test func `answers from documents are exported with their passages or not at all`() throws {
        let id = try store.createConversation("chat", for: ada).id
        let passages = #"{"passages":[{"text":"Hold the button."}],"words":[],"prompt":"[1] Hold the button.\n\nQuestion: How?"}"#
        let none = #"{"passages":[],"note":"No passage fits.","words":[],"prompt":"And?"}"#
        let messages = try [
            ("Hi", "Ho", nil), ("How?", "Hold it [1].", passages), ("And?", "No idea.", none),
        ].flatMap { question, answer, sources in
            let messages = [NewMessage(.user, question), NewMessage(.assistant, answer, sources: sources)]
            return try messages.map { try store.append($0, to: id, of: ada) }
        }
        func questions(_ query: String) throws -> [String?] {
            try export("chats", query).text.split(separator: "\n").map { try JSONElement(parsing: String($0))["user"]?.string }
        }
        #expect(try questions("") == ["Hi", "And?"] && questions("&passages=false") == ["Hi", "And?"])
        #expect(try questions("&passages=true") == ["Hi", "[1] Hold the button.\n\nQuestion: How?", "And?"])
        // Readers of whole chats train on all answers, so that a chat ends before one that is left out.
        #expect(try !export("messages").text.contains("How?"))
        #expect(try export("messages", "&passages=true").text.contains(#""content":"[1] Hold the button.\n\nQuestion: How?"}"#))
        try store.rate(messages[3].id, in: id, of: ada, Rating(.good))
        #expect(try export("ratings").text.isEmpty)
        #expect(try export("ratings", "&passages=true").text.contains("Hold the button."))
        // A question that an owner has changed is the changed one, below the same passages.
        let chat = try #require(try store.trainingChats().chats.first).id
        try store.correct(messages[2].id, in: chat, to: "How does it work?", by: AdminRequest(actor: "olga", address: "127.0.0.1"))
        #expect(try questions("&passages=true")[1] == "[1] Hold the button.\n\nQuestion: How does it work?")
        #expect(try export("chats", "&passages=yes").error.field == "passages")
    }

    @Test func `an export has pages, and chats that are left out are in none`() throws {
        for i in 0..<5 { _ = try chat("q\(i)", "a\(i)") }
        let left = try chat("private", "secret")
        _ = try store.update(left.id, of: ada) { $0.isExcludedFromTraining = true }
        var texts: [String] = [], after = "", pages = 0
        while true {
            let page = try export("chats", "&limit=2" + after)
            texts += page.text.split(separator: "\n").map(String.init)
            pages += 1
            guard let next = page.headers["x-next-after"], pages < 10 else { break }
            after = "&after=\(next)"
        }
        #expect(texts.count == 5 && pages == 3 && !texts.joined().contains("secret"))
        #expect(try store.admin.auditLog().items.filter { $0.action == .exportChats }.count == 3)
        for (query, field) in [("x", "format"), ("chats&after=x", "after"), ("chats&limit=0", "limit")] {
            let answer = try export(query)
            #expect(answer.status == 422 && answer.error.field == field)
        }
    }
}
