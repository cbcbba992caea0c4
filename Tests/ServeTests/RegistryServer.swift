import Checkpoint
import Infer
import JSON
import Secrets
import Serve
import Store
import Synchronization
import TestSupport
import Testing
import Threads

/// The files of models, whose answers are their names. They can be opened by servers that share a database.
///
///     let models = try RegistryModels("first", "second")
///     let server = try models.server()                         // with first on its command line
///     let second = try models.register("second", on: server)
final class RegistryModels {
    let folder = TemporaryFolder(in: TemporaryFolder.inMemory)
    let signingKey: SigningKey
    private let opened = OpenedModels()
    let clock = ManualClock()
    private let gate: GenerationGate?
    /// Models whose names begin with "slow" are opened when this gate is open, as it is at first.
    let opening = GenerationGate(beforeCharacter: 0)

    /// - Parameter gate: Each answer waits here.
    init(_ names: String..., gate: GenerationGate? = nil) throws {
        signingKey = try SigningKey(validating: SigningKey.generate(), source: "a test")
        self.gate = gate
        opening.open()
        for (index, name) in names.enumerated() { try write(name, generation: index + 1) }
    }

    /// The last model that was opened.
    var lastOpened: ModelFiles? { opened.files.withLock { $0.last } }

    /// Writes the file of a model. Another generation has other contents.
    func write(_ name: String, generation: Int) throws {
        var sample = try SampleCheckpoint(generation: generation).checkpoint
        sample.training = [:]
        try sample.write(to: path(name))
    }

    func path(_ name: String) -> String { folder(name + ".h5") }

    static let admin = ["X-Admin-Key": "the owner's key"]

    /// Starts a server with a model on its command line.
    func server(
        _ name: String = "first", database: String? = nil, with change: (inout ServeSettings) -> Void = { _ in }
    ) throws -> TestServer {
        let path = path(name), gate = gate, opening = opening
        let opened = opened
        let source = ModelSource(commandLine: {
            ModelSource.CommandLineFile(name: name, path: path, isFinished: true)
        }, open: { files in
            for path in [files.path, files.base].compactMap({ $0 }) + files.adapters.map(\.path) { try Checkpoint.open(path).check.wait() }
            if files.name.hasPrefix("slow") { opening.wait(character: 0) }
            opened.files.withLock { $0.append(files) }
            let adapters = files.adapters.map { ServedModel(name: $0.name, ScriptedBackend($0.name), nil) }
            return ServedModel(name: files.name, RecordingBackend(files.name, gate: gate), nil, adapters: adapters)
        })
        return try TestServer(
            clock: clock, database: database ?? "sqlite:" + folder("chats.db"), signingKey: signingKey, models: source
        ) { settings in
            settings.adminKey = Self.admin["X-Admin-Key"]
            settings.serverName = "test-\(name)"
            change(&settings)
        }
    }

    func ask(_ server: TestServer, _ method: String, _ path: String, _ body: String? = nil, as headers: [String: String] = admin)
        throws -> RawHTTPConnection.Answer {
        try server.ask(method, "/api/training/" + path, body, headers)
    }

    func register(_ name: String, on server: TestServer) throws -> String {
        let answer = try ask(server, "POST", "models", #"{"path":"\#(path(name))","name":"\#(name)"}"#)
        #expect(answer.status == 201, "\(answer.text)")
        return try #require(try answer.json()["id"]?.string)
    }

    /// Promotes a model, and waits until the server serves it.
    func promote(_ id: String, on server: TestServer) throws {
        let answer = try ask(server, "POST", "models/\(id)/promote", #"{"force":true,"reason":"a test"}"#)
        #expect(answer.status == 200, "\(answer.text)")
        try waitUntilServed(id, by: server)
    }

    func waitUntilServed(_ id: String, by server: TestServer) throws {
        try eventually { try ask(server, "GET", "models/\(id)").json()["is_served"]?.boolean == true }
    }

    /// "first:active second:candidate", by name.
    func states(_ server: TestServer) throws -> String {
        let items = try ask(server, "GET", "models").json()["items"]?.list ?? []
        return items.map { "\($0["name"]?.string ?? ""):\($0["state"]?.string ?? "")" }.sorted().joined(separator: " ")
    }

    /// The answer to a guest, which is the name of the model.
    func answer(_ server: TestServer, _ fields: String = "", as headers: [String: String] = [:]) throws -> String? {
        try #require(try server.connect().post("/chat", #"{\#(fields)"message":"Hi"}"#, headers)).json()["response"]?.string
    }
}

private final class OpenedModels: Sendable {
    let files = Mutex<[ModelFiles]>([])
}
