import Glibc
import JSON
import Secrets
import Serve
import Store
import TestSupport
import Testing

/// Answers of several servers on one database.
@Suite struct ReplicaTests {
    /// A pair whose first server generates an answer that waits at a gate.
    private struct Answering {
        let gate = GenerationGate(beforeCharacter: 3)
        let backend: RecordingBackend
        let servers: ServerPair
        let ada: [String: String]
        let stream: EventStream
        let id: String

        init(_ isSQLite: Bool) throws {
            backend = RecordingBackend("0123456789", gate: gate)
            servers = try ServerPair(isSQLite, backend)
            ada = try servers.first.account("ada")
            stream = try servers.first.openStream("/api/chat", #"{"message":"Hi"}"#, ada)
            id = try #require(try stream.next()?.data["conversation_id"]?.string)
        }

        /// Waits until the answer was canceled, and reads the rest of the stream.
        func waitForCancellation() throws {
            try eventually { backend.cancellations.value > 0 }
            gate.open()
            _ = try stream.read()
        }
    }

    private func conversation(_ server: TestServer, _ id: String, _ account: [String: String]) throws -> JSONElement {
        try #require(try server.connect().ask("GET", "/api/conversations/\(id)", account)).json()
    }

    @Test(arguments: [true, false]) func `a conversation has one answer at a time on all servers`(_ isSQLite: Bool) throws {
        let answer = try Answering(isSQLite)
        let (servers, ada, id) = (answer.servers, answer.ada, answer.id)
        let body = #"{"message":"Again","conversation_id":"\#(id)"}"#
        let refused = try servers.second.connect().post("/api/chat", body, ada)
        #expect(refused?.status == 409 && refused?.error.code == "answering" && refused?.headers["retry-after"] == "1")
        for server in [servers.first, servers.second] {
            #expect(try conversation(server, id, ada)["answering"]?.boolean == true)
        }
        // Another account can neither find nor lock it.
        let eve = try servers.second.account("eve")
        #expect(try servers.second.connect().post("/api/chat", body, eve)?.status == 404)
        #expect(try servers.second.connect().post("/api/conversations/\(id)/stop", "{}", eve)?.status == 404)
        answer.gate.open()
        #expect(try answer.stream.read().last?.name == "done")
        try servers.second.chat(body, as: ada)
        let found = try conversation(servers.first, id, ada)
        #expect(found["answering"]?.boolean == false)
        #expect(try servers.first.messages(of: id, as: ada).prefix(3) == ["user: Hi", "assistant: 0123456789", "user: Again"])
        // Answers name their questions.
        let messages = try #require(found["messages"]?.list)
        #expect(messages.map { $0["parent_id"]?.string } == [nil, messages[0]["id"]?.string, nil, messages[2]["id"]?.string])
    }

    private static let stops: [(method: String, path: String, body: String?)] = [
        ("POST", "/api/conversations/ID/stop", "{}"), ("DELETE", "/api/conversations/ID", nil), ("DELETE", "/api/me/sessions", nil),
        ("POST", "/api/me/delete", #"{"password":"correct horse"}"#), ("PATCH", "/api/admin/users/USER", #"{"disabled":true}"#),
        ("DELETE", "/api/admin/users/USER", nil), ("DELETE", "/api/admin/users/USER/sessions", nil),
    ]

    @Test(arguments: [true, false]) func `what ends an answer on one server ends it on the others`(_ isSQLite: Bool) throws {
        for (method, path, body) in Self.stops {
            let answer = try Answering(isSQLite)
            let (servers, ada, id) = (answer.servers, answer.ada, answer.id)
            let user = try #require(try servers.second.store.user(named: "ada")).id
            let target = path.replacing("ID", with: id).replacing("USER", with: user.description)
            #expect(try servers.second.ask(method, target, body ?? "", ada.merging(ServerPair.admin) { $1 }).status < 300, "\(path)")
            try answer.waitForCancellation()
            let stored = try servers.second.store.database.read("SELECT content FROM messages WHERE role = 'assistant'")
            #expect(!stored.contains { $0.values == [.text("0123456789")] }, "\(path)")
            if path.hasSuffix("/stop") {
                let last = try conversation(servers.first, id, ada)["messages"]?.list?.last
                #expect(last?["content"]?.string == "012" && last?["reason"]?.string == "cancelled")
            }
        }
    }

    @Test func `an answer stops although the notifications are lost`() throws {
        let answer = try Answering(false)
        _ = try answer.servers.first.store.database.transaction(.write) { connection throws(StoreError) in
            try connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
        }
        let target = "/api/conversations/\(answer.id)/stop"
        #expect(try answer.servers.second.connect().post(target, "{}", answer.ada)?.status == 204)
        try answer.waitForCancellation()
        #expect(try answer.servers.second.messages(of: answer.id, as: answer.ada) == ["user: Hi", "assistant: 012"])
    }

    @Test(arguments: [true, false]) func `a conversation of a dead server can be continued`(_ isSQLite: Bool) throws {
        let servers = try ServerPair(isSQLite)
        let ada = try servers.first.account("ada")
        let store = servers.first.store
        let owner = try #require(try store.user(named: "ada")).id
        for isOpened in [true, false] {
            let dead = AnswerLease(answer: MessageID(), server: ServerID()), id = ConversationID()
            let messages = try store.beginAnswer(
                to: .newMessage(NewMessage(.user, "Why?"), replacing: nil), in: id, of: owner, creating: NewConversation(title: "Rain"),
                taking: dead
            ).messages
            try store.save(
                UnfinishedAnswer(id: dead.answer, to: messages[0].id, content: "Because", model: "m", tokens: 2, seconds: 1),
                in: id, of: owner)
            if isOpened {
                let found = try conversation(servers.second, id.description, ada)
                let last = found["messages"]?.list?.last
                #expect(last?["content"]?.string == "Because" && last?["reason"]?.string == "interrupted")
                #expect(found["answering"]?.boolean == false && last?["parent_id"]?.string == messages[0].id.description)
            }
            try servers.second.chat(#"{"message":"Go on","conversation_id":"\#(id)"}"#, as: ada)
            let all = try servers.first.messages(of: id.description, as: ada)
            #expect(all.prefix(3) == ["user: Why?", "assistant: Because", "user: Go on"])
            // The dead server was only slow: what it stores now comes too late.
            #expect(throws: StoreError.leaseLost) {
                try store.append(
                    NewMessage(.assistant, "Because of"), as: dead.answer, to: id, of: owner, answering: messages[0].id, ending: dead)
            }
            try store.save(
                UnfinishedAnswer(id: dead.answer, to: messages[0].id, content: "Because o", model: "m", tokens: 3, seconds: 1),
                in: id, of: owner)
            #expect(try servers.first.messages(of: id.description, as: ada) == all)
        }
    }

    @Test(arguments: [true, false]) func `an answer of a living server is not interrupted by another one`(_ isSQLite: Bool) throws {
        let gate = GenerationGate(beforeCharacter: 8)
        let servers = try ServerPair(isSQLite, ScriptedBackend("0123456789") { count in
            if count == 5 { usleep(2_200_000) }                  // longer than the time between two saves
            gate.wait(character: count)
        })
        let ada = try servers.first.account("ada")
        let stream = try servers.first.openStream("/api/chat", #"{"message":"Hi"}"#, ada)
        let id = try #require(try stream.next()?.data["conversation_id"]?.string)
        try eventually {
            try servers.first.store.database.read("SELECT 1 FROM unfinished_answers").count == 1
        }
        try servers.second.store.recoverAnswersOfDeadServers()
        #expect(try servers.second.messages(of: id, as: ada) == ["user: Hi"])
        gate.open()
        #expect(try stream.read().last?.name == "done")
        #expect(try servers.second.messages(of: id, as: ada) == ["user: Hi", "assistant: 0123456789"])
    }
}
