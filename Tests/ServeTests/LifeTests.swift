import Glibc
import Infer
import JSON
import Serve
import Store
import TestSupport
import Testing
import Threads

/// From the start of a server to its end.
@Suite struct LifeTests {
    @Test func `loading, ready`() throws {
        let loading = try ServeStage(nil), wire = try loading.wire(), health = try #require(wire.ask("GET", "/api/health"))
        #expect(
            try health.status == 503 && health.json()["status"]?.string == "loading" && health.json()["model"]?.isNull ?? false
                && health.headers["retry-after"] != nil)
        let chat = wire.post("/api/chat/guest", #"{"message":"Hi"}"#)
        #expect(chat?.status == 503 && chat?.error.code == "loading" && chat?.headers["retry-after"] != nil)
        let ada = try loading.account("ada")
        #expect(
            wire.post("/api/chat", #"{"message":"Hi"}"#, ada)?.status == 503 && wire.post("/tokenize", #"{"text":"Hi"}"#)?.status == 503)
        #expect(try wire.ask("GET", "/api/conversations", ada)?.json()["conversations"]?.elements.map { Array($0).count } == 0)
        let stage = try ServeStage(), ready = try #require(try stage.wire().ask("GET", "/api/health")).json()
        #expect(
            ready["status"]?.string == "ready" && ready["model"]?.string == "test-model" && ready["context"]?.integer == 64
                && ready["uptime_seconds"]?.number ?? -1 >= 0)
    }

    @Test func `an answer that began goes on with the model that began it, and the next has the new one`() throws {
        let turnstile = Turnstile(before: 2), stage = try ServeStage(HeardBackend("old one", at: turnstile), next: HeardBackend("new"))
        let listener = try stage.listen("/api/chat/guest", #"{"message":"Hi"}"#)
        #expect(try listener.hears(2).text == "ol")
        stage.load()
        #expect(try stage.wire().ask("GET", "/api/health")?.json()["model"]?.string == "next-model")
        #expect(try stage.listen("/api/chat/guest", #"{"message":"Hi"}"#).hears().text == "new")
        turnstile.open()
        let (rest, end) = try listener.hears()
        #expect(rest == "d one" && end?.data["reason"]?.string == "stop")
    }

    @Test func `a model that is asked for while another is loaded is loaded behind it`() throws {
        let stage = try ServeStage(HeardBackend("old"), next: HeardBackend("new")), loaded = Mailbox<Bool>()
        for _ in 0..<5 { stage.server.load { result in loaded.put((try? result.get()) != nil) } }
        #expect(loaded.take(within: .seconds(10)) == true && loaded.take(within: .seconds(10)) == true)
        #expect(try stage.listen("/api/chat/guest", #"{"message":"Hi"}"#).hears().text == "new")
    }

    @Test func `a stop lets answers end, and takes nothing new`() throws {
        let turnstile = Turnstile(before: 3), stage = try ServeStage(HeardBackend(at: turnstile)), ada = try stage.account("ada")
        let listener = try stage.listen("/api/chat", #"{"message":"one"}"#, ada), open = try stage.wire(), other = try stage.wire()
        #expect(open.ask("GET", "/api/health")?.status == 200 && other.ask("GET", "/api/health")?.status == 200)
        let id = try #require(try listener.next()?.data["conversation_id"]?.string), stopped = Mailbox<Bool>()
        try BackgroundThread.run { [server = stage.server] in
            server.stop(within: .seconds(10))
            stopped.put(true)
        }
        try eventually { RawHTTPConnection(to: stage.server.port) == nil }
        let refused = other.post("/api/chat/guest", #"{"message":"Hi"}"#)
        #expect(
            refused?.status == 503 && refused?.error.code == "stopping" && refused?.headers["retry-after"] != nil
                && refused?.headers["connection"] == "close")
        #expect(try open.ask("GET", "/api/health")?.json()["status"]?.string == "stopping")
        #expect(stopped.take(within: .milliseconds(50)) == nil)
        turnstile.open()
        let (text, end) = try listener.hears()
        #expect(text == OneSentenceModel.sentence && end?.data["reason"]?.string == "stop")
        #expect(stopped.take(within: .seconds(10)) == true)
        #expect(try stored(stage, id) == ["one", OneSentenceModel.sentence])
    }

    @Test func `what takes longer is cut off, and kept as far as it came`() throws {
        let slow = ScriptedBackend("0123456789abcdefghijklmnopqrstuvwxyz") { if $0 > 4 { usleep(20_000) } }
        let stage = try ServeStage(slow) { $0.places = 1 }, ada = try stage.account("ada"), bob = try stage.account("bob")
        let listener = try stage.listen("/api/chat", #"{"message":"one"}"#, ada),
            waiting = try stage.listen("/api/chat", #"{"message":"two"}"#, bob)
        let id = try #require(try listener.next()?.data["conversation_id"]?.string)
        #expect(try listener.hears(5).text == "01234")
        stage.server.stop(within: .milliseconds(50))
        let (rest, end) = try listener.hears()
        #expect(end?.name == "done" && end?.data["reason"]?.string == "cancelled" && rest.count < 31)
        #expect(try stored(stage, id) == ["one", "01234" + rest])
        let second = try #require(try waiting.hears().last)
        #expect(second.data["reason"]?.string == "cancelled")
    }

    @Test func `who hung up just before the end has what was said stored all the same`() throws {
        let slow = ScriptedBackend("0123456789abcdefghijklmnopqrstuvwxyz") { if $0 > 4 { usleep(20_000) } }, stage = try ServeStage(slow),
            ada = try stage.account("ada")
        var listeners = try (0..<8).map { _ in try stage.listen("/api/chat", #"{"message":"one"}"#, ada) }
        let ids = try listeners.map { try #require(try $0.next()?.data["conversation_id"]?.string) }
        for listener in listeners { #expect(try listener.hears(5).text == "01234") }
        listeners = []
        stage.server.stop(within: .zero)
        for id in ids { #expect(try stored(stage, id).last?.hasPrefix("01234") ?? false) }
    }

    /// After the server is gone.
    private func stored(_ stage: ServeStage, _ conversation: String) throws -> [String] {
        let id = try #require(ConversationID(conversation))
        return try stage.store.admin.messages(of: id).map(\.content)
    }
}
