import Glibc
import Infer
import JSON
import Serve
import Store
import TestSupport
import Testing
import Threads

/// Loading, reloading and stopping.
@Suite struct ServerLifecycleTests {
    @Test func `a server without a model is alive, but answers chats with 503`() throws {
        let loading = try TestServer(nil)
        let connection = try loading.connect()
        let health = try #require(connection.ask("GET", "/api/health"))
        #expect(try health.status == 200 && health.json()["status"]?.string == "loading" && health.json()["model"]?.isNull ?? false)
        let ready = try #require(connection.ask("GET", "/api/ready"))
        #expect(try ready.status == 503 && ready.json()["status"]?.string == "loading" && ready.headers["retry-after"] != nil)
        let chat = connection.post("/api/chat/guest", #"{"message":"Hi"}"#)
        #expect(chat?.status == 503 && chat?.error.code == "loading" && chat?.headers["retry-after"] != nil)
        let ada = try loading.account("ada")
        #expect(
            connection.post("/api/chat", #"{"message":"Hi"}"#, ada)?.status == 503
                && connection.post("/tokenize", #"{"text":"Hi"}"#)?.status == 503)
        #expect(try connection.ask("GET", "/api/conversations", ada)?.json()["conversations"]?.list?.count == 0)
        let server = try TestServer()
        let loaded = try #require(try server.connect().ask("GET", "/api/health")).json()
        #expect(
            loaded["status"]?.string == "ready" && loaded["model"]?.string == "test-model" && loaded["context"]?.integer == 64
                && loaded["uptime_seconds"]?.number ?? -1 >= 0)
    }

    /// Otherwise its threads and connections would stay.
    @Test func `a server that has stopped is released`() throws {
        weak var store: Store?
        do {
            let server = try TestServer()
            #expect(try server.connect().ask("GET", "/api/health")?.status == 200)
            store = server.store
            #expect(store != nil)
        }
        for _ in 0..<3_000 where store != nil { usleep(10_000) }
        #expect(store == nil)
    }

    @Test func `an answer in progress finishes with the old model, and the next one uses the new model`() throws {
        let gate = GenerationGate(beforeCharacter: 2)
        let server = try TestServer(RecordingBackend("old one", gate: gate), next: RecordingBackend("new"))
        let stream = try server.openStream("/api/chat/guest", #"{"message":"Hi"}"#)
        #expect(try stream.read(2).text == "ol")
        server.load()
        #expect(try server.connect().ask("GET", "/api/health")?.json()["model"]?.string == "next-model")
        #expect(try server.openStream("/api/chat/guest", #"{"message":"Hi"}"#).read().text == "new")
        gate.open()
        let (rest, end) = try stream.read()
        #expect(rest == "d one" && end?.data["reason"]?.string == "stop")
    }

    @Test func `a load during another load runs after it`() throws {
        let server = try TestServer(RecordingBackend("old"), next: RecordingBackend("new"))
        let loaded = Mailbox<Bool>()
        for _ in 0..<5 { server.server.load { result in loaded.put((try? result.get()) != nil) } }
        #expect(loaded.take(within: .seconds(10)) == true && loaded.take(within: .seconds(10)) == true)
        #expect(try server.openStream("/api/chat/guest", #"{"message":"Hi"}"#).read().text == "new")
    }

    @Test func `stop waits for answers in progress and rejects new ones`() throws {
        let gate = GenerationGate(beforeCharacter: 3)
        let server = try TestServer(RecordingBackend(gate: gate))
        let ada = try server.account("ada")
        let stream = try server.openStream("/api/chat", #"{"message":"one"}"#, ada)
        let open = try server.connect()
        let other = try server.connect()
        #expect(open.ask("GET", "/api/health")?.status == 200 && other.ask("GET", "/api/health")?.status == 200)
        let id = try #require(try stream.next()?.data["conversation_id"]?.string)
        let stopped = try server.beginStopping(within: .seconds(10))
        try eventually { RawHTTPConnection(to: server.port) == nil }
        let refused = other.post("/api/chat/guest", #"{"message":"Hi"}"#)
        #expect(
            refused?.status == 503 && refused?.error.code == "stopping" && refused?.headers["retry-after"] != nil
                && refused?.headers["connection"] == "close")
        #expect(try open.ask("GET", "/api/health")?.json()["status"]?.string == "stopping")
        #expect(stopped.take(within: .milliseconds(50)) == nil)
        gate.open()
        let (text, end) = try stream.read()
        #expect(text == OneSentenceModel.sentence && end?.data["reason"]?.string == "stop")
        #expect(stopped.take(within: .seconds(10)) == true)
        #expect(try stored(server, id) == ["one", OneSentenceModel.sentence])
    }

    @Test func `a server is busy until the last event of an answer was handled, and can be stopped twice`() throws {
        let gate = GenerationGate(beforeCharacter: 1), server = try TestServer(RecordingBackend(gate: gate)) { $0.handover = .seconds(2) }
        let ada = try server.account("ada"), stream = try server.openStream("/api/chat", #"{"message":"Hi"}"#, ada)
        #expect(!server.server.isIdle)
        gate.open()
        _ = try stream.read()
        try eventually { server.server.isIdle }
        let local = try TestServer(of: OneSentenceModel.checkpoint())
        #expect(try local.connect().post("/v1/embeddings", #"{"input":"Hi"}"#)?.status == 200)
        try eventually { local.server.isIdle }
        let failing = try TestServer(ClosureBackend { _, _ throws(GenerationError) in throw .unsupported("no") })
        #expect(try failing.connect().post("/v1/chat/completions", #"{"messages":[{"role":"user","content":"Hi"}]}"#)?.status != 200)
        try eventually { failing.server.isIdle }
        server.server.stop(within: .seconds(10))
        // The handover is not repeated.
        #expect(ContinuousClock().measure { server.server.stop(within: .seconds(10)) } < .milliseconds(1_500))
        #expect(server.server.isIdle && RawHTTPConnection(to: server.port) == nil)
        #expect(try server.store.admin.totals().generations == 1)
    }

    @Test func `an answer that takes longer than the drain time is canceled and stored`() throws {
        let slow = ScriptedBackend("0123456789abcdefghijklmnopqrstuvwxyz") { if $0 > 4 { usleep(20_000) } }
        let server = try TestServer(slow) { $0.slots = 1 }
        let ada = try server.account("ada")
        let bob = try server.account("bob")
        let stream = try server.openStream("/api/chat", #"{"message":"one"}"#, ada)
        let waiting = try server.openStream("/api/chat", #"{"message":"two"}"#, bob)
        let id = try #require(try stream.next()?.data["conversation_id"]?.string)
        #expect(try stream.read(5).text == "01234")
        server.server.stop(within: .milliseconds(50))
        let (rest, end) = try stream.read()
        #expect(end?.name == "done" && end?.data["reason"]?.string == "cancelled" && rest.count < 31)
        #expect(try stored(server, id) == ["one", "01234" + rest])
        let second = try #require(try waiting.read().last)
        #expect(second.data["reason"]?.string == "cancelled")
    }

    @Test func `answers of disconnected clients are stored before the server stops`() throws {
        let slow = ScriptedBackend("0123456789abcdefghijklmnopqrstuvwxyz") { if $0 > 4 { usleep(20_000) } }
        let server = try TestServer(slow)
        let ada = try server.account("ada")
        var streams = try (0..<8).map { _ in try server.openStream("/api/chat", #"{"message":"one"}"#, ada) }
        let ids = try streams.map { try #require(try $0.next()?.data["conversation_id"]?.string) }
        for stream in streams { #expect(try stream.read(5).text == "01234") }
        streams = []
        server.server.stop(within: .zero)
        for id in ids { #expect(try stored(server, id).last?.hasPrefix("01234") ?? false) }
    }

    @Test func `collected chats and token counts are written before the server has stopped`() throws {
        let server = try TestServer(collecting: true)
        let ada = try server.account("ada")
        let guest = try server.openStream("/api/chat/guest", #"{"message":"Hi"}"#)
        let client = try server.connect()
        let body = #"{"messages":[{"role":"user","content":"Hi"}]}"#
        // The database is busy, so what the last events queue has to wait.
        let isReleased = Mailbox<Bool>()
        try BackgroundThread.run { [store = server.store] in
            try? store.database.transaction(.write) { _ throws(StoreError) in _ = isReleased.take(within: .seconds(2)) }
        }
        _ = try guest.read()
        #expect(client.post("/v1/chat/completions", body, ada)?.status == 200)
        try BackgroundThread.run {
            usleep(100_000)
            isReleased.put(true)
        }
        server.server.stop(within: .seconds(10))
        #expect(try server.chatLines.count == 1)
        #expect(try server.store.admin.totals().generations == 1)
    }

    /// Reads the database after the server has stopped.
    private func stored(_ server: TestServer, _ conversation: String) throws -> [String] {
        let id = try #require(ConversationID(conversation))
        return try server.store.admin.messages(of: id).map(\.content)
    }
}
