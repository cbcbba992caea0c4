import Glibc
package import HTTPServer
package import Secrets
package import Store
import Synchronization
import Threads

/// The chat server: the web page, accounts, conversations and OpenAI's API.
///
///     let server = try Server(settings, store: store, signingKey: key, collector: nil) { try open(checkpoint) }
///     server.load { … }
///     server.stop(within: .seconds(30))
package final class Server: Sendable {
    private let app: App
    private let http: HTTPServer
    /// nil without `ServeSettings.ollamaPort`.
    private let ollama: HTTPServer?
    /// See `ServeSettings.handover`.
    private let handover: Duration
    /// Removes deleted conversations, and messages that were replaced, once they can no longer be restored.
    private let purging = PeriodicThread(every: .seconds(60))
    /// Whether a handover has begun. A second call of `stop` does not wait for another one.
    private let isHandedOver = Atomic(false)

    package var port: UInt16 { http.port }
    package var ollamaPort: UInt16? { ollama?.port }
    private var all: [HTTPServer] { [http] + [ollama].compactMap { $0 } }
    /// The sockets it listens on.
    package var listening: [ListeningSocket] { http.listening }
    /// Whether a service manager holds the sockets, too.
    package let isSocketInherited: Bool

    /// Whether the process works, for a watchdog that restarts it otherwise. It does when only the database or a remote model fails.
    package var isResponsive: Bool {
        let isLocal = app.models.current?.modelInfo != nil
        return all.allSatisfy(\.isResponsive) && !(isLocal && app.health.status.engine == .failing)
    }

    /// Whether no answer is in progress, and nothing is left to store.
    package var isIdle: Bool { app.isIdle }

    /// A server of one model that is in no registry, such as that of another server.
    ///
    /// - Parameter open: Opens the model. `load` calls it on a thread of its own.
    package convenience init(
        _ settings: ServeSettings,
        store: Store,
        signingKey: SigningKey,
        collector: ChatCollector?,
        open: @escaping @Sendable () throws -> ServedModel
    ) throws {
        let models = ModelHolder { current, isReload, _ in
            if let current, !isReload { return current }
            return ServedModels(Self.withCache(settings)(try open()))
        }
        try self.init(settings, store, signingKey, collector, models)
    }

    /// A server of the models in the database's registry.
    package convenience init(
        _ settings: ServeSettings, store: Store, signingKey: SigningKey, collector: ChatCollector?, models source: ModelSource
    ) throws {
        let registry = ModelRegistry(store, source, wrap: Self.withCache(settings))
        let models = ModelHolder(of: registry) { try registry.load(after: $0, isReload: $1, publish: $2) }
        try self.init(settings, store, signingKey, collector, models)
    }

    /// Returns a function that adds caches of answers to a model.
    private static func withCache(_ settings: ServeSettings) -> @Sendable (ServedModel) -> ServedModel {
        let capacity = settings.cachedAnswers
        let isShared = settings.sharesCachedAnswers
        return { model in
            if capacity == 0 { return model }
            return model.wrapped { CachingBackend($0, capacity: capacity, isShared: isShared) }
        }
    }

    private init(
        _ settings: ServeSettings, _ store: Store, _ signingKey: SigningKey, _ collector: ChatCollector?, _ models: ModelHolder
    ) throws {
        isSocketInherited = !settings.http.listening.isEmpty
        // Longer than a proxy keeps idle connections (deploy/Caddyfile), so that it sends no request on one that is being closed.
        handover = settings.handover ?? (isSocketInherited ? .seconds(3) : .zero)
        let app = try App(settings, store, signingKey, collector, models)
        let dispatcher = try Dispatcher(app, Router(routes: App.routes))
        var http = settings.http
        http.responseToRejected = { dispatcher.response(to: $0) }
        http.onCompletion = { dispatcher.record($0) }
        http.requestPolicy = { dispatcher.policy(for: $0) }
        http.onMistake = { Log.error($0) }
        http.trustsRequestIDs = settings.trustsProxy
        http.closesAfterStreams = handover > .zero
        self.app = app
        self.http = try HTTPServer(http) { dispatcher.dispatch($0) }
        do {
            ollama = try settings.ollamaPort.map { try Self.ollama(on: $0, http, dispatcher) }
            do { try app.join(port: self.http.port) } catch {
                ollama?.stop(within: .zero)
                throw error
            }
        } catch {
            self.http.stop(within: .zero)
            throw error
        }
        try app.health.start()
        try purging.start {
            { do { try store.purge() } catch { Log.error("cannot remove deleted conversations: \(error)") } }
        }
    }

    /// - Parameter settings: The settings of the main port.
    private static func ollama(on port: Int, _ settings: HTTPServer.Settings, _ dispatcher: Dispatcher) throws -> HTTPServer {
        var settings = settings
        settings.port = UInt16(port)
        // Ollama's port has the API of OpenAI, too.
        settings.pathPrefix = { $0.hasPrefix("/v1/") ? "" : APIError.ollamaPrefix }
        settings.listening = []
        settings.acceptsLater = false
        do { return try HTTPServer(settings) { dispatcher.dispatch($0) } } catch HTTPServerError.portInUse(let host, let port) {
            let reason = "another program uses this port, perhaps Ollama. Stop it, or choose another port: --ollama-port \(port &+ 1)"
            throw HTTPServerError.system(call: "cannot listen on \(host):\(port)", reason: reason)
        }
    }

    /// Loads the model in the background: at the start, and again when the checkpoint has changed. Answers in progress finish with the old
    /// model.
    package func load(_ completion: @escaping @Sendable (Result<ServedModel, any Error>) -> Void = { _ in }) {
        app.models.load { [weak self] result in
            do {
                if case .success = result { try self?.http.startAccepting() }
                completion(result)
            } catch {
                completion(.failure(error))
            }
        }
    }

    /// Stops gracefully: hands over (`ServeSettings.handover`), rejects new answers, waits up to `time` for those in progress, then cancels
    /// them and stores what was generated.
    package func stop(within time: Duration) {
        if handover > .zero, !isHandedOver.exchange(true, ordering: .relaxed) {
            handOver()
            // Requests that have arrived, or begun to, are still answered, and those for answers not rejected.
            Self.wait(upTo: time) { all.allSatisfy { $0.connectionCount == 0 } && app.admission.isIdle }
        }
        app.admission.close()
        for server in all { server.stopAccepting() }
        Self.wait(upTo: time) { app.admission.isIdle }
        app.admission.cancelAll()
        for server in all { server.stop(within: .seconds(5)) }
        // Also stores answers whose clients have disconnected, collected chats and token counts.
        Self.wait(upTo: .seconds(5)) { isIdle }
        app.leave()
        purging.stop()
    }

    private func handOver() {
        if isSocketInherited {
            // There may be no other server to choose: the next process answers the load balancer.
            stopAccepting(closingIdleAfter: handover)
            Self.wait(upTo: handover) { all.allSatisfy { $0.connectionCount == 0 } }
        } else {
            app.health.beginHandover()
            Self.wait(upTo: handover) { false }
            stopAccepting(closingIdleAfter: .zero)
        }
    }

    private func stopAccepting(closingIdleAfter time: Duration) {
        for server in all {
            server.stopAccepting()
            server.closeIdleConnections(after: time)
        }
    }

    private static func wait(upTo time: Duration, until condition: () -> Bool) {
        let end = ContinuousClock.now + time
        while ContinuousClock.now < end, !condition() { usleep(5_000) }
    }

    package static var routes: [Route] { App.routes }
}
