import Checkpoint
import Files
import Formats
import Infer
import Store
import Synchronization

/// Loads the models of the registry that this server serves.
///
/// The active model answers. If it cannot be loaded, the previous one does, else that of the command line, else the one that was loaded
/// before: a promotion never makes a server stop answering. What failed is in the log, in `ServedModels.errors` and on
/// `GET /api/admin/server`.
final class ModelRegistry: Sendable {
    private let store: Store
    private let source: ModelSource
    private let wrap: @Sendable (ServedModel) -> ServedModel
    /// The name of the server.
    private let server = Mutex("")
    /// Models and their errors, so that each is logged once.
    private let reported = Mutex<[ModelID: String]>([:])

    /// - Parameter wrap: Wraps the backends of a model that was opened.
    init(_ store: Store, _ source: ModelSource, wrap: @escaping @Sendable (ServedModel) -> ServedModel) {
        self.store = store
        self.source = source
        self.wrap = wrap
    }

    func setServerName(_ name: String) { server.withLock { $0 = name } }

    /// Loads the models that the registry names, and takes over those that are loaded and have not changed.
    ///
    /// - Parameters:
    ///   - current: What is served.
    ///   - isReload: Whether the server starts or was asked to reload: the command line's file is looked at, and all models are opened
    ///     again.
    ///   - publish: Receives the models as soon as the active one is loaded.
    func load(after current: ServedModels?, isReload: Bool, publish: (ServedModels) -> Void) throws -> ServedModels {
        let file = try source.commandLine()
        // Without the file, another model of the registry may still answer.
        let identity = file.flatMap { try? ModelFileIdentity($0.path) }
        var own: CommandLineModel?
        if isReload, let file, let identity {
            let new = try Self.newModel(identity, name: file.name, in: store)
            own = try store.useCommandLineModel(new, of: server.withLock { $0 }, mayReplace: file.isFinished)
        }
        let records = try store.servedModels()
        let reused = isReload ? [:] : current?.loaded ?? [:]
        var loading = Loading(records, commandLine: file, identity, reused: reused, wrap: wrap, source.open)
        let opened = loading.activeModels()
        guard var models = opened ?? current else { throw loading.firstError ?? NoModelError() }
        models.alias = file?.name
        models.errors = loading.errors
        // What was loaded stays until the others are.
        if let current {
            models.canary = current.canary
            models.pinned = current.pinned
        }
        publish(models)
        loading.loadOthers(into: &models)
        models.errors = loading.errors
        models.loaded = opened != nil ? loading.loaded : loading.loaded.merging(current?.loaded ?? [:]) { new, _ in new }
        // What was loaded before goes on answering, and the reload has failed. The caller logs why.
        let failure: (any Error)? = opened == nil && isReload ? loading.firstError ?? NoModelError() : nil
        report(models, after: current, records, own, isReload: isReload, except: failure)
        guard let failure else { return models }
        publish(models)
        throw failure
    }

    private static func newModel(_ identity: ModelFileIdentity, name: String, in store: Store) throws -> NewModel {
        var new = NewModel(name: name, path: identity.path, digest: identity.digest, sizeBytes: identity.sizeBytes)
        // A file that cannot be opened is registered as well: opening it says what is wrong.
        if let adapter = try? ModelFile.open(identity.path).checkpoint, adapter.adapter != nil {
            new.kind = .adapter
            let path = ModelFileIdentity.absolute(adapter.adapterBasePath())
            new.base = try store.models().first { $0.path == path && $0.filesDeletedAt == nil }?.id
        }
        return new
    }

    /// Registers a model on this machine as a candidate. Throws if it cannot be opened.
    ///
    /// - Parameters:
    ///   - base: The base model of a LoRA adapter; nil for the one at the path that the adapter names, if that is registered.
    ///   - data: What it was trained on, and `metrics`: JSON objects.
    static func register(
        _ path: String, name: String, base: ModelID? = nil, run: String? = nil, data: String? = nil, metrics: String? = nil,
        in store: Store, by request: AdminRequest
    ) throws -> ModelID {
        _ = try ModelFile.open(path)
        var new = try newModel(ModelFileIdentity(path), name: name, in: store)
        if new.kind == .adapter, let base { new.base = base }
        new.run = run
        new.data = data
        new.metrics = metrics
        return try store.registerModel(new, by: request)
    }

    /// Throws if a model cannot be opened, or its files are not those that were registered.
    static func check(_ model: RegisteredModel, in store: Store) throws {
        let found = try ModelFileIdentity(model.path)
        guard found.digest == model.digest else { throw ReplacedFileError(path: model.path) }
        let base = try model.base.map { base throws(StoreError) in try store.model(base).path }
        if model.kind == .adapter { _ = try ModelFile(model.path, base: base) } else { _ = try ModelFile.open(model.path) }
    }

    /// Whether the server may delete the files of a model: only those that a run of a server has written.
    static func mayDeleteFiles(of model: RegisteredModel) -> Bool { model.run != nil }

    /// - Returns: The number of bytes that were deleted.
    static func deleteFiles(of model: RegisteredModel) -> Int {
        guard FileStatus(model.path) != nil else { return 0 }
        Folder.removeAll(model.path)
        return FileStatus(model.path) != nil ? 0 : model.sizeBytes
    }

    /// Logs which model is served and why, and each error once.
    ///
    /// - Parameter failure: An error that the caller logs.
    private func report(
        _ models: ServedModels, after current: ServedModels?, _ records: ServedModelRecords, _ own: CommandLineModel?, isReload: Bool,
        except failure: (any Error)?
    ) {
        let new = reported.withLock { reported in
            defer { reported = models.errors }
            return models.errors.filter { reported[$0.key] != $0.value }
        }
        let names = Dictionary([records.active, records.previous, records.canary].compactMap { $0 }.map { ($0.id, $0.name) }
            + records.pinned.map { ($0.id, $0.name) }) { first, _ in first }
        let reason = failure.map { "\($0)" }
        for (id, error) in new where error != reason {
            let served = id == records.active?.id ? "; \(models.active.name) answers instead" : ""
            Log.error(.loadFailed, "the model \(names[id] ?? id.description) cannot be loaded\(served): \(error)")
        }
        guard let active = records.active, active.id == models.activeID else { return }
        guard isReload else {
            if current?.activeID == active.id { return }
            let who = active.promotedBy.map { ", as \($0) has asked" } ?? ""
            return Log.info(.loaded, "serving \(active.name) instead of \(current?.active.name ?? "no model")\(who).")
        }
        if let own, own.isTaken, let replaced = own.replaced {
            Log.info(.note, "the command line names another model than before: \(active.name) replaces \(replaced.name) as the active "
                + "model. To go back: slm training rollback")
        } else if let own, own.model?.id != active.id {
            let who = active.promotedBy.map { ", which \($0) promoted" } ?? ""
            Log.info(.note, "serving \(active.name)\(who), instead of the command line's model. To go back: slm training rollback, or "
                + "slm training promote NAME")
        }
    }
}

struct NoModelError: Error, CustomStringConvertible {
    var description: String { "no model is registered, and the command line names none. Give one: slm serve CHECKPOINT" }
}
