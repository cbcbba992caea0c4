import Glibc
import JSON
import Serve
import Store
import TestSupport
import Testing

/// Answers whose server was killed.
@Suite struct InterruptedAnswerTests {
    private func conversation(_ server: TestServer, _ id: String, _ account: [String: String]) throws -> JSONElement {
        try #require(try server.connect().ask("GET", "/api/conversations/\(id)", account)).json()
    }

    @Test func `the text so far of an answer in progress is saved, and replaced by the answer`() throws {
        let gate = GenerationGate(beforeCharacter: 8)
        // Slower than the interval between two saves.
        let server = try TestServer(ScriptedBackend("0123456789") { count in
            if count == 5 { usleep(2_200_000) }
            gate.wait(character: count)
        })
        let ada = try server.account("ada")
        let stream = try server.openStream("/api/chat", #"{"message":"Hi"}"#, ada)
        let id = try #require(try stream.next()?.data["conversation_id"]?.string)
        let sql = "SELECT content FROM unfinished_answers"
        func saved() throws -> [String] {
            try server.store.database.read(sql).map { row throws(StoreError) in try row["content"] }
        }
        try eventually { try saved().first?.hasPrefix("01234") ?? false }
        let during = try conversation(server, id, ada)
        #expect(during["answering"]?.boolean == true && during["messages"]?.list?.count == 1)
        gate.open()
        #expect(try stream.read().last?.name == "done")
        #expect(try saved().isEmpty && conversation(server, id, ada)["answering"]?.boolean == false)
        #expect(try server.messages(of: id, as: ada) == ["user: Hi", "assistant: 0123456789"])
    }

    @Test func `an answer is saved again and again, at an interval after the last time`() {
        let start = ContinuousClock.now, interval = UnfinishedAnswerSaver.interval, saver = UnfinishedAnswerSaver(at: start)
        #expect(!saver.begin(at: start) && !saver.begin(at: start + interval - .nanoseconds(1)))
        #expect(saver.begin(at: start + interval))
        // It is being saved.
        #expect(!saver.begin(at: start + interval * 5))
        let later = start + interval * 5
        saver.end(at: later)
        #expect(!saver.begin(at: later + interval - .nanoseconds(1)) && saver.begin(at: later + interval))
    }

    @Test func `the saved text grows with the answer`() throws {
        let isRead = CancelFlag()
        let slow = ScriptedBackend(String(repeating: "x", count: 900), context: 1_000) { _ in if !isRead.isCancelled { usleep(50_000) } }
        let server = try TestServer(slow), ada = try server.account("ada")
        let stream = try server.openStream("/api/chat", #"{"message":"Hi"}"#, ada)
        func saved() throws -> Int {
            try server.store.database.read("SELECT length(content) AS count FROM unfinished_answers").first?["count"] ?? 0
        }
        try eventually { try saved() > 0 }
        let first = try saved()
        try eventually { try saved() > first }
        isRead.cancel()
        #expect(try stream.read().last?.name == "done" && saved() == 0)
    }

    @Test func `the saved text becomes a message, marked as interrupted, when its server has gone`() throws {
        let server = try TestServer()
        let ada = try server.account("ada")
        let (answer, created, _) = try Self.interruptedAnswer(to: "Why does it rain?", of: "ada", on: server)
        let id = created.id.description
        let found = try conversation(server, id, ada)
        let messages = try #require(found["messages"]?.elements)
        let last = try #require(Array(messages).last)
        #expect(last["content"]?.string == "Because" && last["id"]?.string == answer.id.description)
        #expect(last["reason"]?.string == "interrupted" && found["answering"]?.boolean == false)
        // The conversation continues after it.
        try server.chat(#"{"message":"Go on","conversation_id":"\#(id)"}"#, as: ada)
        #expect(try server.messages(of: id, as: ada).prefix(3) == ["user: Why does it rain?", "assistant: Because", "user: Go on"])
    }

    @Test func `saved text is dropped if the user has asked again`() throws {
        let server = try TestServer()
        let ada = try server.account("ada")
        let (_, created, question) = try Self.interruptedAnswer(to: "Why?", of: "ada", on: server)
        try server.chat(#"{"message":"Why?","conversation_id":"\#(created.id)","replace_from":"\#(question.id)"}"#, as: ada)
        #expect(try server.messages(of: created.id.description, as: ada) == ["user: Why?", "assistant: \(OneSentenceModel.sentence)"])
    }

    /// Stores what a server leaves that was killed in the middle of an answer.
    private static func interruptedAnswer(
        to text: String, of username: String, on server: TestServer
    ) throws -> (answer: UnfinishedAnswer, conversation: StoredConversation, question: Message) {
        let owner = try #require(try server.store.user(named: username)).id
        let conversation = try server.store.createConversation("Rain", for: owner)
        let question = try server.store.append(NewMessage(.user, text), to: conversation.id, of: owner)
        let lease = AnswerLease(answer: MessageID(), server: ServerID())
        let answer = UnfinishedAnswer(
            id: lease.answer, to: question.id, content: "Because", model: "m", tokens: 2, seconds: 1)
        try server.store.save(answer, in: conversation.id, of: owner)
        return (answer, conversation, question)
    }
}
