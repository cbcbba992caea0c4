import Checkpoint
import Files
import Formats
import Store

/// The model that a run begins with.
struct TrainingBase: Sendable, Equatable {
    /// Its id in the registry.
    var id: String?
    var name: String
    var path: String
    /// A LoRA adapter of it that is trained further.
    var adapter: String?
}

extension TrainingBase {
    /// - Parameter id: nil for the active one or, if there is no registry, the one of the command line.
    fileprivate init(_ id: String?, _ settings: ServeSettings, _ store: Store) throws {
        let model = try id.map { try Self.registered($0, in: store) } ?? store.activeModel()
        guard let model else {
            guard let path = settings.checkpoint() else {
                throw Self.missing("This server has no model file to fine-tune: it uses a remote backend.")
            }
            self.init(id: nil, name: path, path: (try? RelativePath.absolute(path)) ?? path)
            return
        }
        if model.filesDeletedAt != nil { throw Self.missing("The files of the model \(model.name) were deleted or replaced.") }
        let isAdapter = model.kind == .adapter, base = isAdapter ? try Self.basePath(of: model, in: store) : model.path
        self.init(id: model.id.description, name: model.name, path: base, adapter: isAdapter ? model.path : nil)
    }

    private static func basePath(of adapter: RegisteredModel, in store: Store) throws -> String {
        if let base = adapter.base { return try store.model(base).path }
        do { return try ModelFile.open(adapter.path).checkpoint.adapterBasePath() } catch {
            throw missing("The base of the LoRA adapter \(adapter.name) is not known: \(error)".asSentence)
        }
    }

    private static func registered(_ text: String, in store: Store) throws -> RegisteredModel {
        guard let id = ModelID(text) else { throw APIError.invalid("base", "expected the id of a model.") }
        guard let model = try store.models().first(where: { $0.id == id }) else {
            throw missing("The base model is not registered any more.")
        }
        return model
    }

    private static func missing(_ message: String) -> APIError { .refused("base_missing", message) }
}

extension TrainingSupervisor.Configuration {
    init(_ settings: ServeSettings, _ store: Store, _ server: ServerID) {
        self.init(
            store: store, server: server, directory: settings.trainingDirectory, program: settings.trainingProgram,
            base: { try TrainingBase($0, settings, store) })
    }
}
