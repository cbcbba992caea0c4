import Checkpoint
import Formats
import Store

extension App {
    static func trainingConfiguration(
        _ settings: ServeSettings, _ store: Store, _ server: ServerID
    ) -> TrainingSupervisor.Configuration {
        TrainingSupervisor.Configuration(
            store: store, server: server, directory: settings.trainingDirectory, program: settings.trainingProgram,
            base: { try trainingBase($0, settings, store) })
    }

    /// The model that a run begins with.
    ///
    /// - Parameter id: nil for the active one or, if there is no registry, the one of the command line.
    private static func trainingBase(_ id: String?, _ settings: ServeSettings, _ store: Store) throws -> TrainingBase {
        let model = try id.map { try registered($0, in: store) } ?? store.activeModel()
        guard let model else {
            guard let path = settings.checkpoint() else {
                throw missing("This server has no model file to fine-tune: it uses a remote backend.")
            }
            return TrainingBase(id: nil, name: path, path: RunFiles.absolute(path) ?? path)
        }
        if model.filesDeletedAt != nil { throw missing("The files of the model \(model.name) were deleted or replaced.") }
        guard model.kind == .adapter else { return TrainingBase(id: model.id.description, name: model.name, path: model.path) }
        let base = try basePath(of: model, in: store)
        return TrainingBase(id: model.id.description, name: model.name, path: base, adapter: model.path)
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
