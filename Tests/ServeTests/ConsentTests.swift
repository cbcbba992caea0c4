import Glibc
import Infer
import JSON
import Serve
import Store
import TestSupport
import Testing

/// What is collected, and what clients are informed of.
@Suite struct ConsentTests {
    private func change(_ server: TestServer, _ path: String, _ body: String, _ account: [String: String]) throws -> Int {
        try server.ask("PATCH", path, body, account).status
    }

    @Test func `the health response says whether chats may be used for training`() throws {
        func training(_ server: TestServer) throws -> Bool? {
            try server.connect().ask("GET", "/api/health")?.json()["training"]?.boolean
        }
        #expect(try training(TestServer()) == false && training(TestServer(collecting: true)) == true)
        #expect(try training(TestServer(store: .with { $0.showsTrainingNotice = true })) == true)
    }

    /// Chats are collected after the end of their stream, and before the server has stopped.
    private func collected(_ server: TestServer) throws -> [String] {
        server.server.stop(within: .seconds(60))
        return try server.store.collectedChats().chats.map(\.question).sorted()
    }

    @Test func `chats of a conversation that is left out are not collected`() throws {
        let server = try TestServer(collecting: true), ada = try server.account("ada")
        let first = try #require(try server.chat(#"{"message":"1"}"#, as: ada).start["conversation_id"]?.string)
        try server.chat(#"{"message":"private","training":false}"#, as: ada)
        try server.chat(#"{"message":"2"}"#, as: ada)
        try eventually { try server.store.collectedChatCount() == 2 }
        let path = "/api/conversations/\(first)"
        #expect(try change(server, path, #"{"training":false}"#, ada) == 200)
        try server.chat(#"{"message":"left out","conversation_id":"\#(first)"}"#, as: ada)
        #expect(try collected(server) == ["2"] && server.chatLines.count == 2)
        let owner = try #require(try server.store.user(named: "ada")).id, id = try #require(ConversationID(first))
        _ = try server.store.update(id, of: owner) { $0.isExcludedFromTraining = false }
        #expect(try server.store.collectedChats().chats.map(\.question).sorted() == ["1", "2"])
        #expect(try server.store.trainingConversations().conversations.count == 2)          // "private" is left out
        try server.store.delete(id, of: owner)
        #expect(try server.store.collectedChats().chats.map(\.question) == ["2"])
        #expect(try server.store.trainingConversations().conversations.count == 1)
    }

    @Test func `chats of an account that is left out are not collected`() throws {
        let server = try TestServer(collecting: true), ada = try server.account("ada")
        try server.chat(#"{"message":"1"}"#, as: ada)
        try eventually { try server.store.collectedChatCount() == 1 }
        for wrong in ["\"x\"", "1"] { #expect(try change(server, "/api/me", #"{"training":\#(wrong)}"#, ada) == 422) }
        #expect(try change(server, "/api/me", "{}", ada) == 200)
        #expect(try server.connect().ask("GET", "/api/me", ada)?.json()["training"]?.boolean == true)
        #expect(try change(server, "/api/me", #"{"training":false}"#, ada) == 200)
        #expect(try server.connect().ask("GET", "/api/me", ada)?.json()["training"]?.boolean == false)
        #expect(try server.connect().ask("GET", "/stats")?.json()["count"]?.integer == 0)
        try server.chat(#"{"message":"left out"}"#, as: ada)
        #expect(try collected(server) == [] && server.chatLines.count == 1)
        #expect(try server.store.trainingConversations().conversations.isEmpty)
        try server.store.setExcludedFromTraining(try #require(try server.store.user(named: "ada")).id, to: false)
        #expect(try server.store.collectedChats().chats.map(\.question) == ["1"])
    }

    @Test func `a switch during an answer counts at its end`() throws {
        let gate = GenerationGate(beforeCharacter: 2)
        let server = try TestServer(RecordingBackend(gate: gate), collecting: true), ada = try server.account("ada")
        let stream = try server.openStream("/api/chat", #"{"message":"Hi"}"#, ada)
        let id = try #require(try stream.next()?.data["conversation_id"]?.string)
        #expect(try change(server, "/api/conversations/\(id)", #"{"training":false}"#, ada) == 200)
        gate.open()
        _ = try stream.read()
        #expect(try collected(server) == [] && server.chatLines.count == 0)
    }

    @Test func `guests can keep their chats from being collected`() throws {
        let server = try TestServer(collecting: true)
        func ask(_ path: String, _ fields: String) throws -> Int? {
            try server.connect().post(path, #"{"message":"Hi"\#(fields)}"#)?.status
        }
        for path in ["/api/chat/guest", "/chat"] {
            #expect(try ask(path, #","collect":false"#) == 200 && ask(path, #","collect":1"#) == 422)
        }
        #expect(try ask("/chat", "") == 200 && ask("/chat", #","collect":true"#) == 200)
        #expect(try collected(server).count == 2 && server.store.trainingConversations().conversations.isEmpty)
    }

    @Test func `the export of an account has feedback, alternatives and settings`() throws {
        let server = try TestServer(), ada = try server.account("ada")
        let start = try server.chat(#"{"message":"Why?","system_prompt":"Be kind.","training":false}"#, as: ada).start
        let id = try #require(start["conversation_id"]?.string), question = try #require(start["message_id"]?.string)
        let answer = try #require(start["answer_id"]?.string), path = "/api/conversations/\(id)/messages/\(answer)/"
        #expect(try server.ask("PUT", path + "rating", #"{"rating":"bad","comment":"No."}"#, ada).status == 204)
        #expect(try server.ask("PUT", path + "correction", #"{"content":"Yes."}"#, ada).status == 204)
        try server.chat(#"{"conversation_id":"\#(id)","regenerate":"\#(question)"}"#, as: ada)
        try server.chat(#"{"conversation_id":"\#(id)","message":"Thanks"}"#, as: ada)
        let export = try #require(try server.connect().ask("GET", "/api/me/export", ada)?.json())
        let chat = try #require(export["conversations"]?.list?.first)
        #expect(chat["system_prompt"]?.string == "Be kind." && chat["training"]?.boolean == false)
        #expect(export["profile"]?["training"]?.boolean == true)
        #expect(chat["messages"]?.list?.count == 4)
        let other = try #require(chat["alternatives"]?.list?.first)
        #expect(other["id"]?.string == answer && other["correction"]?.string == "Yes." && other["rating"]?["comment"]?.string == "No.")
        #expect(other["previous_id"]?.string == question)
        let preference = try #require(chat["preferences"]?.list?.first)
        #expect(preference["rejected_ids"]?.elements.map { $0.compactMap(\.string) } == [answer])
        let chosen = chat["messages"]?.list?.dropFirst().first?["id"]?.string
        #expect(preference["question_id"]?.string == question && chosen != nil && preference["chosen_id"]?.string == chosen)
        #expect(preference["chosen_at"]?.string.flatMap { Timestamp(dateOrTime: $0) } != nil)
    }
}
