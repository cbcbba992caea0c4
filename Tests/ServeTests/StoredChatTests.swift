import Glibc
import Infer
import JSON
import Serve
import Store
import Synchronization
import TestSupport
import Testing

/// Chats of accounts: what is stored of them, and when.
@Suite struct StoredChatTests {
    @Test func `the question is stored before the answer, the answer before its end is told`() throws {
        let turnstile = Turnstile(before: 3), stage = try ServeStage(HeardBackend(at: turnstile)), ada = try stage.account("ada")
        let listener = try stage.listen("/api/chat", #"{"message":"Why?","temperature":0}"#, ada)
        #expect(listener.head.headers["content-type"] == "text/event-stream; charset=utf-8")
        #expect(listener.head.headers["cache-control"] == "no-store" && listener.head.headers["x-accel-buffering"] == "no")
        let start = try #require(try listener.next()).data, id = try #require(start["conversation_id"]?.string)
        #expect(try stage.messages(of: id, as: ada) == ["user: Why?"])
        turnstile.open()
        let (text, end) = try listener.hears()
        #expect(text == OneSentenceModel.sentence && end?.name == "done" && end?.data["reason"]?.string == "stop")
        #expect(end?.data["answer_tokens"]?.integer == OneSentenceModel.sentence.count && start["context"]?.integer == 64)
        #expect(try stage.messages(of: id, as: ada) == ["user: Why?", "assistant: \(OneSentenceModel.sentence)"])
        let whole = try #require(try stage.wire().ask("GET", "/api/conversations/\(id)", ada)).json()
        let ids = whole["messages"]?.elements.map { $0.map { $0["id"]?.string } }
        #expect(ids == [start["message_id"]?.string, start["answer_id"]?.string])
    }

    @Test func `the model reads what was said before`() throws {
        let backend = HeardBackend(), stage = try ServeStage(backend), ada = try stage.account("ada")
        let id = try #require(try stage.chat(#"{"message":"one"}"#, as: ada).start["conversation_id"]?.string)
        try stage.chat(#"{"message":"two","conversation_id":"\#(id)"}"#, as: ada)
        #expect(backend.prompts == [["user: one"], ["user: one", "assistant: \(OneSentenceModel.sentence)", "user: two"]])
    }

    @Test func `a question that is put anew takes the place of all that follows`() throws {
        let backend = HeardBackend("Hi"), stage = try ServeStage(backend), ada = try stage.account("ada")
        let start = try stage.chat(#"{"message":"one"}"#, as: ada).start
        let id = try #require(start["conversation_id"]?.string), first = try #require(start["message_id"]?.string)
        let next = try stage.chat(#"{"message":"two","conversation_id":"\#(id)"}"#, as: ada).start
        let second = try #require(next["message_id"]?.string), answer = try #require(next["answer_id"]?.string)
        #expect(
            try stage.wire().post("/api/chat", #"{"message":"2","conversation_id":"\#(id)","replace_from":"\#(answer)"}"#, ada)?.error.field
                == "replace_from")
        try stage.chat(#"{"message":"2","conversation_id":"\#(id)","replace_from":"\#(second)"}"#, as: ada)
        #expect(try stage.messages(of: id, as: ada) == ["user: one", "assistant: Hi", "user: 2", "assistant: Hi"])
        try stage.chat(#"{"message":"1","conversation_id":"\#(id)","replace_from":"\#(first)"}"#, as: ada)
        #expect(try stage.messages(of: id, as: ada) == ["user: 1", "assistant: Hi"])
        #expect(backend.prompts.last == ["user: 1"])
        let other = try #require(try stage.chat(#"{"message":"x"}"#, as: ada).start["message_id"]?.string)
        for wrong in [second, other, MessageID().description, "x"] {
            let answer = try stage.wire().post("/api/chat", #"{"message":"3","conversation_id":"\#(id)","replace_from":"\#(wrong)"}"#, ada)
            #expect(answer?.status == 422 && answer?.error.field == "replace_from")
        }
        #expect(try stage.wire().post("/api/chat", #"{"message":"3","replace_from":"\#(first)"}"#, ada)?.error.field == "replace_from")
        #expect(try stage.messages(of: id, as: ada) == ["user: 1", "assistant: Hi"])
    }

    @Test func `one answer at a time in a conversation, and the next as soon as it is over`() throws {
        let turnstile = Turnstile(before: 1), stage = try ServeStage(HeardBackend(at: turnstile)), ada = try stage.account("ada")
        let listener = try stage.listen("/api/chat", #"{"message":"one"}"#, ada)
        let id = try #require(try listener.next()?.data["conversation_id"]?.string)
        let refused = try stage.wire().post("/api/chat", #"{"message":"two","conversation_id":"\#(id)"}"#, ada)
        #expect(refused?.status == 409 && refused?.error.code == "answering" && refused?.headers["retry-after"] == "1")
        // To others it is no conversation, whether it is being answered or not.
        #expect(try stage.wire().post("/api/chat", #"{"message":"two","conversation_id":"\#(id)"}"#, stage.account("eve"))?.status == 404)
        turnstile.open()
        #expect(try listener.hears().last?.name == "done")
        #expect(try stage.chat(#"{"message":"two","conversation_id":"\#(id)"}"#, as: ada).end.name == "done")
        #expect(try stage.messages(of: id, as: ada).filter { $0.hasPrefix("user") } == ["user: one", "user: two"])
    }

    @Test func `what was said when the client hung up is kept, and its place is free`() throws {
        let turnstile = Turnstile(before: 4), backend = HeardBackend(at: turnstile), stage = try ServeStage(backend),
            ada = try stage.account("ada")
        var listener: Listener? = try stage.listen("/api/chat", #"{"message":"one"}"#, ada)
        let id = try #require(try listener?.next()?.data["conversation_id"]?.string)
        let said = try #require(try listener?.hears(4).text)
        listener = nil
        try eventually { backend.cancels.value == 1 }
        turnstile.open()
        #expect(try stage.waits(forRunning: 0))
        try eventually { try stage.messages(of: id, as: ada).count == 2 }
        let kept = try #require(try stage.messages(of: id, as: ada).last)
        #expect(kept == "assistant: \(said)" && said == "Hi, ")
        #expect(try stage.chat(#"{"message":"two","conversation_id":"\#(id)"}"#, as: ada).end.name == "done")
    }

    @Test func `nothing said, nothing stored but the question`() throws {
        let turnstile = Turnstile(before: 0), backend = HeardBackend(at: turnstile), stage = try ServeStage(backend),
            ada = try stage.account("ada")
        var listener: Listener? = try stage.listen("/api/chat", #"{"message":"one"}"#, ada)
        let id = try #require(try listener?.next()?.data["conversation_id"]?.string)
        listener = nil
        try eventually { backend.cancels.value == 1 }
        turnstile.open()
        try eventually { try stage.wire().post("/api/chat", #"{"message":"two","conversation_id":"\#(id)"}"#, ada)?.status == 200 }
        #expect(try stage.messages(of: id, as: ada) == ["user: one", "user: two", "assistant: \(OneSentenceModel.sentence)"])
    }

    @Test func `a conversation that is deleted during an answer ends it, and stays deleted`() throws {
        let turnstile = Turnstile(before: 2), stage = try ServeStage(HeardBackend(at: turnstile)), ada = try stage.account("ada")
        let listener = try stage.listen("/api/chat", #"{"message":"one"}"#, ada)
        let id = try #require(try listener.next()?.data["conversation_id"]?.string)
        #expect(try stage.wire().ask("DELETE", "/api/conversations/\(id)", ada)?.status == 204)
        turnstile.open()
        let last = try listener.hears().last
        #expect(last?.name == "done" && last?.data["reason"]?.string == "cancelled")
        #expect(try stage.wire().ask("GET", "/api/conversations/\(id)", ada)?.status == 404)
        #expect(try stage.wire().post("/api/chat", #"{"message":"two","conversation_id":"\#(id)"}"#, ada)?.status == 404)
        #expect(try stage.waits(forRunning: 0))
    }

    @Test func `what was deleted can be had back for a minute, and no longer`() throws {
        let clock = Clock(), stage = try ServeStage(clock: clock), ada = try stage.account("ada")
        func restore(after milliseconds: Int) throws -> Int? {
            let id = try #require(try stage.chat(#"{"message":"one"}"#, as: ada).start["conversation_id"]?.string)
            #expect(try stage.wire().ask("DELETE", "/api/conversations/\(id)", ada)?.status == 204)
            clock.advance(1)
            #expect(try stage.wire().ask("DELETE", "/api/conversations/\(id)", ada)?.status == 404)
            clock.advance(milliseconds)
            let restored = try stage.wire().ask("POST", "/api/conversations/\(id)/restore", ada)
            if restored?.status == 200 {
                #expect(try restored?.json()["id"]?.string == id)
                #expect(try stage.messages(of: id, as: ada).count == 2)
            } else { #expect(try stage.wire().ask("GET", "/api/conversations/\(id)", ada)?.status == 404) }
            return restored?.status
        }
        #expect(try restore(after: 0) == 200)
        #expect(try restore(after: 50_000) == 200)
        #expect(try restore(after: 60_000) == 404)
    }

    @Test func `a title is the first words, or what somebody called it`() throws {
        let stage = try ServeStage(), ada = try stage.account("ada")
        func title(of message: String) throws -> String? { try stage.chat(#"{"message":"\#(message)"}"#, as: ada).start["title"]?.string }
        #expect(try title(of: "  Why   does\\nit rain?") == "Why does it rain?")
        let words = try #require(try title(of: String(repeating: "seven77 ", count: 20)))
        #expect(words.count <= 60 && words.hasPrefix("seven77 seven77") && words.hasSuffix("seven77"))
        let one = try #require(try title(of: String(repeating: "é", count: 300)))
        #expect(one.count == 60 && one.hasSuffix("…"))
        #expect(try title(of: "a\\u0000b") == "a\u{FFFD}b")
        let made = try stage.wire().post("/api/conversations", #"{"title":"Rain"}"#, ada)
        #expect(try made?.status == 201 && made?.json()["title"]?.string == "Rain")
        let id = try #require(try made?.json()["id"]?.string), before = try made?.json()["updated_at"]?.string
        let renamed = try stage.wire().ask(
            "PATCH", "/api/conversations/\(id)", ada.merging(["Content-Type": "application/json"]) { $1 }, body: #"{"title":"Snow"}"#)
        #expect(try renamed?.json()["title"]?.string == "Snow" && renamed?.json()["updated_at"]?.string == before)
        #expect(try stage.wire().ask("POST", "/api/conversations", ada)?.status == 201)
    }

    @Test func `a list comes in pages, and is searched`() throws {
        let stage = try ServeStage(), ada = try stage.account("ada")
        for i in 0..<7 { try stage.chat(#"{"message":"about \#(i)"}"#, as: ada) }
        var titles: [String] = [], cursor: String?
        repeat {
            let page = try #require(try stage.wire().ask("GET", "/api/conversations?limit=3" + (cursor.map { "&cursor=\($0)" } ?? ""), ada))
                .json()
            titles += page["conversations"]?.elements.map { $0.compactMap { $0["title"]?.string } } ?? []
            cursor = page["next_cursor"]?.string
        } while cursor != nil && titles.count < 20
        #expect(titles.sorted() == (0..<7).map { "about \($0)" })
        let found = try stage.wire().ask("GET", "/api/conversations?search=BOUT%203", ada)?.json()["conversations"]?.elements.map {
            $0.compactMap { $0["title"]?.string }
        }
        #expect(found == ["about 3"])
        for wrong in ["limit=0", "limit=101", "limit=x", "limit=%2B5", "cursor=x", "search=\(String(repeating: "a", count: 201))"] {
            let answer = try stage.wire().ask("GET", "/api/conversations?\(wrong)", ada)
            #expect(answer?.status == 422 && answer?.error.field == wrong.prefix { $0 != "=" }.description, "\(wrong)")
        }
    }
}

/// A clock that a test moves on.
final class Clock: Sendable {
    private let later = Mutex(Duration.zero)

    var now: Timestamp { Timestamp.now().advanced(by: later.withLock { $0 }) }
    func advance(_ milliseconds: Int) { later.withLock { $0 += .milliseconds(milliseconds) } }
}

/// Waits until something is so; a failure if it is not within some seconds.
func eventually(_ isSo: () throws -> Bool, sourceLocation: SourceLocation = #_sourceLocation) throws {
    for _ in 0..<2_000 {
        if try isSo() { return }
        usleep(3_000)
    }
    Issue.record("it never came to that", sourceLocation: sourceLocation)
}
