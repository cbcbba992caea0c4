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

    /// Tokens of prompt and answer together; nil if unknown.
    package var context: Int? { backend.context }

    var samplingDefaults: SamplingDefaults { modelInfo == nil ? .remoteModels : .smallModels }

    package init(name: String, _ backend: any ChatBackend, _ modelInfo: ModelInfo?) {
        self.name = name
        self.backend = backend
        self.modelInfo = modelInfo
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
