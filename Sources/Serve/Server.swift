import HTTPServer
import Glibc
package import Secrets
package import Store
import Synchronization
import Threads

/// The chat server: the web page, accounts, conversations and OpenAI's API.
///
///     let server = try Server(settings, store: store, secret: secret, chatLog: nil) { try open(checkpoint) }
///     server.load { … }
///     server.stop(within: .seconds(30))
package final class Server: Sendable {
    private let app: App
    private let http: HTTPServer
    private let stopped = Mailbox<Bool>()

    package var port: UInt16 { http.port }

    /// - Parameter open: Opens the model. `load` calls it on a thread of its own.
    package init(
        _ settings: ServeSettings,
        store: Store,
        secret: Secret,
        chatLog: ChatLog?,
        open: @escaping @Sendable () throws -> ServedModel
    ) throws {
        let capacity = settings.cachedAnswers
        let models = ModelHolder {
            let model = try open()
            if capacity == 0 { return model }
            return ServedModel(name: model.name, CachingBackend(model.backend, capacity: capacity), model.modelInfo)
        }
        let app = try App(settings, store, SessionTokenSigner(secret), chatLog, models)
        let dispatcher = Dispatcher(app, Router(routes: App.routes))
        var http = settings.http
        http.responseToRejected = { dispatcher.response(to: $0) }
        http.onCompletion = { dispatcher.count($0) }
        self.app = app
        self.http = try HTTPServer(http) { dispatcher.dispatch($0) }
        try BackgroundThread.run { [stopped] in Self.purgePeriodically(store, until: stopped) }
    }

    /// Loads the model in the background: at the start, and again when the checkpoint has changed. Answers in progress finish with the old
    /// model.
    package func load(_ completion: @escaping @Sendable (Result<ServedModel, any Error>) -> Void = { _ in }) {
        app.models.load(completion)
    }

    /// Stops gracefully: rejects new answers, waits up to `time` for those in progress, then cancels them and stores what was generated.
    package func stop(within time: Duration) {
        app.close()
        http.stopAccepting()
        Self.wait(upTo: time) { app.admission.isIdle }
        app.admission.cancelAll()
        http.stop(within: .seconds(5))
        // Answers are also stored if their clients have disconnected.
        Self.wait(upTo: .seconds(5)) { app.conversationLocks.isEmpty && app.executors.database.isIdle }
        stopped.put(true)
    }

    private static func wait(upTo time: Duration, until condition: () -> Bool) {
        let end = ContinuousClock.now + time
        while ContinuousClock.now < end, !condition() { usleep(5_000) }
    }

    package static var routes: [Route] { App.routes }

    /// Removes conversations that were deleted and messages that were replaced, once they can no longer be restored.
    private static func purgePeriodically(_ store: Store, until stopped: Mailbox<Bool>) {
        while stopped.take(within: .seconds(60)) == nil {
            do { try store.purge() } catch { Log.error("cannot remove deleted conversations: \(error)") }
        }
    }
}
