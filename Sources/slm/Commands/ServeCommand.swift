import Checkpoint
import Files
import Glibc
import HTTPServer
import Infer
import Kernels
import Secrets
import Serve
import Store
import Threads

struct ServeOptions: MachineOptions {
    var threads: Int?
    var cpu: String?
    var blas: BLAS?
    var model = ModelOptions()
    var name: String?
    var host = "127.0.0.1"
    var port = 8_000
    var database = "sqlite:slm_chat.db"
    var collect: String?
    var reloads = false
    var slots = 64
    var waiting = 256
    var perUser = 64
    var chatsPerMinute = 240
    var signInsPerMinute = 20
    var needsKey = false
    var noGuests = false
    var noRegistration = false
    var hosts: [String] = []
    var origins: [String] = []
    var behindProxy = false
    var sessionLifetime = Duration.seconds(7 * 86_400)
    var drain = Duration.seconds(30)
}

extension Command {
    static var serve: Command {
        Command(
            "serve",
            "Serve a chat page and an OpenAI-compatible API.",
            ServeOptions(),
            ServeOptions.groups,
            examples: [
                "slm serve checkpoints/first/best.h5",
                "slm serve --host 0.0.0.0 --allow-host chat.example.org --behind-proxy --database postgresql://slm:secret@localhost/slm",
            ]
        ) { options in
            try ServeCommand(options, SLM.environmentVariables()).run()
        }
    }
}

extension ServeOptions {
    fileprivate static var groups: [OptionGroup<ServeOptions>] {
        [
            OptionGroup("Main options", [
                ModelOptions.checkpointOption(\.model),
                .option("port", \.port, in: 0...65_535, "Listen on port N; 0 for a free one.").short("p"),
                .option("host", \.host, value: "ADDRESS", "Listen on ADDRESS: 127.0.0.1 for this machine only, 0.0.0.0 for the network."),
                .option("database", \.database, value: "URL",
                        "Store accounts and conversations in sqlite:FILE or postgresql://user:password@host/database."),
                .option("name", \.name, value: "NAME", "Set the model's name in the API.", default: "the name of its run"),
                .option("collect", \.collect, value: "FILE", "Append finished chats to FILE, for slm finetune."),
                .option("reload", \.reloads, "Reload when a newer checkpoint appears. Without it, SIGHUP reloads once."),
            ]),
            OptionGroup("Model", ModelOptions.options(\.model)),
            OptionGroup("Access", [
                .option("require-key", \.needsKey, "Require an API key under /v1."),
                .option("no-guests", \.noGuests, "Require an account to chat."),
                .option("no-registration", \.noRegistration, "Disable self-registration."),
                .option("stay-signed-in", \.sessionLifetime, "Keep users signed in for DURATION."),
                .list("allow-host", \.hosts, value: "NAME", "Accept requests for this host name too.", separator: ","),
                .list("allow-origin", \.origins, value: "URL", "Accept requests from pages of this site (CORS).", separator: ","),
                .option("behind-proxy", \.behindProxy, "Trust X-Forwarded-For from a proxy on this machine."),
            ]),
            OptionGroup("Limits", [
                .option("slots", \.slots, in: 1...4_096, "Generate N answers at the same time.").alias("places"),
                .option("waiting", \.waiting, in: 0...1_000_000, "Queue at most N requests for a slot."),
                .option("per-user", \.perUser, in: 1...4_096, "Allow each account or address N requests at the same time.")
                    .alias("per-person"),
                .option("chats-per-minute", \.chatsPerMinute, in: 0...1_000_000,
                        "Allow each account or address N messages per minute; 0 for any number."),
                .option("sign-ins-per-minute", \.signInsPerMinute, in: 0...1_000_000,
                        "Allow each address N attempts to sign in or register per minute; 0 for any number."),
                .option("drain", \.drain, "On shutdown, wait up to DURATION for running answers."),
            ]),
            OptionGroup("Machine", machineOptions),
        ]
    }
}

/// `slm serve`: opens the database and the server, loads the model, then waits for signals.
struct ServeCommand {
    private let options: ServeOptions
    private let environment: [String: String]

    init(_ options: ServeOptions, _ environment: [String: String]) {
        self.options = options
        self.environment = environment
    }

    func run() throws {
        let signals = SignalListener([SIGINT, SIGTERM, SIGHUP])
        _ = try location()
        if let key = adminKey, key.utf8.count < 16 {
            throw UsageError("slm serve: ADMIN_API_KEY: expected at least 16 characters, found \(key.utf8.count). Generate one: "
                + "openssl rand -hex 16")
        }
        let database = try DatabaseURL(options.database)
        let store = try Store(database)
        let chatLog = try options.collect.map { try ChatLog($0) }
        let server = try Server(settings, store: store, secret: try secret(database, store), chatLog: chatLog) { try open() }
        printLine("http://\(options.host.contains(":") ? "[\(options.host)]" : options.host):\(server.port)")
        let failure = LoadFailure()
        server.load { result in
            switch result {
            case .success(let model):
                let context = model.context.map { " (context \($0) tokens)" } ?? ""
                printNote("serving \(model.name)\(context). Conversations are stored in \(database). Stop with Ctrl-C.")
            case .failure(let error):
                failure.error = error
                kill(getpid(), SIGTERM)
            }
        }
        serve(server, signals)
        store.close()
        if let error = failure.error { throw error }
    }

    /// Serves until a signal stops it.
    private func serve(_ server: Server, _ signals: SignalListener) {
        var stamp = self.stamp
        while true {
            let signal = signals.next(within: .seconds(2))
            if signal == SIGTERM || signal == SIGINT { break }
            let isNew = options.reloads && self.stamp != stamp
            if signal == SIGHUP || isNew {
                stamp = self.stamp
                server.load { result in
                    switch result {
                    case .success(let model): printNote("loaded \(model.name).")
                    case .failure(let error): printNote("the new model could not be loaded, and the previous one stays: \(error)")
                    }
                }
            }
        }
        printNote("stopping: running answers have \(options.drain.optionText) to finish.")
        server.stop(within: options.drain)
    }

    private func location() throws -> ModelOptions.Location { try options.model.location(for: "serve") }

    /// The identity of the checkpoint file, to notice a new one; nil for a remote backend.
    private var stamp: String? {
        guard case .checkpoint(let path)? = try? location() else { return nil }
        return (try? FileStamp(path))?.description
    }

    private func open() throws -> ServedModel {
        switch try location() {
        case .url(let url):
            let backend = try options.model.open(url: url, environment: environment)
            return ServedModel(name: options.name ?? backend.name, backend, nil)
        case .checkpoint(let path):
            var limits = LocalBackend.Limits()
            limits.slots = options.slots
            limits.waiting = 16          // the server's own queue, which is fair to users, comes before this one
            let backend = try options.model.open(checkpoint: path, limits: limits, on: options.makeProcessor)
            return ServedModel(name: options.name ?? Self.name(of: path), backend, backend.model)
        }
    }

    /// `first` for checkpoints/first/best.h5.
    private static func name(of path: String) -> String {
        let parts = path.split(separator: "/")
        let file = String(parts.last ?? "model")
        let stem = file.split(separator: ".").dropLast().joined(separator: ".")
        return ["best", "last"].contains(stem) && parts.count > 1 ? String(parts[parts.count - 2]) : stem.isEmpty ? file : stem
    }

    private var adminKey: String? { environment["ADMIN_API_KEY"].flatMap { $0.isEmpty ? nil : $0 } }

    private var settings: ServeSettings {
        var settings = ServeSettings()
        settings.http.host = options.host
        settings.http.port = UInt16(options.port)
        settings.slots = options.slots
        settings.maxWaiting = options.waiting
        settings.answersPerClient = options.perUser
        settings.chatsPerMinute = options.chatsPerMinute
        settings.signInsPerMinute = options.signInsPerMinute
        settings.registrationsPerMinute = options.signInsPerMinute
        settings.adminKey = adminKey
        settings.requiresAPIKey = options.needsKey
        settings.allowsGuests = !options.noGuests
        settings.allowsRegistration = !options.noRegistration
        settings.hosts = options.hosts
        settings.origins = options.origins
        settings.trustsProxy = options.behindProxy
        settings.tokenLifetime = max(60, Int(options.sessionLifetime.components.seconds))
        settings.version = version
        return settings
    }

    /// The key that signs session tokens: from the environment, else generated once and stored beside the SQLite file, or in PostgreSQL,
    /// where several servers can share it.
    private func secret(_ database: DatabaseURL, _ store: Store) throws -> Secret {
        if let text = environment["SLM_JWT_SECRET"] { return try Secret(validating: text, source: "SLM_JWT_SECRET") }
        switch database {
        case .sqlite(let path): return try Secret(storedAt: path + ".secret")
        case .postgresql:
            return try Secret(validating: try store.setting("jwt_secret", orInsert: Secret.generate()), source: "the database's jwt_secret")
        }
    }

    /// The error of the first load. Written before the signal that ends the wait, read after it.
    private final class LoadFailure: @unchecked Sendable {
        var error: (any Error)?
    }
}
