import HTTPServer
import Glibc
package import Secrets
package import Store
import Synchronization
import Threads

/// The chat server: the page, accounts and conversations, programs of OpenAI's kind.
///
///     let server = try Server(settings, store: store, secret: secret, chatLog: nil) { try open(checkpoint) }
///     server.load { … }
///     server.stop(within: .seconds(30))
package final class Server: Sendable {
    private let app: App
    private let http: HTTPServer
    private let ending = Mailbox<Bool>()

    package var port: UInt16 { http.port }

    /// - Parameter open: Makes the model that answers; called by `load`, on a thread of its own.
    package init(
        _ settings: ServeSettings, store: Store, secret: Secret, chatLog: ChatLog?, open: @escaping @Sendable () throws -> ServedModel
    ) throws {
        let remembered = settings.rememberedAnswers
        let app = try App(
            settings, store, SessionTokenSigner(secret), chatLog,
            ModelHolder {
                let model = try open()
                return remembered > 0
                    ? ServedModel(name: model.name, CachingBackend(model.backend, remembering: remembered), model.modelInfo) : model
            })
        let router = Router(routes: App.routes), dispatcher = Dispatcher(app, router)
        var http = settings.http
        http.refuse = { dispatcher.refused($0) }
        http.note = { dispatcher.count($0) }
        self.app = app
        self.http = try HTTPServer(http) { dispatcher.dispatch($0) }
        try BackgroundThread.run { [ending] in Self.keepHouse(store, until: ending) }
    }

    /// Begins to serve what `open` makes, the first time and whenever there may be another. What is being answered is answered to its end.
    package func load(_ over: @escaping @Sendable (Result<ServedModel, any Error>) -> Void = { _ in }) { app.models.load(over) }

    /// Ends gently: nothing new is begun, what is under way goes on for a while, then it is cut off, and what was said by then is stored.
    package func stop(within time: Duration) {
        app.leave()
        http.quiesce()
        Self.wait(time) { app.desk.isIdle }
        app.desk.cancelAll()
        http.stop(within: .seconds(5))
        // What was said is stored also where nobody listens any more.
        Self.wait(.seconds(5)) { app.talks.isEmpty && app.crews.store.isIdle }
        ending.put(true)
    }

    private static func wait(_ most: Duration, until isSo: () -> Bool) {
        let end = ContinuousClock.now + most
        while ContinuousClock.now < end, !isSo() { usleep(5_000) }
    }

    /// What is answered, and to whom.
    package static var routes: [Route] { App.routes }

    /// What was deleted longer ago than it can be had back is removed.
    private static func keepHouse(_ store: Store, until ending: Mailbox<Bool>) {
        while ending.take(within: .seconds(60)) == nil {
            do { try store.purge() } catch { note("old conversations were not removed: \(error)") }
        }
    }
}
