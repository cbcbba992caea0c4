import Checkpoint
import Files
import Foundation
import Glibc
import HTTPServer
import Infer
import JSON
import Kernels
import Secrets
import Serve
import Store
import TestSupport
import Testing
import Threads

extension StoreOptions {
    static func with(_ change: (inout StoreOptions) -> Void) -> StoreOptions {
        var options = StoreOptions()
        change(&options)
        return options
    }
}

/// A server with its own database, which stops at the end of the test.
///
///     let server = try TestServer { $0.requiresAPIKey = true }
///     let connection = try server.connect()
///     let ada = try server.account("ada")
///     connection.ask("GET", "/api/me", ada)?.status            // 200
final class TestServer {
    let server: Server
    let store: Store
    let signingKey: SigningKey
    /// Contains chats.db.
    let folder = TemporaryFolder(in: TemporaryFolder.inMemory)

    /// Starts a server without rate limits, with cheap password hashes and without an answer cache, unless `change` sets them.
    ///
    /// - Parameters:
    ///   - backend: The model; nil for a server that is still loading it.
    ///   - adapters: LoRA adapters that are served with the model.
    ///   - next: The model after `load` was called again.
    ///   - collecting: Whether there is a chat log.
    ///   - database: The URL of a database that several servers share; nil for a new one.
    ///   - signingKey: The key that several servers share; nil for a new one.
    ///   - models: The models of a registry, instead of `backend`.
    init(
        _ backend: (any ChatBackend)? = ScriptedBackend(),
        adapters: [(name: String, backend: any ChatBackend)] = [],
        next: (any ChatBackend)? = nil,
        modelInfo: ModelInfo? = nil,
        collecting: Bool = false,
        clock: ManualClock = ManualClock(),
        database: String? = nil,
        signingKey: SigningKey? = nil,
        models: ModelSource? = nil,
        store storeOptions: StoreOptions = StoreOptions(),
        with change: (inout ServeSettings) -> Void = { _ in }
    ) throws {
        var settings = ServeSettings()
        settings.http.port = 0
        settings.chatsPerMinute = 0
        settings.signInsPerMinute = 0
        settings.changesPerMinute = 0
        settings.searchesPerMinute = 0
        settings.passwordCost = 4
        settings.cachedAnswers = 0
        settings.version = "test"
        settings.libraries = LibrarySettings(directory: folder("documents"), program: builtProgram("IndexProgram"))
        change(&settings)
        var storeOptions = storeOptions
        storeOptions.now = { clock.now }
        storeOptions.showsTrainingNotice = storeOptions.showsTrainingNotice || collecting
        store = try Store(database ?? "sqlite:" + folder("chats.db"), storeOptions)
        self.signingKey = try signingKey ?? SigningKey(validating: SigningKey.generate(), source: "a test")
        let loads = AtomicCounter()
        let collector = collecting ? ChatCollector(store, file: try ChatLog(folder("chat_history.jsonl"))) : nil
        if let models {
            server = try Server(settings, store: store, signingKey: self.signingKey, collector: collector, models: models)
            load()
            return
        }
        server = try Server(settings, store: store, signingKey: self.signingKey, collector: collector) {
            guard let backend else { throw GenerationError.unsupported("this test has no model") }
            if let next, loads.increment() > 1 { return ServedModel(name: "next-model", next, modelInfo) }
            let adapted = adapters.map { ServedModel(name: "test-model:\($0.name)", $0.backend, modelInfo) }
            return ServedModel(name: "test-model", backend, modelInfo, adapters: adapted)
        }
        if backend != nil { load() }
    }

    /// Starts a server with the model of a checkpoint, which runs in f32 on one thread.
    convenience init(of checkpoint: Checkpoint, with change: (inout ServeSettings) -> Void = { _ in }) throws {
        let backend = try LocalBackend(of: checkpoint)
        try self.init(backend, modelInfo: backend.model, with: change)
    }

    deinit { server.stop(within: .zero) }

    var port: UInt16 { server.port }

    /// The lines of the chat log.
    var chatLines: [Substring] {
        get throws {
            String(decoding: try InputFile.contents(of: folder("chat_history.jsonl")), as: UTF8.self).split(separator: "\n")
        }
    }

    /// Loads the model and waits for it.
    func load() {
        let loaded = Mailbox<Bool>()
        server.load { result in loaded.put((try? result.get()) != nil) }
        #expect(loaded.take(within: .seconds(10)) == true)
    }

    /// Stops the server on another thread.
    ///
    /// - Returns: A mailbox that gets an element when it has stopped.
    func beginStopping(within time: Duration) throws -> Mailbox<Bool> {
        let stopped = Mailbox<Bool>()
        try BackgroundThread.run { [server] in
            server.stop(within: time)
            stopped.put(true)
        }
        return stopped
    }

    func connect() throws -> RawHTTPConnection { try #require(RawHTTPConnection(to: port)) }

    /// Sends a request on a connection of its own. A body is JSON, unless the headers have another type.
    func ask(
        _ method: String, _ target: String, _ body: String? = nil, _ headers: [String: String] = [:]
    ) throws -> RawHTTPConnection.Answer {
        let type = body == nil ? [:] : ["Content-Type": "application/json"]
        return try #require(try connect().ask(method, target, type.merging(headers) { $1 }, body: body))
    }

    /// Registers an account and returns its Authorization header.
    func account(_ name: String) throws -> [String: String] {
        ["Authorization": "Bearer \(try sessionToken(name))"]
    }

    /// Registers an account and returns its session token.
    func sessionToken(_ name: String) throws -> String {
        let answer = try connect().post("/api/auth/register", #"{"username":"\#(name)","password":"correct horse"}"#)
        return try #require(try answer?.json()["access_token"]?.string)
    }

    /// Waits for these numbers of running and waiting answers.
    ///
    /// - Returns: false after 30 seconds. Other tests run at the same time.
    func waitForLoad(running: Int, waiting: Int = 0) throws -> Bool {
        let connection = try connect()
        let end = ContinuousClock.now + .seconds(30)
        var last = "no response"
        while ContinuousClock.now < end {
            if let health = connection.ask("GET", "/api/health") {
                last = health.text
                let queue = try health.json()["queue"]
                if queue?["running"]?.integer == running, queue?["waiting"]?.integer == waiting { return true }
            }
            usleep(2_000)
        }
        Issue.record("expected \(running) running and \(waiting) waiting answers within 30 s, found \(last)")
        return false
    }
}

extension LocalBackend {
    /// Loads a checkpoint from a file, which is removed after that, and runs it in f32 on one thread.
    convenience init(of checkpoint: Checkpoint) throws {
        let folder = TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        try checkpoint.write(to: folder("model.h5"))
        try self.init(checkpoint: folder("model.h5"), .f32) { try Processor(threads: 1) }
    }
}

extension RawHTTPConnection {
    /// Sends a POST request with a JSON body and returns the response.
    func post(_ target: String, _ body: String, _ headers: [String: String] = [:]) -> Answer? {
        ask("POST", target, headers.merging(["Content-Type": "application/json"]) { given, _ in given }, body: body)
    }

    /// Sends a POST request with a JSON body without waiting for the response.
    func sendPost(_ target: String, _ body: String) {
        let headers = "Host: localhost\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)"
        send("POST \(target) HTTP/1.1\r\n\(headers)\r\n\r\n\(body)")
    }
}

extension RawHTTPConnection.Answer {
    func json() throws -> JSONElement {
        return try JSONElement(parsing: body)
    }

    /// The chunks of a stream before `[DONE]`, or the one object of an answer that is not streamed.
    func objects() throws -> [JSONElement] { try data.isEmpty ? [json()] : data.dropLast().map { try JSONElement(parsing: $0) } }

    /// A member of the error object.
    func error(_ member: String) -> String? { (try? json())?["error"]?[member]?.string }

    /// The error object of slm's own API.
    var error: (code: String?, field: String?, message: String?) { (error("code"), error("field"), error("message")) }

    /// The `data` fields of server-sent events.
    var data: [String] { text.split(separator: "\n").filter { $0.hasPrefix("data: ") }.map { String($0.dropFirst(6)) } }
}

extension JSONElement {
    /// The elements of an array; nil for another value.
    var list: [JSONElement]? { elements.map { Array($0) } }
}
