import Infer
import JSON
import Serve
import Store
import TestSupport
import Testing

/// Alternatives, ratings and corrections over HTTP.
@Suite struct BranchRouteTests {
    private struct Chat {
        let server: TestServer
        let backend = RecordingBackend()
        let ada: [String: String]
        let id, question, answer: String

        init(_ change: (inout ServeSettings) -> Void = { _ in }) throws {
            server = try TestServer(backend, with: change)
            ada = try server.account("ada")
            let start = try server.chat(#"{"message":"Why?"}"#, as: ada).start
            id = try #require(start["conversation_id"]?.string)
            question = try #require(start["message_id"]?.string)
            answer = try #require(start["answer_id"]?.string)
        }

        func ask(_ method: String, _ path: String, _ body: String? = nil) throws -> RawHTTPConnection.Answer {
            try server.ask(method, "/api/conversations/\(id)\(path)", body, ada)
        }

        var messages: [JSONElement] {
            get throws { try ask("GET", "").json()["messages"]?.list ?? [] }
        }

        /// Generates another answer and returns its id.
        func regenerate() throws -> String {
            let start = try server.chat(#"{"conversation_id":"\#(id)","regenerate":"\#(question)"}"#, as: ada).start
            #expect(start["message_id"]?.string == question && start["conversation_id"]?.string == id)
            return try #require(start["answer_id"]?.string)
        }
    }

    private func strings(_ element: JSONElement?) -> [String] { element?.elements.map { $0.compactMap(\.string) } ?? [] }

    @Test func `a regenerated answer is an alternative that can be switched to`() throws {
        let chat = try Chat(), second = try chat.regenerate(), third = try chat.regenerate()
        var messages = try chat.messages
        #expect(messages.compactMap { $0["id"]?.string } == [chat.question, third])
        #expect(strings(messages[1]["alternatives"]) == [chat.answer, second, third] && messages[0]["alternatives"] == nil)
        let listed = try chat.ask("GET", "/messages/\(chat.answer)/alternatives").json()["alternatives"]?.list ?? []
        #expect(listed.compactMap { $0["id"]?.string } == [chat.answer, second, third])
        #expect(listed.compactMap { $0["active"]?.boolean } == [false, false, true])
        #expect(listed[0]["content"]?.string == messages[1]["content"]?.string && listed[0]["model"]?.string == "test-model")
        let alone = try chat.ask("GET", "/messages/\(chat.question)/alternatives").json()["alternatives"]?.list?.count
        #expect(alone == 1)
        // The history of an alternative is its own.
        try chat.server.chat(#"{"message":"And then?","conversation_id":"\#(chat.id)"}"#, as: chat.ada)
        let switched = try chat.ask("POST", "/messages/\(chat.answer)/activate", "{}")
        #expect(try switched.status == 200 && switched.json()["messages"]?.list?.count == 2)
        messages = try chat.messages
        #expect(messages.last?["id"]?.string == chat.answer)
        #expect(try chat.ask("POST", "/messages/\(third)/activate", "{}").status == 200 && chat.messages.count == 4)
        let edit = #"{"message":"Why not?","conversation_id":"\#(chat.id)","replace_from":"\#(chat.question)"}"#
        let edited = try chat.server.chat(edit, as: chat.ada).start["message_id"]?.string
        messages = try chat.messages
        #expect(strings(messages[0]["alternatives"]) == [chat.question, edited])
        for path in ["/messages/\(ConversationID())", "/messages/x"] {
            #expect(try chat.ask("POST", path + "/activate", "{}").status == 404 && chat.ask("GET", path + "/alternatives").status == 404)
        }
    }

    @Test func `what cannot be regenerated is rejected before anything is stored`() throws {
        let chat = try Chat()
        for (body, field) in [
            (#"{"regenerate":"\#(chat.question)"}"#, "regenerate"),
            (#"{"conversation_id":"\#(chat.id)","regenerate":"\#(chat.answer)"}"#, "regenerate"),
            (#"{"conversation_id":"\#(chat.id)","regenerate":"x"}"#, "regenerate"),
            (#"{"conversation_id":"\#(chat.id)","regenerate":"\#(chat.question)","message":"x"}"#, "regenerate"),
            (#"{"conversation_id":"\#(chat.id)","regenerate":"\#(chat.question)","replace_from":"\#(chat.question)"}"#, "regenerate"),
            (#"{"conversation_id":"\#(chat.id)"}"#, "message"),
            (#"{"conversation_id":"\#(chat.id)","message":"x","system_prompt":"y"}"#, "system_prompt"),
            (#"{"conversation_id":"\#(chat.id)","message":"x","training":true}"#, "training"),
            (#"{"message":"x","system_prompt":7}"#, "system_prompt"),
            (#"{"message":"x","system_prompt":"\#(String(repeating: "a", count: 8_001))"}"#, "system_prompt"),
        ] {
            let answer = try #require(try chat.server.connect().post("/api/chat", body, chat.ada))
            #expect(answer.status == 422 && answer.error.field == field, "\(body.prefix(200)): \(answer.text)")
        }
        #expect(try chat.messages.count == 2)
    }

    @Test func `a switch during an answer is refused, and a failed answer leaves the earlier one`() throws {
        let gate = GenerationGate(beforeCharacter: 3), backend = RecordingBackend(gate: gate)
        let server = try TestServer(backend), ada = try server.account("ada")
        gate.open()
        let first = try server.chat(#"{"message":"Why?"}"#, as: ada).start
        let id = try #require(first["conversation_id"]?.string), question = try #require(first["message_id"]?.string)
        let answer = try #require(first["answer_id"]?.string)
        let second = try server.chat(#"{"conversation_id":"\#(id)","regenerate":"\#(question)"}"#, as: ada).start["answer_id"]?.string
        gate.close()
        let stream = try server.openStream("/api/chat", #"{"conversation_id":"\#(id)","regenerate":"\#(question)"}"#, ada)
        _ = try stream.next()
        let path = "/api/conversations/\(id)/messages/\(answer)/activate"
        let refused = try #require(try server.connect().post(path, "{}", ada))
        #expect(refused.status == 409 && refused.error.code == "answering")
        // Until the new answer is stored, the earlier one is shown.
        func shown() throws -> String? {
            let messages = try server.connect().ask("GET", "/api/conversations/\(id)", ada)?.json()["messages"]?.elements
            return messages.flatMap { Array($0).last }?["id"]?.string
        }
        #expect(try shown() == second)
        gate.open()
        _ = try stream.read()
        #expect(try server.connect().post(path, "{}", ada)?.status == 200)
        #expect(try shown() == answer)
    }

    @Test func `ratings are validated, shown, changed and removed`() throws {
        let chat = try Chat(), path = "/messages/\(chat.answer)/rating"
        for (body, rating, reason, comment) in [
            (#"{"rating":"bad"}"#, "bad", nil, nil),
            (#"{"rating":"bad","reason":"incorrect","comment":"It rains."}"#, "bad", "incorrect", "It rains."),
            (#"{"rating":"good","reason":"accurate","comment":""}"#, "good", "accurate", nil),
        ] as [(String, String, String?, String?)] {
            #expect(try chat.ask("PUT", path, body).status == 204)
            let found = try #require(try chat.messages.last?["rating"])
            #expect(found["rating"]?.string == rating && found["reason"]?.string == reason && found["comment"]?.string == comment)
        }
        for (body, field) in [
            ("{}", "rating"), (#"{"rating":"superb"}"#, "rating"), (#"{"rating":1}"#, "rating"),
            (#"{"rating":"good","reason":"incorrect"}"#, "reason"), (#"{"rating":"bad","reason":"because"}"#, "reason"),
            (#"{"rating":"bad","comment":"\#(String(repeating: "a", count: 2_001))"}"#, "comment"),
            (#"{"rating":"bad","stars":5}"#, "stars"),
        ] {
            let answer = try chat.ask("PUT", path, body)
            #expect(answer.status == 422 && answer.error.field == field, "\(body)")
        }
        #expect(try chat.messages.last?["rating"]?["rating"]?.string == "good")
        for _ in 0..<2 { #expect(try chat.ask("DELETE", path).status == 204) }
        #expect(try chat.messages.last?["rating"] == nil)
        #expect(try chat.ask("PUT", "/messages/\(chat.question)/rating", #"{"rating":"good"}"#).status == 404)
    }

    @Test func `a correction is shown beside the answer and used in the history`() throws {
        let chat = try Chat(), path = "/messages/\(chat.answer)/correction"
        #expect(try chat.ask("PUT", path, #"{"content":"Because of clouds."}"#).status == 204)
        let found = try #require(try chat.messages.last)
        #expect(found["correction"]?.string == "Because of clouds." && found["content"]?.string == OneSentenceModel.sentence)
        try chat.server.chat(#"{"message":"Really?","conversation_id":"\#(chat.id)"}"#, as: chat.ada)
        #expect(chat.backend.prompts.last == ["user: Why?", "assistant: Because of clouds.", "user: Really?"])
        #expect(try chat.ask("DELETE", path).status == 204 && chat.messages[1]["correction"] == nil)
        for (body, field) in [("{}", "content"), (#"{"content":" "}"#, "content"), (#"{"content":3}"#, "content")] {
            #expect(try chat.ask("PUT", path, body).error.field == field)
        }
    }

    @Test func `the system prompt and the model belong to the conversation`() throws {
        let main = RecordingBackend(), other = RecordingBackend()
        let server = try TestServer(main, adapters: [("poems", other)]), ada = try server.account("ada")
        let start = try server.chat(#"{"message":"Hi","system_prompt":"Rhyme.","model":"test-model:poems"}"#, as: ada).start
        #expect(start["model"]?.string == "test-model:poems" && other.prompts.last == ["system: Rhyme.", "user: Hi"])
        let id = try #require(start["conversation_id"]?.string), path = "/api/conversations/\(id)"
        func patch(_ body: String) throws -> RawHTTPConnection.Answer { try server.ask("PATCH", path, body, ada) }
        let next = #"{"message":"Ho","conversation_id":"\#(id)"}"#
        #expect(try server.chat(next, as: ada).start["model"]?.string == "test-model:poems")
        let changed = try patch(#"{"system_prompt":"Be short.","model":"default"}"#).json()
        #expect(changed["system_prompt"]?.string == "Be short." && changed["model"]?.string == "test-model")
        #expect(try server.chat(next, as: ada).start["model"]?.string == "test-model")
        #expect(main.prompts.last?.first == "system: Be short." && main.prompts.last?.count == 6)
        #expect(try patch(#"{"title":"Rhymes"}"#).json()["system_prompt"]?.string == "Be short.")
        let cleared = try patch(#"{"system_prompt":"","model":""}"#).json()
        #expect(cleared["system_prompt"]?.isNull == true && cleared["model"]?.isNull == true && cleared["title"]?.string == "Rhymes")
        // A model that is named in a request answers from then on.
        _ = try server.chat(#"{"message":"Ho","conversation_id":"\#(id)","model":"test-model:poems"}"#, as: ada)
        #expect(try server.connect().ask("GET", path, ada)?.json()["model"]?.string == "test-model:poems")
        #expect(try patch(#"{"model":"unknown"}"#).status == 404)
        #expect(try patch(#"{"training":"no"}"#).error.field == "training")
        #expect(try patch(#"{"system_prompt":"\#(String(repeating: "a", count: 8_001))"}"#).error.field == "system_prompt")
    }

    @Test func `the default model answers if that of the conversation is not served any more`() throws {
        let shared = try TestServer(adapters: [("poems", ScriptedBackend())]), ada = try shared.account("ada")
        let start = try shared.chat(#"{"message":"Hi","model":"test-model:poems"}"#, as: ada).start
        let id = try #require(start["conversation_id"]?.string)
        let later = try TestServer(database: "sqlite:" + shared.folder("chats.db"), signingKey: shared.signingKey)
        #expect(try later.chat(#"{"message":"Ho","conversation_id":"\#(id)"}"#, as: ada).start["model"]?.string == "test-model")
    }

    @Test func `changes are limited`() throws {
        let chat = try Chat { $0.changesPerMinute = 3 }
        var statuses: [Int] = []
        for _ in 0..<6 { statuses.append(try chat.ask("PUT", "/messages/\(chat.answer)/rating", #"{"rating":"good"}"#).status) }
        #expect(statuses.first == 204 && statuses.last == 429)
    }
}
