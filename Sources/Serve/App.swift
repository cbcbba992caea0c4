import HTTPServer
import Infer
import Kernels
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
    /// Decides whose password is hashed next.
    let passwordQueue: Admission
    let rateLimits: RateLimits
    let conversationLocks = ConversationLocks()
    let chatLog: ChatLog?
    let webFiles = WebFiles()
    /// Answers whose last event was not handled yet.
    let unfinishedAnswers = Atomic(0)
    let health: HealthMonitor
    private let started = ContinuousClock.now
    private let stopping = Atomic(false)
    private let handingOver = Atomic(false)

    init(_ settings: ServeSettings, _ store: Store, _ signer: SessionTokenSigner, _ chatLog: ChatLog?, _ models: ModelHolder) throws {
        self.settings = settings
        self.store = store
        self.signer = signer
        self.chatLog = chatLog
        self.models = models
        let executors = try Executors()
        let limits = Admission.Limits(
            slots: settings.slots,
            maxWaiting: settings.maxWaiting,
            perClient: settings.answersPerClient,
            share: max(1, settings.slots / 2),
            canPause: { models.current?.backend.canPause ?? false })
        let admission = Admission(limits) { executors.parsing.runEvenIfFull($0) }
        self.executors = executors
        self.admission = admission
        passwordHasher = PasswordHasher(cost: settings.passwordCost, onHash: settings.onPasswordHash)
        passwordQueue = Admission(Executors.passwordQueueLimits) { $0() }
        rateLimits = RateLimits(settings)
        let health = HealthMonitor(settings.health, models, store)
        self.health = health
        metrics = Metrics(
            routes: Self.routes.map(\.pattern), version: settings.version, slots: settings.slots,
            load: { admission.load }, checks: { health.status.checks })
    }

    /// All routes, the most frequent ones first.
    static let routes = statusRoutes + chatRoutes + openAIRoutes + conversationRoutes + accountRoutes + apiKeyRoutes + tokenRoutes
        + adminRoutes + webPageRoutes

    var isStopping: Bool { stopping.load(ordering: .relaxed) }
    /// Whether load balancers should choose another server.
    var isHandingOver: Bool { handingOver.load(ordering: .relaxed) }
    /// In seconds.
    var uptime: Double { (ContinuousClock.now - started).inSeconds }

    /// Whether nothing is left to do or to store.
    var isIdle: Bool {
        admission.isIdle && unfinishedAnswers.load(ordering: .acquiring) == 0 && conversationLocks.isEmpty && executors.database.isIdle
    }

    /// Reports not ready from now on, but still serves requests.
    func beginHandover() { handingOver.store(true, ordering: .relaxed) }

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
    /// A search may take seconds, so searches have threads of their own, as many as `StoreOptions.searchConnections`.
    let search: ThreadPool

    init() throws(ThreadError) {
        database = try ThreadPool(threads: 8, maxQueued: 2_000)
        parsing = try ThreadPool(threads: 2, maxQueued: 2_000)
        search = try ThreadPool(threads: StoreOptions().searchConnections, maxQueued: 64)
        passwordHashing = try ThreadPool(threads: Self.passwordQueueLimits.slots)
    }

    /// All cores may hash passwords: a thread that hashes competes with those of the engine, but people who sign in wait for it.
    static let passwordQueueLimits = Admission.Limits(slots: CPU.availableCores, maxWaiting: 256, perClient: 8)

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
