import Checkpoint
import HTTPServer
package import Infer
import Store
import Synchronization
import Threads

/// The model that answers.
package struct ServedModel: Sendable {
    /// The name in the API.
    package let name: String
    package let backend: any ChatBackend
    /// The tokenizer and the chat template; nil for a remote model.
    package let modelInfo: ModelInfo?
    /// LoRA adapters that are served with it. Their names begin with its name and a colon.
    package let adapters: [ServedModel]

    /// Tokens of prompt and answer together; nil if unknown.
    package var context: Int? { backend.context }

    var samplingDefaults: SamplingDefaults { backend.samplingDefaults }

    package init(name: String, _ backend: any ChatBackend, _ modelInfo: ModelInfo?, adapters: [ServedModel] = []) {
        self.name = name
        self.backend = backend
        self.modelInfo = modelInfo
        self.adapters = adapters
    }

    /// The model and its adapters.
    var all: [ServedModel] { [self] + adapters }

    /// Wraps the backends of the model and of its adapters.
    func wrapped(_ wrap: (any ChatBackend) -> any ChatBackend) -> ServedModel {
        ServedModel(name: name, wrap(backend), modelInfo, adapters: adapters.map { $0.wrapped(wrap) })
    }

    /// What clients may write instead of the model's name.
    static let placeholder = "default"

    /// Without its first adapters, which are models of the registry with names of their own.
    func dropping(adapters count: Int) -> ServedModel {
        ServedModel(name: name, backend, modelInfo, adapters: Array(adapters.dropFirst(count)))
    }

    /// This model or one of its adapters. Clients may write `default` for the model's name.
    func named(_ name: String) throws(APIError) -> ServedModel {
        let placeholder = Self.placeholder
        if name == placeholder { return self }
        if let model = all.first(where: { $0.name == name }) { return model }
        if name.hasPrefix(placeholder + ":") {
            let full = self.name + name.dropFirst(placeholder.count)
            if let model = adapters.first(where: { $0.name == full }) { return model }
        }
        let names = all.map(\.name), last = names.count > 1 ? " or " + names[names.count - 1] : ""
        let expected = names.prefix(max(1, names.count - 1)).joined(separator: ", ") + last
        throw APIError(status: .notFound, code: "model_not_found", message: "Unknown model: expected \(expected).", field: "model")
    }

    /// What is known of a model on this machine. Throws for a model on another server.
    var info: ModelInfo {
        get throws(APIError) {
            guard let modelInfo else { throw Self.runsElsewhere }
            return modelInfo
        }
    }

    /// Throws for a model on another server.
    var embeddingWidth: Int {
        get throws(APIError) {
            guard let width = backend.embeddingWidth else { throw Self.runsElsewhere }
            return width
        }
    }

    private static let runsElsewhere = APIError(
        status: .notImplemented, code: "unsupported",
        message: "Not supported: the model runs on another server, and its tokenizer is not known here. Ask that one.")

    /// The model, if it can answer chats.
    func forChats() throws(APIError) -> ServedModel {
        do throws(GenerationError) { _ = try modelInfo?.chatRenderer } catch { throw APIError(error) }
        return self
    }
}

/// Holds the served models. Loads them in the background, and replaces them without downtime: answers that have started finish with the old
/// ones.
final class ModelHolder: Sendable {
    typealias Completion = @Sendable (Result<ServedModel, any Error>) -> Void
    /// Loads the models after those that are served. Calls `publish` when some can already be served.
    typealias Load = @Sendable (
        _ current: ServedModels?, _ isReload: Bool, _ publish: (ServedModels) -> Void
    ) throws -> ServedModels

    private struct Request {
        /// Whether all models are opened again, rather than those that have changed.
        let isReload: Bool
        let completion: Completion
    }

    private struct State {
        var models: ServedModels?
        var isLoading = false
        /// The last call of `load` during a load: the files may have changed again, so they are loaded once more.
        var pending: Request?
        /// In seconds since 1970: `created` in OpenAI's model object.
        var loadedAt = 0
    }

    /// nil if the model is in no registry.
    let registry: ModelRegistry?
    private let state = Mutex(State())
    private let open: Load

    init(of registry: ModelRegistry? = nil, _ open: @escaping Load) {
        self.registry = registry
        self.open = open
    }

    var served: ServedModels? { state.withLock(\.models) }
    /// The model that answers requests which choose none.
    var current: ServedModel? { served?.active }
    var loadedAt: Int { state.withLock(\.loadedAt) }

    /// The current models. Throws 503 until the first ones are loaded.
    var ready: ServedModels {
        get throws(APIError) {
            guard let models = served else {
                throw .serviceUnavailable("loading", "The model is loading. Try again in a moment.", retryAfter: 1)
            }
            return models
        }
    }

    /// Loads the models in the background. During a load, the last call waits and loads again; the others are dropped, but a reload remains
    /// one.
    func load(isReload: Bool = true, _ completion: @escaping Completion) {
        let request = Request(isReload: isReload, completion: completion)
        let startsNow = state.withLock { state in
            if state.isLoading, isReload || state.pending?.isReload != true { state.pending = request }
            defer { state.isLoading = true }
            return !state.isLoading
        }
        if !startsNow { return }
        do {
            try BackgroundThread.run {
                let result = Result { try self.open(self.served, isReload) { self.publish($0) } }
                if case .success(let models) = result { self.publish(models) }
                self.finish(result.map(\.active), completion)
            }
        } catch {
            finish(.failure(error), completion)
        }
    }

    private func publish(_ models: ServedModels) {
        // The models that are replaced may be freed here, outside of the lock.
        let replaced = state.withLock { state in
            if state.models?.active.backend !== models.active.backend { state.loadedAt = Timestamp.now().seconds }
            defer { state.models = models }
            return state.models
        }
        withExtendedLifetime(replaced) {}
    }

    private func finish(_ result: Result<ServedModel, any Error>, _ completion: Completion) {
        let next = state.withLock { state in
            defer {
                state.isLoading = false
                state.pending = nil
            }
            return state.pending
        }
        completion(result)
        if let next { load(isReload: next.isReload, next.completion) }
    }
}
