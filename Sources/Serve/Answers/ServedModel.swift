package import Infer
import Synchronization
import Threads

/// What answers at the moment.
package struct ServedModel: Sendable {
    /// As clients call it.
    package let name: String
    package let backend: any ChatBackend
    /// What reads and writes its tokens; nil for a model elsewhere.
    package let modelInfo: ModelInfo?

    /// Tokens that question and answer may have together; nil if nobody knows.
    package var context: Int? { backend.context }

    var samplingDefaults: SamplingDefaults { modelInfo == nil ? .remoteModels : .smallModels }

    package init(name: String, _ backend: any ChatBackend, _ modelInfo: ModelInfo?) {
        self.name = name
        self.backend = backend
        self.modelInfo = modelInfo
    }
}

/// The model that is served: loaded in the background, and replaced by another without a break. What the old one began it ends.
final class ModelHolder: Sendable {
    typealias Loaded = @Sendable (Result<ServedModel, any Error>) -> Void

    private struct State {
        var served: ServedModel?
        var isLoading = false
        /// Who asked for the model meanwhile, when what is being loaded may not be the newest any more.
        var asked: Loaded?
        /// Since when the model is there, in seconds since 1970: OpenAI's clients want to know.
        var since = 0
    }

    private let state = Mutex(State())
    private let open: @Sendable () throws -> ServedModel

    init(_ open: @escaping @Sendable () throws -> ServedModel) { self.open = open }

    var current: ServedModel? { state.withLock(\.served) }
    var since: Int { state.withLock(\.since) }

    /// What answers now.
    var ready: ServedModel {
        get throws(Failure) {
            guard let served = current else { throw .unavailable("loading", "The model is being loaded.", seconds: 1) }
            return served
        }
    }

    /// - Parameter over: Hears of how it went. While the model is being loaded, one more call waits for its turn; the last, if there are
    /// several.
    func load(_ over: @escaping Loaded) {
        let begins = state.withLock { state in
            if state.isLoading { state.asked = over }
            defer { state.isLoading = true }
            return !state.isLoading
        }
        if !begins { return }
        do {
            try BackgroundThread.run {
                let result = Result { try self.open() }
                if case .success(let served) = result { self.state.withLock { ($0.served, $0.since) = (served, unixTime()) } }
                self.end(result, over)
            }
        } catch { end(.failure(error), over) }
    }

    private func end(_ result: Result<ServedModel, any Error>, _ over: Loaded) {
        let next = state.withLock { state in
            defer {
                state.isLoading = false
                state.asked = nil
            }
            return state.asked
        }
        over(result)
        if let next { load(next) }
    }
}
