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
    var answerer = Answerer()
    var name: String?
    var host = "127.0.0.1"
    var port = 8_000
    var database = "sqlite:slm_chat.db"
    var collect: String?
    var reloads = false
    var places = 64
    var waiting = 256
    var perPerson = 64
    var chatsPerMinute = 240
    var signInsPerMinute = 20
    var needsKey = false
    var noGuests = false
    var noRegistration = false
    var hosts: [String] = []
    var origins: [String] = []
    var behindProxy = false
    var stayIn = Duration.seconds(7 * 86_400)
    var drain = Duration.seconds(30)
}

extension Command {
    static var serve: Command {
        Command(
            "serve", "A chat page with accounts and conversations, and an address for programs that know OpenAI's.", ServeOptions(),
            ServeOptions.rows + Answerer.rows(\.answerer) + [
                .option("name", \.name, "What clients call the model. [its run's name]"),
                .option("host", \.host, "Where to listen: 127.0.0.1 is this machine alone, 0.0.0.0 whoever reaches it."),
                .option("port", \.port, in: 0...65_535, "At which port; 0 for one that is free."),
                .option(
                    "database", \.database, "Where accounts and conversations are: sqlite:FILE or postgresql://user:password@host/database."
                ),
                .option("collect", \.collect, "Append finished chats to this file, for slm finetune."),
                .option("reload", \.reloads, "Take a newer checkpoint as soon as it is there. (The signal HUP does so once.)"),
                .option("places", \.places, in: 1...4_096, "Answers at a time."),
                .option("waiting", \.waiting, in: 0...1_000_000, "Answers that may wait for a place."),
                .option("per-person", \.perPerson, in: 1...4_096, "Answers that one account or address may have under way."),
                .option("chats-per-minute", \.chatsPerMinute, in: 0...1_000_000, "Questions of one account or address; 0 for any number."),
                .option(
                    "sign-ins-per-minute", \.signInsPerMinute, in: 0...1_000_000,
                    "Attempts to sign in or to register, of one address; 0 for any number."),
                .option("require-key", \.needsKey, "Programs need a key of an account."),
                .option("no-guests", \.noGuests, "Only accounts may chat."),
                .option("no-registration", \.noRegistration, "Strangers make no accounts."),
                .list("allow-host", \.hosts, "NAME", "Another name that the server is called by.", separator: ","),
                .list("allow-origin", \.origins, "URL", "Another site whose pages may ask.", separator: ","),
                .option("behind-proxy", \.behindProxy, "A proxy of this machine says in X-Forwarded-For who asks."),
                .option("stay-signed-in", \.stayIn, "How long nobody needs to sign in again."),
                .option("drain", \.drain, "How long answers may take that are under way when the server is stopped."),
            ],
            example: """
                slm serve --checkpoint checkpoints/first/best.h5
                  slm serve --host 0.0.0.0 --allow-host chat.example.org --behind-proxy --database postgresql://slm:…@localhost/slm
                """
        ) { options in
            try ServeCommand(options, SLM.environmentVariables()).run()
        }
    }
}

/// `slm serve`: opens everything, then waits for signals.
struct ServeCommand {
    private let options: ServeOptions
    private let environment: [String: String]

    init(_ options: ServeOptions, _ environment: [String: String]) {
        self.options = options
        self.environment = environment
    }

    func run() throws {
        let signals = SignalListener([SIGINT, SIGTERM, SIGHUP])
        _ = try source()
        if let key = adminKey, key.utf8.count < 16 {
            throw UsageError(
                "slm serve: ADMIN_API_KEY: expected at least 16 characters, found \(key.utf8.count). `openssl rand -hex 16` makes some.")
        }
        let address = try DatabaseURL(options.database), store = try Store(address)
        let server = try Server(
            settings, store: store, secret: try secret(address, store), chatLog: try options.collect.map { try ChatLog($0) }
        ) { try open() }
        say("http://\(options.host.contains(":") ? "[\(options.host)]" : options.host):\(server.port)")
        let failure = Failed()
        server.load { result in
            switch result {
            case .success(let model):
                note("\(model.name) answers\(model.context.map { ", \($0) tokens at a time" } ?? ""). What is said is kept in \(address).")
            case .failure(let error):
                failure.error = error
                kill(getpid(), SIGTERM)
            }
        }
        serve(server, signals)
        store.close()
        if let error = failure.error { throw error }
    }

    /// Until somebody ends it.
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
                    case .success(let model): note("\(model.name) answers from now on.")
                    case .failure(let error): note("the new model cannot be taken, and the old one goes on: \(error)")
                    }
                }
            }
        }
        note("stopping: answers that are under way have \(options.drain.optionText).")
        server.stop(within: options.drain)
    }

    private func source() throws -> Answerer.Source { try options.answerer.source(for: "serve") }

    /// Which file answers, and as it was written when; nil for none of ours.
    private var stamp: String? {
        guard case .checkpoint(let path)? = try? source() else { return nil }
        return (try? FileStamp(path))?.description
    }

    private func open() throws -> ServedModel {
        switch try source() {
        case .address(let address):
            let backend = try options.answerer.open(address: address, environment: environment)
            return ServedModel(name: options.name ?? backend.name, backend, nil)
        case .checkpoint(let path):
            var limits = LocalBackend.Limits()
            limits.slots = options.places
            limits.waiting = 16          // who waits, waits before it, where turns are fair
            let backend = try options.answerer.open(checkpoint: path, limits: limits, on: options.processorMaker)
            return ServedModel(name: options.name ?? Self.name(of: path), backend, backend.model)
        }
    }

    /// checkpoints/first/best.h5 is first.
    private static func name(of path: String) -> String {
        let parts = path.split(separator: "/"), file = String(parts.last ?? "model"),
            stem = file.split(separator: ".").dropLast().joined(separator: ".")
        return ["best", "last"].contains(stem) && parts.count > 1 ? String(parts[parts.count - 2]) : stem.isEmpty ? file : stem
    }

    private var adminKey: String? { environment["ADMIN_API_KEY"].flatMap { $0.isEmpty ? nil : $0 } }

    private var settings: ServeSettings {
        var settings = ServeSettings()
        settings.http.host = options.host
        settings.http.port = UInt16(options.port)
        settings.places = options.places
        settings.waiting = options.waiting
        settings.perPerson = options.perPerson
        settings.chatsPerMinute = options.chatsPerMinute
        settings.signInsPerMinute = options.signInsPerMinute
        settings.registrationsPerMinute = options.signInsPerMinute
        settings.adminKey = adminKey
        settings.needsKey = options.needsKey
        settings.letsGuestsIn = !options.noGuests
        settings.letsPeopleRegister = !options.noRegistration
        settings.hosts = options.hosts
        settings.origins = options.origins
        settings.trustsProxy = options.behindProxy
        settings.tokenLifetime = max(60, Int(options.stayIn.components.seconds))
        settings.version = version
        return settings
    }

    /// What tokens are signed with: from the environment, else made once and kept beside the database, or in it where several servers share
    /// one.
    private func secret(_ address: DatabaseURL, _ store: Store) throws -> Secret {
        if let text = environment["SLM_JWT_SECRET"] { return try Secret(validating: text, source: "SLM_JWT_SECRET") }
        switch address {
        case .sqlite(let path): return try Secret(storedAt: path + ".secret")
        case .postgresql:
            return try Secret(validating: try store.setting("jwt_secret", orInsert: Secret.generate()), source: "the database's jwt_secret")
        }
    }

    /// What made the first model fail.
    private final class Failed: @unchecked Sendable {        // written before the signal that ends the wait, read behind it
        var error: (any Error)?
    }
}
