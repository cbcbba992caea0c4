import Glibc
import HTTPServer
import Infer
import JSON
import Secrets
import Serve
import Store
import TestSupport
import Testing
import Threads

/// A server with a store of its own, which ends with the test.
///
///     let stage = try ServeStage { $0.needsKey = true }
///     let wire = try stage.wire()
///     let ada = try stage.account("ada")
///     wire.ask("GET", "/api/me", ada)?.status                  // 200
final class ServeStage {
    let server: Server
    let store: Store
    let secret: Secret
    let chatLog: ChatLog?
    private let folder = TemporaryFolder(in: TemporaryFolder.inMemory)

    /// Nothing is limited, and passwords are cheap, unless `change` says so.
    ///
    /// - Parameters:
    ///   - backend: What answers; nil for a server whose model is still being loaded.
    ///   - next: What answers once the model is loaded again.
    ///   - modelInfo: What reads its tokens.
    init(
        _ backend: (any ChatBackend)? = ScriptedBackend(), next: (any ChatBackend)? = nil, modelInfo: ModelInfo? = nil,
        collecting: Bool = false,
        clock: Clock = Clock(), with change: (inout ServeSettings) -> Void = { _ in }
    ) throws {
        var settings = ServeSettings()
        settings.http.port = 0
        settings.chatsPerMinute = 0
        settings.signInsPerMinute = 0
        settings.registrationsPerMinute = 0
        settings.passwordCost = 4
        settings.rememberedAnswers = 0
        settings.version = "test"
        change(&settings)
        var storing = StoreOptions()
        storing.now = { clock.now }
        store = try Store("sqlite:" + folder("chats.db"), storing)
        secret = try Secret(validating: Secret.generate(), source: "a test")
        chatLog = collecting ? try ChatLog(folder("chat_history.jsonl")) : nil
        let loads = Count()
        server = try Server(settings, store: store, secret: secret, chatLog: chatLog) {
            guard let backend else { throw GenerationError.unsupported("there is no model in this test") }
            if let next, loads.next() > 1 { return ServedModel(name: "next-model", next, modelInfo) }
            return ServedModel(name: "test-model", backend, modelInfo)
        }
        if backend != nil { load() }
    }

    /// Has the server load its model, the first time or again.
    func load() {
        let loaded = Mailbox<Bool>()
        server.load { result in loaded.put((try? result.get()) != nil) }
        #expect(loaded.take(within: .seconds(10)) == true)
    }

    deinit { server.stop(within: .zero) }

    func wire() throws -> RawHTTPConnection { try #require(RawHTTPConnection(to: server.port)) }

    /// Makes an account, and gives the header that shows who asks.
    func account(_ name: String) throws -> [String: String] {
        ["Authorization": "Bearer \(try signedIn(name))"]
    }

    /// Makes an account, and gives its token.
    func signedIn(_ name: String) throws -> String {
        let answer = try wire().post("/api/auth/register", #"{"username":"\#(name)","password":"correct horse"}"#)
        return try #require(try answer?.json()["access_token"]?.string)
    }

    /// Waits until so many answers are under way, and so many wait for a place; false if it does not come to that.
    func waits(forRunning running: Int, waiting: Int = 0) throws -> Bool {
        let wire = try wire()
        for _ in 0..<2_000 {
            let queue = try wire.ask("GET", "/api/health")?.json()["queue"]
            if queue?["running"]?.integer == running, queue?["waiting"]?.integer == waiting { return true }
            usleep(2_000)
        }
        return false
    }
}

extension RawHTTPConnection {
    /// JSON there, and the answer.
    func post(_ target: String, _ body: String, _ headers: [String: String] = [:]) -> Answer? {
        ask("POST", target, headers.merging(["Content-Type": "application/json"]) { given, _ in given }, body: body)
    }

    /// The same, without waiting for an answer.
    func sendPost(_ target: String, _ body: String) {
        send(
            "POST \(target) HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        )
    }
}

extension RawHTTPConnection.Answer {
    func json() throws -> JSONElement {
        var parser = JSONParser()
        return try parser.parse(body)
    }

    /// Of an error in OpenAI's form, or in ours.
    func error(_ member: String) -> String? { (try? json())?["error"]?[member]?.string }

    /// What stands behind `data: `, of a body of server-sent events.
    var data: [String] { text.split(separator: "\n").filter { $0.hasPrefix("data: ") }.map { String($0.dropFirst(6)) } }
}
