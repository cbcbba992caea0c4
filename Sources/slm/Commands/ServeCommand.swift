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
            throw UsageError("slm serve: --training-dir: expected a folder outside of checkpoints, whose newest model is served.")
        }
        if let key = adminKey, key.utf8.count < 16 {
            throw UsageError("slm serve: ADMIN_API_KEY: expected at least 16 characters, found \(key.utf8.count). Generate one: "
                + "openssl rand -hex 16")
        }
        let database = try DatabaseURL(options.database)
        var storeOptions = options.store
        if options.collect != nil || options.collectsInDatabase { storeOptions.showsTrainingNotice = true }
        let store = try Store(database, storeOptions)
        if let version = store.migratedFrom {
            Log.info(.migrated, "migrated \(database) from schema version \(version) to \(Store.schemaVersion).")
        }
        let chatLog = try options.collect.map { try ChatLog($0) }
        let collector = options.collectsInDatabase || chatLog != nil ? ChatCollector(store, file: chatLog) : nil
        let key = try signingKey(store)
        let settings = try settings(sockets, logs: logs)
        let server: Server
        switch location {
        case .success(.url(let url)):
            server = try Server(settings, store: store, signingKey: key, collector: collector) { try open(url: url) }
        case .failure(let error) where try store.activeModel() == nil: throw error
        default: server = try Server(settings, store: store, signingKey: key, collector: collector, models: modelSource)
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

    /// The model to serve.
    private func location() throws -> ModelOptions.Location { try options.model.location(for: "serve", prefersFinished: true) }

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
    private func signingKey(_ store: Store) throws -> SigningKey {
        let path = try options.secretFile ?? options.ownFile(".secret")
        return try SigningKey(in: path, environment: environment["SLM_JWT_SECRET"], store) { Log.info(.note, $0) }
    }

    /// The error of the first load. Written before the signal that ends the wait, read after it.
    private final class LoadFailure: @unchecked Sendable {
        var error: (any Error)?
    }
}
