import HTTPServer
package import Infer
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

    var samplingDefaults: SamplingDefaults { modelInfo == nil ? .remoteModels : .smallModels }

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

    /// The model that a request names in `model`: this one or one of its adapters. Clients may omit the model's name, or write `default`.
    func selected(by fields: RequestFields) throws(APIError) -> ServedModel {
        guard let name = try fields.optionalText("model", 0...1_000) else { return self }
        return try named(name)
    }

    func named(_ name: String) throws(APIError) -> ServedModel {
        let placeholder = "default"
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

    /// The model, if it can answer chats.
    func forChats() throws(APIError) -> ServedModel {
        if let modelInfo, modelInfo.renderer == nil { throw APIError(GenerationError.noChatTemplate(model: name)) }
        return self
    }
}

/// Holds the served model. Loads it in the background, and replaces it without downtime: answers that have started finish with the old one.
final class ModelHolder: Sendable {
    typealias Completion = @Sendable (Result<ServedModel, any Error>) -> Void

    private struct State {
        var model: ServedModel?
        var isLoading = false
        /// The last `load` call during a load: the file may have changed again, so it is loaded once more.
        var pending: Completion?
        /// In seconds since 1970: `created` in OpenAI's model object.
        var loadedAt = 0
    }

    private let state = Mutex(State())
    private let open: @Sendable () throws -> ServedModel

    init(_ open: @escaping @Sendable () throws -> ServedModel) { self.open = open }

    var current: ServedModel? { state.withLock(\.model) }
    var loadedAt: Int { state.withLock(\.loadedAt) }

    /// The current model. Throws 503 until the first one is loaded.
    var ready: ServedModel {
        get throws(APIError) {
            guard let model = current else {
                throw .serviceUnavailable("loading", "The model is loading. Try again in a moment.", retryAfter: 1)
            }
            return model
        }
    }

    /// Loads the model in the background. During a load, the last call waits and loads again; the others are dropped.
    func load(_ completion: @escaping Completion) {
        let startsNow = state.withLock { state in
            if state.isLoading { state.pending = completion }
            defer { state.isLoading = true }
            return !state.isLoading
        }
        if !startsNow { return }
        do {
            try BackgroundThread.run {
                let result = Result { try self.open() }
                if case .success(let model) = result {
                    self.state.withLock { state in
                        state.model = model
                        state.loadedAt = unixTime()
                    }
                }
                self.finish(result, completion)
            }
        } catch {
            finish(.failure(error), completion)
        }
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
        if let next { load(next) }
    }
}
