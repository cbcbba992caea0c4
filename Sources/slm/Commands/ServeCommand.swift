import Checkpoint
import Files
import Formats
import Glibc
import HTTPServer
import Infer
import Kernels
import Secrets
import Serve
import Store
import Threads

/// Most options are properties of the server's settings or the store's options. What follows is made of several of them.
struct ServeOptions: MachineOptions {
    var machine = MachineSettings()
    var model = ModelOptions()
    var settings = ServeSettings()
    var store = StoreOptions()
    var embeddingModel: String?
    var reranker: String?
    var documents: [String] = []
    var passages = ServedDocuments.usualPassageLimit
    var documentsFolder: String?
    var noUploads = false
    var name: String?
    var database = "sqlite:slm_chat.db"
    var collect: String?
    var starters: [String] = []
    var noStarters = false
    var collectsInDatabase = false
    var reloads = false
    var kvMemory: ByteCount?
    var secretFile: String?
    var proxies: [String] = []
    var accessLog: AccessLog.Format?
    var logFormat = Log.Format.plain
    var logFile: String?
    var sharedPrompt: String?
    var drain = Duration.seconds(30)
    var handover: Duration?

    var uploadSpace: ByteCount {
        get { ByteCount(store.maxUploadedBytes) }
        set { store.maxUploadedBytes = newValue.bytes }
    }

    var port: Int {
        get { Int(settings.http.port) }
        set { settings.http.port = UInt16(newValue) }
    }

    var sessionLifetime: Duration {
        get { .seconds(settings.tokenLifetime) }
        set { settings.tokenLifetime = max(60, Int(newValue.components.seconds)) }
    }
}

extension Duration {
    fileprivate var days: Int {
        get { Int(components.seconds / 86_400) }
        set { self = .seconds(newValue * 86_400) }
    }
}

extension Duration? {
    /// 0 for nil.
    fileprivate var days: Int {
        get { self?.days ?? 0 }
        set { self = newValue == 0 ? nil : .seconds(newValue * 86_400) }
    }
}

extension Bool {
    /// For an option that turns something off.
    fileprivate var isOff: Bool {
        get { !self }
        set { self = !newValue }
    }
}

extension AccessLog.Format: OptionValue {}
extension Log.Format: OptionValue {}

extension Command {
    static var serve: Command {
        Command(
            "serve",
            "Serve a chat page and an OpenAI-compatible API.",
            ServeOptions(),
            ServeOptions.groups,
            examples: [
                "slm serve checkpoints/first/best.h5",
                "slm serve qwen.gguf --documents notes.index",
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
                .option("host", \.settings.http.host, value: "ADDRESS",
                        "Listen on ADDRESS: 127.0.0.1 for this machine only, 0.0.0.0 for the network."),
                .option("database", \.database, value: "URL",
                        "Store accounts and conversations in sqlite:FILE or postgresql://user:password@host/database."),
                .option("name", \.name, value: "NAME", "Set the model's name in the API.", default: "the name of its run"),
                .option("collect", \.collect, value: "FILE", "Collect finished chats in the database and in FILE, for slm finetune."),
                .option("collect-in-database", \.collectsInDatabase, "Collect finished chats in the database only."),
                .option("use-chats", \.store.tellsAboutTraining,
                        "Let chats be used for training, and say so on the chat page. --collect does so, too."),
                .option("training-dir", \.settings.trainingDirectory, value: "DIR",
                        "Create the fine-tuning runs of the training area in DIR."),
                .option("reload", \.reloads, "Reload when a run has finished a newer checkpoint. Without it, SIGHUP reloads once."),
            ]),
            OptionGroup("Model", ModelOptions.options(
                \.model, adapterHelp: "Serve this LoRA adapter of the checkpoint, too, as the model MODEL:NAME, with the same weights.") + [
                .embeddingModel(\.embeddingModel, "Answer /v1/embeddings with this embedding model: a folder with a BERT."),
                .option("reranker", \.reranker, value: "FOLDER",
                        "Answer /v1/rerank with this reranker, and let it put the 30 best passages of documents in order."),
            ]),
            OptionGroup("Documents", [
                .list("documents", \.documents, value: "NAME=FILE",
                      "Let chats answer from the documents of FILE, an index of slm index build. Without NAME, it is that of the file."),
                .option("passages", \.passages, in: 1...50, "Give the model at most N passages, in half of its context."),
                .option("upload-space", \.uploadSpace, "Let each account upload files of SIZE together.").excluding("uploads"),
                .option("no-uploads", \.noUploads, "Let accounts upload no files.").excluding("uploads"),
                .option("documents-dir", \.documentsFolder, value: "DIR", "Keep the files that accounts upload, and their indexes, in DIR.",
                        default: "the database's file with .documents at the end, or slm_chat.documents"),
            ]),
            OptionGroup("Chat page", [
                .list("starter", \.starters, value: "TEXT", "Offer these questions for a new chat, instead of some of the validation data.",
                      separator: "|")
                    .excluding("starters"),
                .option("no-starters", \.noStarters, "Offer no questions for a new chat.").excluding("starters"),
            ]),
            OptionGroup("Access", [
                .option("ollama-port", \.settings.ollamaPort, in: 0...65_535, "Serve Ollama's API on port N, too; Ollama's own is 11434.",
                        default: "under /ollama of the main port only"),
                .option("require-key", \.settings.requiresAPIKey, "Require an API key under /v1 and for Ollama's API."),
                .option("no-guests", \.settings.allowsGuests.isOff, "Require an account to chat."),
                .option("no-registration", \.settings.allowsRegistration.isOff, "Disable self-registration."),
                .option("secret-file", \.secretFile, value: "FILE", "Keep the key that signs session tokens in FILE.",
                        default: "the database's file with .secret at the end, or slm_chat.secret"),
                .option("stay-signed-in", \.sessionLifetime, "Keep users signed in for DURATION."),
                .list("allow-host", \.settings.hosts, value: "NAME", "Accept requests for this host name too.", separator: ","),
                .list("allow-origin", \.settings.origins, value: "URL", "Accept requests from pages of this site (CORS).", separator: ","),
                .option("behind-proxy", \.settings.trustsProxy, "Trust X-Forwarded-For and X-Request-Id from a proxy on this machine."),
                .list("trusted-proxy", \.proxies, value: "NETWORK",
                      "Trust them from this network, too, such as 172.16.0.0/12. Implies --behind-proxy.", separator: ","),
            ]),
            OptionGroup("Log and caches", [
                .option("server-name", \.settings.serverName, value: "NAME",
                        "Name this server in the list of servers, and label its metrics with the name.",
                        default: "the machine's name and the port"),
                .option("access-log", \.accessLog, value: "FORMAT", "Log each request to standard error, without paths and texts.",
                        default: "no log"),
                .option("log-format", \.logFormat, value: "FORMAT",
                        "Log starts, stops, errors and reloads as sentences, as lines with time and level, or as JSON."),
                .option("log-file", \.logFile, value: "FILE", "Append the logs to FILE, which may be rotated.", default: "standard error"),
                .option("shared-prompt", \.sharedPrompt, value: "FILE",
                        "Share the cached keys and values of this system prompt across users.", default: "shared within a user only"),
                .option("share-answers", \.settings.sharesCachedAnswers, "Send cached answers of one user to others (temperature 0)."),
            ]),
            OptionGroup("Limits", [
                .option("slots", \.settings.slots, in: 1...4_096, "Generate N answers at the same time."),
                .option("kv-memory", \.kvMemory,
                        "Use at most SIZE of memory for the cached keys and values of a model; answers that need more wait.",
                        default: "half of what the weights leave"),
                .option("waiting", \.settings.maxWaiting, in: 0...1_000_000, "Queue at most N requests for a slot."),
                .option("per-user", \.settings.answersPerClient, in: 1...4_096,
                        "Allow each account or address N requests at the same time."),
                .option("chats-per-minute", \.settings.chatsPerMinute, in: 0...1_000_000,
                        "Allow each account or address N messages per minute; 0 for any number."),
                .option("sign-ins-per-minute", \.settings.signInsPerMinute, in: 0...1_000_000,
                        "Allow each address N attempts to sign in or register per minute; 0 for any number."),
                .option("changes-per-minute", \.settings.changesPerMinute, in: 0...1_000_000,
                        "Allow each account N other changes per minute, such as renaming a conversation; 0 for any number."),
                .option("searches-per-minute", \.settings.searchesPerMinute, in: 0...1_000_000,
                        "Allow each account N searches per minute; 0 for any number."),
                .option("search-timeout", \.store.searchTimeout, "Cancel a search after DURATION."),
                .option("max-conversations", \.store.maxConversations, in: 0...1_000_000_000,
                        "Allow each account N conversations; 0 for any number."),
                .option("max-characters", \.store.maxStoredCharacters, in: 0...1_000_000_000_000,
                        "Allow each account N characters in all its conversations together; 0 for any number."),
                .option("max-keys", \.store.maxAPIKeys, in: 0...1_000_000, "Allow each account N API keys; 0 for any number."),
                .option("keep-usage", \.store.generationRetention.days, in: 0...36_500,
                        "Keep the token counts of answers for N days; 0 for ever."),
                .option("keep-conversations", \.store.conversationRetention.days, in: 0...36_500,
                        "Delete conversations N days after their last message; 0 to keep them."),
                .option("keep-audit", \.store.auditRetention.days, in: 0...36_500,
                        "Keep the audit log of administrators for N days; 0 for ever."),
                .option("keep-keys", \.store.revokedKeyRetention.days, in: 0...36_500, "Keep revoked API keys for N days; 0 for ever."),
                .option("keep-accounts", \.store.unusedAccountRetention.days, in: 0...36_500,
                        "Keep an account for N days after its last use, then delete it; 0 for ever."),
                .option("account-warning", \.store.unusedAccountWarning.days, in: 0...36_500,
                        "Announce the deletion of an unused account in the audit log at least N days before."),
                .option("keep-deleted", \.store.undoWindow, "Keep deleted conversations and replaced messages for DURATION."),
                .option("drain", \.drain, "On shutdown, wait up to DURATION for running answers."),
                .option("handover", \.handover, "On shutdown, first serve for DURATION while /api/ready says 503, for a load balancer.",
                        default: "0s; 3s with sockets of systemd"),
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
        let output = try options.logFile.map { try LogFile($0).write } ?? AccessLog.standardError
        Log.configure(options.logFormat, output: output)
        do { try run(logs: output) } catch let error where !(error is UsageError) {
            if options.logFormat == .plain, options.logFile == nil { throw error }
            Log.error(.startFailed, "\(error)")
            throw options.logFile == nil ? ReportedFailure() : error
        }
    }

    private func run(logs: @escaping @Sendable ([UInt8]) -> Void) throws {
        // A client, a database server or the reader of a pipe that goes away must not end the process.
        signal(SIGPIPE, SIG_IGN)
        let signals = SignalListener([SIGINT, SIGTERM, SIGHUP])
        let manager = ServiceNotifier(environment)
        let sockets = try InheritedSockets.take(from: environment)
        let location = Result { try self.location() }
        _ = try options.model.adapterFiles(for: "serve")
        let first = options.settings.trainingDirectory.split(separator: "/").first { $0 != "." }
        if !options.settings.trainingDirectory.hasPrefix("/"), first == "checkpoints" {
            throw UsageError("slm serve: --training-dir: expected a directory outside of checkpoints, whose newest model is served.")
        }
        if let key = adminKey, key.utf8.count < 16 {
            throw UsageError("slm serve: ADMIN_API_KEY: expected at least 16 characters, found \(key.utf8.count). Generate one: "
                + "openssl rand -hex 16")
        }
        let database = try DatabaseURL(options.database)
        var storeOptions = options.store
        if options.collect != nil || options.collectsInDatabase { storeOptions.tellsAboutTraining = true }
        let store = try Store(database, storeOptions)
        if let version = store.migratedFrom {
            Log.info(.migrated, "migrated \(database) from schema version \(version) to \(Store.schemaVersion).")
        }
        let chatLog = try options.collect.map { try ChatLog($0) }
        let collector = options.collectsInDatabase || chatLog != nil ? ChatCollector(store, file: chatLog) : nil
        let secret = try secret(store)
        let settings = try settings(sockets, logs: logs)
        let server: Server
        switch location {
        case .success(.url(let url)):
            server = try Server(settings, store: store, secret: secret, collector: collector) { try open(url: url) }
        case .failure(let error) where try store.activeModel() == nil: throw error
        default: server = try Server(settings, store: store, secret: secret, collector: collector, models: modelSource)
        }
        let failure = LoadFailure()
        server.load { result in
            switch result {
            case .success(let model):
                let context = model.context.map { " (context \($0) tokens)" } ?? ""
                for address in addresses(of: server) { printLine(address) }
                let names = ([model] + model.adapters).map(\.name).joined(separator: ", ")
                let ollama = server.ollamaPort.map { " Ollama's API is on port \($0)." } ?? ""
                Log.info(.serving, "serving \(names)\(context).\(ollama) Conversations are stored in \(database). Stop with Ctrl-C.")
                manager.ready("serving \(model.name)\(context)")
            case .failure(let error):
                failure.error = error
                manager.status("\(error)")
                kill(getpid(), SIGTERM)
            }
        }
        serve(server, signals, manager)
        store.close()
        if let error = failure.error { throw error }
        if options.logFormat != .plain { Log.info(.stopped, "stopped.") }
    }

    /// What clients connect to.
    private func addresses(of server: Server) -> [String] {
        let name = options.settings.http.host
        let host = name.contains(":") ? "[\(name)]" : name
        guard server.isSocketInherited else { return ["http://\(host):\(server.port)"] }
        return server.listening.map { $0.port == 0 ? $0.address : "http://" + $0.address }
    }

    /// Serves until a signal stops it.
    private func serve(_ server: Server, _ signals: SignalListener, _ manager: ServiceNotifier) {
        var stamp = self.stamp
        let pause = min(.seconds(2), (manager.watchdogTimeout ?? .seconds(60)) / 2)
        while true {
            let signal = signals.next(within: pause)
            if server.isResponsive { manager.alive() }
            if signal == SIGTERM || signal == SIGINT { break }
            if signal == SIGHUP || options.reloads && hasFinishedCheckpoint(otherThan: stamp) {
                stamp = self.stamp
                server.load { result in
                    Self.printReload(result)
                    if case .success(let model) = result { manager.status("serving \(model.name)") }
                }
            }
        }
        Log.info(.stopping, "stopping: running answers have \(options.drain.optionText) to finish.")
        manager.stopping("running answers have \(options.drain.optionText) to finish")
        let stopped = Mailbox<Bool>()
        let stop: @Sendable () -> Void = { [drain = options.drain] in
            server.stop(within: drain)
            stopped.put(true)
        }
        do throws(ThreadError) { try BackgroundThread.run(stop) } catch { stop() }
        while stopped.take(within: pause) == nil { manager.alive() }
    }

    private static func printReload(_ result: Result<ServedModel, any Error>) {
        switch result {
        case .success(let model): Log.info(.loaded, "loaded \(model.name).")
        case .failure(let error): Log.error(.loadFailed, "the new model could not be loaded, and the previous one stays: \(error)")
        }
    }

    /// The model to serve. One that is not named comes from a run that is not in progress, if there is one.
    private func location() throws -> ModelOptions.Location {
        do { return try options.model.location(for: "serve", where: TrainingRunListing.isServable) } catch {
            return try options.model.location(for: "serve")
        }
    }

    /// Whether there is another checkpoint or adapter to serve. The checkpoints of a run that is in progress are replaced again and again.
    private func hasFinishedCheckpoint(otherThan stamp: String?) -> Bool {
        self.stamp != stamp && servedFiles.allSatisfy(TrainingRunListing.isServable)
    }

    /// The identity of the files that are served, to notice new ones; nil for a remote backend.
    private var stamp: String? {
        let files = servedFiles
        return files.isEmpty ? nil : files.map(Self.stamp).joined(separator: "\n")
    }

    private static func stamp(of path: String) -> String {
        if let stamp = try? FileStamp(path) { return stamp.description }
        // A Hugging Face folder is another model when one of its files is.
        let stamps = (Folder.names(in: path) ?? []).sorted().compactMap { try? FileStamp("\(path)/\($0)") }
        return stamps.map(\.description).joined(separator: "\n")
    }

    /// The checkpoint and its adapters. Empty for a remote backend.
    private var servedFiles: [String] {
        guard case .checkpoint(let path)? = try? location() else { return [] }
        return [path] + ((try? options.model.adapterFiles(for: "serve")) ?? []).map(\.path)
    }

    private func open(url: String) throws -> ServedModel {
        let backend = try options.model.open(url: url, environment: environment)
        // Without the address, which is for the operator.
        return ServedModel(name: options.name ?? backend.model, backend, nil)
    }

    /// Opens the models of the registry, and the one of the command line, which has options of its own.
    private var modelSource: ModelSource {
        ModelSource(commandLine: {
            guard case .checkpoint(let path)? = try? location() else { return nil }
            return ModelSource.CommandLineFile(
                name: options.name ?? ModelOptions.modelName(of: path), path: path, isFinished: TrainingRunListing.isServable(path))
        }, open: { files in
            var limits = LocalBackend.Limits()
            limits.slots = options.settings.slots
            limits.kvMemory = options.kvMemory?.bytes
            // The server's own queue, which is fair to users, comes before this one. Paused answers wait here.
            limits.waiting = 16 + options.settings.maxWaiting
            limits.sharedSystemPrompt = try options.sharedPrompt.map { path in
                String(decoding: try InputFile.contents(of: path), as: UTF8.self)
            }
            let own = files.isCommandLine ? try options.model.adapterFiles(for: "serve") : []
            var model = options.model
            if !files.isCommandLine || files.base != nil { model.base = files.base }
            if !files.isCommandLine { model.chatTemplate = nil }
            let adapters = files.adapters.map { AdapterFile(name: $0.name, path: $0.path) } + own
            let backend = try model.open(checkpoint: files.path, adapters: adapters, limits: limits, on: options, isQuiet: false)
            for note in backend.model.importNotes { Log.info(.note, "\(files.path): \(note)") }
            if backend.model.isTemplateAssumed { Log.info(.note, templateNote(files.path)) }
            let names = files.adapters.map(\.name) + own.map { "\(files.name):\($0.name)" }
            let adapted = zip(names, backend.adapters).map { ServedModel(name: $0, $1, $1.model) }
            return ServedModel(name: files.name, backend, backend.model, adapters: adapted)
        })
    }

    private var adminKey: String? { environment["ADMIN_API_KEY"].flatMap { $0.isEmpty ? nil : $0 } }

    private func settings(
        _ sockets: [ListeningSocket], logs: @escaping @Sendable ([UInt8]) -> Void
    ) throws -> ServeSettings {
        var settings = options.settings
        settings.http.listening = sockets
        // Connections wait in the queues of the service manager's sockets instead of getting an error while the model loads.
        settings.http.acceptsLater = !sockets.isEmpty
        // Longer than a proxy keeps idle connections (deploy/Caddyfile), so that it sends no request on one that is being closed.
        settings.handover = options.handover ?? (sockets.isEmpty ? .zero : .seconds(3))
        settings.http.proxies = try options.proxies.flatMap { $0.split(separator: ",") }.map { text in
            let text = text.trimmingPrefix { $0 == " " }
            guard let range = AddressRange(String(text)) else {
                throw UsageError("slm serve: --trusted-proxy: expected an address or a network such as 172.16.0.0/12, found '\(text)'.")
            }
            return range
        }
        settings.starterQuestions = options.noStarters ? [] : options.starters.isEmpty ? nil : options.starters
        settings.adminKey = adminKey
        let encoder = try options.embeddingModel.map { path in
            try EmbeddingBackend(path, name: ModelOptions.modelName(of: path), on: options.makeProcessor)
        }
        let reranker = try options.reranker.map { path in
            try EmbeddingBackend(path, name: ModelOptions.modelName(of: path), for: .reranking, on: options.makeProcessor)
        }
        settings.embeddingModel = encoder.map { ServedModel(name: $0.name, $0, nil) }
        settings.reranker = reranker.map { ServedModel(name: $0.name, $0, nil) }
        let models = try QueryModels(encoder, at: options.embeddingModel, on: options.makeProcessor)
        settings.documents = try options.servedDocuments(models, reranker)
        if !options.noUploads { settings.libraries = try options.librarySettings(models, reranker) }
        if !options.proxies.isEmpty { settings.trustsProxy = true }
        settings.accessLog = options.accessLog.map { AccessLog.Settings($0, output: logs) }
        settings.version = version
        settings.checkpoint = { if case .checkpoint(let path)? = try? location() { path } else { nil } }
        settings.onReload = { Self.printReload($0) }
        return settings
    }

    /// The key that signs session tokens: from the environment, else from a file, which is beside the database if that is a file.
    private func secret(_ store: Store) throws -> Secret {
        let path = try options.secretFile ?? options.ownFile(".secret")
        return try Secret(signingKeyIn: path, environment: environment["SLM_JWT_SECRET"], store) { Log.info(.note, $0) }
    }

    /// The error of the first load. Written before the signal that ends the wait, read after it.
    private final class LoadFailure: @unchecked Sendable {
        var error: (any Error)?
    }
}
