import Glibc
import Infer
import JSON
import Serve
import Store
import Synchronization
import TestSupport
import Testing

/// Chats of accounts: what is stored, and when.
@Suite struct AccountChatTests {
    @Test func `the message is stored before the answer starts, and the answer before the client gets done`() throws {
        let gate = GenerationGate(beforeCharacter: 3)
        let server = try TestServer(RecordingBackend(gate: gate))
        let ada = try server.account("ada")
        let stream = try server.openStream("/api/chat", #"{"message":"Why?","temperature":0}"#, ada)
        #expect(stream.head.headers["content-type"] == "text/event-stream; charset=utf-8")
        #expect(stream.head.headers["cache-control"] == "no-store" && stream.head.headers["x-accel-buffering"] == "no")
        let start = try #require(try stream.next()).data
        let id = try #require(start["conversation_id"]?.string)
        #expect(try server.messages(of: id, as: ada) == ["user: Why?"])
        gate.open()
        let (text, end) = try stream.read()
        #expect(text == OneSentenceModel.sentence && end?.name == "done" && end?.data["reason"]?.string == "stop")
        #expect(end?.data["answer_tokens"]?.integer == OneSentenceModel.sentence.count && start["context"]?.integer == 64)
        #expect(try server.messages(of: id, as: ada) == ["user: Why?", "assistant: \(OneSentenceModel.sentence)"])
        let whole = try #require(try server.connect().ask("GET", "/api/conversations/\(id)", ada)).json()
        let ids = whole["messages"]?.elements.map { $0.map { $0["id"]?.string } }
        #expect(ids == [start["message_id"]?.string, start["answer_id"]?.string])
    }

    @Test func `the model reads the earlier messages`() throws {
        let backend = RecordingBackend()
        let server = try TestServer(backend)
        let ada = try server.account("ada")
        let id = try #require(try server.chat(#"{"message":"one"}"#, as: ada).start["conversation_id"]?.string)
        try server.chat(#"{"message":"two","conversation_id":"\#(id)"}"#, as: ada)
        #expect(backend.prompts == [["user: one"], ["user: one", "assistant: \(OneSentenceModel.sentence)", "user: two"]])
    }

    @Test func `an edited message replaces the original and all later messages`() throws {
        let backend = RecordingBackend("Hi")
        let server = try TestServer(backend)
        let ada = try server.account("ada")
        let start = try server.chat(#"{"message":"one"}"#, as: ada).start
        let id = try #require(start["conversation_id"]?.string)
        let first = try #require(start["message_id"]?.string)
        let next = try server.chat(#"{"message":"two","conversation_id":"\#(id)"}"#, as: ada).start
        let second = try #require(next["message_id"]?.string)
        let answer = try #require(next["answer_id"]?.string)
        #expect(
            try server.connect().post(
                "/api/chat", #"{"message":"2","conversation_id":"\#(id)","replace_from":"\#(answer)"}"#, ada)?.error.field
                == "replace_from")
        try server.chat(#"{"message":"2","conversation_id":"\#(id)","replace_from":"\#(second)"}"#, as: ada)
        #expect(try server.messages(of: id, as: ada) == ["user: one", "assistant: Hi", "user: 2", "assistant: Hi"])
        try server.chat(#"{"message":"1","conversation_id":"\#(id)","replace_from":"\#(first)"}"#, as: ada)
        #expect(try server.messages(of: id, as: ada) == ["user: 1", "assistant: Hi"])
        #expect(backend.prompts.last == ["user: 1"])
        let other = try #require(try server.chat(#"{"message":"x"}"#, as: ada).start["message_id"]?.string)
        for wrong in [second, other, MessageID().description, "x"] {
            let body = #"{"message":"3","conversation_id":"\#(id)","replace_from":"\#(wrong)"}"#
            let answer = try server.connect().post("/api/chat", body, ada)
            #expect(answer?.status == 422 && answer?.error.field == "replace_from")
        }
        #expect(try server.connect().post("/api/chat", #"{"message":"3","replace_from":"\#(first)"}"#, ada)?.error.field == "replace_from")
        #expect(try server.messages(of: id, as: ada) == ["user: 1", "assistant: Hi"])
    }

    @Test func `a conversation has one answer at a time`() throws {
        let gate = GenerationGate(beforeCharacter: 1)
        let server = try TestServer(RecordingBackend(gate: gate))
        let ada = try server.account("ada")
        let stream = try server.openStream("/api/chat", #"{"message":"one"}"#, ada)
        let id = try #require(try stream.next()?.data["conversation_id"]?.string)
        let refused = try server.connect().post("/api/chat", #"{"message":"two","conversation_id":"\#(id)"}"#, ada)
        #expect(refused?.status == 409 && refused?.error.code == "answering" && refused?.headers["retry-after"] == "1")
        // For another account it does not exist, whether it has an answer in progress or not.
        let eve = try server.account("eve")
        #expect(try server.connect().post("/api/chat", #"{"message":"two","conversation_id":"\#(id)"}"#, eve)?.status == 404)
        gate.open()
        #expect(try stream.read().last?.name == "done")
        #expect(try server.chat(#"{"message":"two","conversation_id":"\#(id)"}"#, as: ada).end.name == "done")
        #expect(try server.messages(of: id, as: ada).filter { $0.hasPrefix("user") } == ["user: one", "user: two"])
    }

    @Test func `when the client disconnects, the answer so far is stored and its slot is free`() throws {
        let gate = GenerationGate(beforeCharacter: 4)
        let backend = RecordingBackend(gate: gate)
        let server = try TestServer(backend)
        let ada = try server.account("ada")
        var stream: EventStream? = try server.openStream("/api/chat", #"{"message":"one"}"#, ada)
        let id = try #require(try stream?.next()?.data["conversation_id"]?.string)
        let text = try #require(try stream?.read(4).text)
        stream = nil
        try eventually { backend.cancellations.value == 1 }
        gate.open()
        #expect(try server.waitForLoad(running: 0))
        try eventually { try server.messages(of: id, as: ada).count == 2 }
        let stored = try #require(try server.messages(of: id, as: ada).last)
        #expect(stored == "assistant: \(text)" && text == "Hi, ")
        #expect(try server.chat(#"{"message":"two","conversation_id":"\#(id)"}"#, as: ada).end.name == "done")
    }

    @Test func `an answer without text is not stored`() throws {
        let gate = GenerationGate(beforeCharacter: 0)
        let backend = RecordingBackend(gate: gate)
        let server = try TestServer(backend)
        let ada = try server.account("ada")
        var stream: EventStream? = try server.openStream("/api/chat", #"{"message":"one"}"#, ada)
        let id = try #require(try stream?.next()?.data["conversation_id"]?.string)
        stream = nil
        try eventually { backend.cancellations.value == 1 }
        gate.open()
        try eventually { try server.connect().post("/api/chat", #"{"message":"two","conversation_id":"\#(id)"}"#, ada)?.status == 200 }
        #expect(try server.messages(of: id, as: ada) == ["user: one", "user: two", "assistant: \(OneSentenceModel.sentence)"])
    }

    @Test func `deleting a conversation cancels its answer, and it stays deleted`() throws {
        let gate = GenerationGate(beforeCharacter: 2), backend = RecordingBackend(gate: gate), server = try TestServer(backend)
        let ada = try server.account("ada")
        let stream = try server.openStream("/api/chat", #"{"message":"one"}"#, ada)
        let id = try #require(try stream.next()?.data["conversation_id"]?.string)
        try eventually { backend.prompts.count == 1 }
        #expect(try server.connect().ask("DELETE", "/api/conversations/\(id)", ada)?.status == 204)
        try eventually { backend.cancellations.value == 1 }
        gate.open()
        let last = try stream.read().last
        #expect(last?.name == "done" && last?.data["reason"]?.string == "cancelled")
        #expect(try server.connect().ask("GET", "/api/conversations/\(id)", ada)?.status == 404)
        #expect(try server.connect().post("/api/chat", #"{"message":"two","conversation_id":"\#(id)"}"#, ada)?.status == 404)
        #expect(try server.waitForLoad(running: 0))
    }

    @Test func `a deleted conversation can be restored for a minute`() throws {
        let clock = ManualClock()
        let server = try TestServer(clock: clock)
        let ada = try server.account("ada")
        func restore(after milliseconds: Int) throws -> Int? {
            let id = try #require(try server.chat(#"{"message":"one"}"#, as: ada).start["conversation_id"]?.string)
            #expect(try server.connect().ask("DELETE", "/api/conversations/\(id)", ada)?.status == 204)
            clock.advance(1)
            #expect(try server.connect().ask("DELETE", "/api/conversations/\(id)", ada)?.status == 404)
            clock.advance(milliseconds)
            let restored = try server.connect().ask("POST", "/api/conversations/\(id)/restore", ada)
            if restored?.status == 200 {
                #expect(try restored?.json()["id"]?.string == id)
                #expect(try server.messages(of: id, as: ada).count == 2)
            } else { #expect(try server.connect().ask("GET", "/api/conversations/\(id)", ada)?.status == 404) }
            return restored?.status
        }
        #expect(try restore(after: 0) == 200)
        #expect(try restore(after: 50_000) == 200)
        #expect(try restore(after: 60_000) == 404)
    }

    @Test func `the title is the first words of the message, or the one that was set`() throws {
        let server = try TestServer(), ada = try server.account("ada")
        func title(of message: String) throws -> String? { try server.chat(#"{"message":"\#(message)"}"#, as: ada).start["title"]?.string }
        #expect(try title(of: "  Why   does\\nit rain?") == "Why does it rain?")
        let words = try #require(try title(of: String(repeating: "seven77 ", count: 20)))
        #expect(words.count <= 60 && words.hasPrefix("seven77 seven77") && words.hasSuffix("seven77"))
        let one = try #require(try title(of: String(repeating: "é", count: 300)))
        #expect(one.count == 60 && one.hasSuffix("…"))
        #expect(try title(of: "a\\u0000b") == "a\u{FFFD}b")
        let made = try server.connect().post("/api/conversations", #"{"title":"Rain"}"#, ada)
        #expect(try made?.status == 201 && made?.json()["title"]?.string == "Rain")
        let id = try #require(try made?.json()["id"]?.string)
        let before = try made?.json()["updated_at"]?.string
        let renamed = try server.ask("PATCH", "/api/conversations/\(id)", #"{"title":"Snow"}"#, ada).json()
        #expect(renamed["title"]?.string == "Snow" && renamed["updated_at"]?.string == before)
        #expect(try server.connect().ask("POST", "/api/conversations", ada)?.status == 201)
    }

    @Test func `conversations are listed in pages and can be searched`() throws {
        let server = try TestServer(), ada = try server.account("ada")
        for i in 0..<7 { try server.chat(#"{"message":"about \#(i)"}"#, as: ada) }
        var titles: [String] = [], cursor: String?
        repeat {
            let path = "/api/conversations?limit=3" + (cursor.map { "&cursor=\($0)" } ?? "")
            let page = try #require(try server.connect().ask("GET", path, ada))
                .json()
            titles += page["conversations"]?.elements.map { $0.compactMap { $0["title"]?.string } } ?? []
            cursor = page["next_cursor"]?.string
        } while cursor != nil && titles.count < 20
        #expect(titles.sorted() == (0..<7).map { "about \($0)" })
        let found = try server.connect().ask("GET", "/api/conversations?search=BOUT%203", ada)?.json()["conversations"]?.elements.map {
            $0.compactMap { $0["title"]?.string }
        }
        #expect(found == ["about 3"])
        for wrong in ["limit=0", "limit=101", "limit=x", "limit=%2B5", "cursor=x", "search=\(String(repeating: "a", count: 201))"] {
            let answer = try server.connect().ask("GET", "/api/conversations?\(wrong)", ada)
            #expect(answer?.status == 422 && answer?.error.field == wrong.prefix { $0 != "=" }.description, "\(wrong)")
        }
    }

    @Test func `a stored answer has the figures of its stream`() throws {
        let server = try TestServer(), ada = try server.account("ada")
        let chat = try server.chat(#"{"message":"Why?","max_tokens":3}"#, as: ada)
        let id = try #require(chat.start["conversation_id"]?.string)
        let messages = try #require(try server.connect().ask("GET", "/api/conversations/\(id)", ada)?.json()["messages"]?.elements)
        let (question, answer) = (try #require(messages.map { $0 }.first), try #require(messages.map { $0 }.last))
        #expect(question["metrics"] == nil && question["reason"] == nil && answer["reason"]?.string == "length")
        for name in ["answer_tokens", "seconds", "tokens_per_s", "first_token_seconds"] {
            let number = try #require(answer["metrics"]?[name]?.number)
            #expect(number == chat.end.data[name]?.number && number > 0, "\(name)")
        }
        let seconds = try #require(answer["metrics"]?["seconds"]?.number)
        #expect(seconds < 600 && abs(seconds * 1e6 - (seconds * 1e6).rounded()) < 1e-3, "rounded")
    }

    /// Not always before the response to the request: the first text may arrive while the backend still starts the answer.
    @Test func `stopping an answer cancels it`() throws {
        let gate = GenerationGate(beforeCharacter: 2), backend = RecordingBackend(gate: gate), server = try TestServer(backend)
        let ada = try server.account("ada"), stream = try server.openStream("/api/chat", #"{"message":"Hi"}"#, ada)
        let id = try #require(try stream.next()?.data["conversation_id"]?.string)
        _ = try stream.read(1)
        #expect(try server.connect().post("/api/conversations/\(id)/stop", "{}", ada)?.status == 204)
        try eventually { backend.cancellations.value == 1 }
        gate.open()
        _ = try stream.read()
    }

    @Test(arguments: [(3, false), (0, true), (2, true)])
    func `a warning says which part of the conversation the model has not read`(droppedMessages: Int, isTruncated: Bool) throws {
        let script = ScriptedBackend()
        let shortening = ClosureBackend(context: 64) { request, deliver throws(GenerationError) in
            try script.start(request) { event in
                guard case .began(var start) = event else { return deliver(event) }
                start.droppedMessages = droppedMessages
                start.wasTruncated = isTruncated
                deliver(.began(start))
            }
        }
        let server = try TestServer(shortening)
        let stream = try server.openStream("/api/chat", #"{"message":"Hi"}"#, server.account("ada"))
        #expect(try stream.next()?.name == "start")
        let warning = try #require(try stream.next())
        #expect(warning.name == "warning" && warning.data["dropped_turns"]?.integer == droppedMessages)
        #expect(warning.data["cut"]?.boolean == isTruncated)
    }
}
