import HTTPServer
import Secrets
import Store
import Synchronization
import Threads

/// The state that all routes share.
final class App: Sendable {
    let settings: ServeSettings
    let store: Store
    let models: ModelHolder
    let admission: Admission
    let metrics: Metrics
    let executors: Executors
    let signer: SessionTokenSigner
    let passwordHasher: PasswordHasher
    let rateLimits: RateLimits
    let conversationLocks = ConversationLocks()
    let chatLog: ChatLog?
    let webFiles = WebFiles()
    private let started = ContinuousClock.now
    private let stopping = Atomic(false)

    init(_ settings: ServeSettings, _ store: Store, _ signer: SessionTokenSigner, _ chatLog: ChatLog?, _ models: ModelHolder) throws {
        self.settings = settings
        self.store = store
        self.signer = signer
        self.chatLog = chatLog
        self.models = models
        let executors = try Executors()
        let limits = Admission.Limits(slots: settings.slots, maxWaiting: settings.maxWaiting, perClient: settings.answersPerClient)
        let admission = Admission(limits) { executors.parsing.runEvenIfFull($0) }
        self.executors = executors
        self.admission = admission
        metrics = Metrics(routes: Self.routes.map(\.pattern), version: settings.version) { admission.load }
        passwordHasher = PasswordHasher(cost: settings.passwordCost)
        rateLimits = RateLimits(settings)
    }

    /// All routes, the most frequent ones first.
    static let routes = statusRoutes + chatRoutes + openAIRoutes + conversationRoutes + accountRoutes + apiKeyRoutes + tokenRoutes
        + adminRoutes + webPageRoutes

    var isStopping: Bool { stopping.load(ordering: .relaxed) }
    /// In seconds.
    var uptime: Double { (ContinuousClock.now - started).inSeconds }

    /// Rejects new answers from now on.
    func close() {
        stopping.store(true, ordering: .relaxed)
        admission.close()
    }
}

/// The thread pools behind `Route.Executor`.
struct Executors: Sendable {
    let database: ThreadPool
    /// Also starts answers that have waited.
    let parsing: ThreadPool
    /// One hash takes one core for a quarter of a second.
    let passwordHashing: ThreadPool

    init() throws(ThreadError) {
        database = try ThreadPool(threads: 8, maxQueued: 2_000)
        parsing = try ThreadPool(threads: 2, maxQueued: 2_000)
        passwordHashing = try ThreadPool(threads: 1, maxQueued: 32)
    }

    /// Returns nil for the thread of the connection.
    subscript(executor: Route.Executor) -> ThreadPool? {
        switch executor {
        case .connection: nil
        case .database: database
        case .parsing: parsing
        case .passwordHashing: passwordHashing
        }
    }
}
