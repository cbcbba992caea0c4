import HTTPServer
import Infer
import Kernels
import Platform
import Secrets
import Store
import Synchronization
import Threads

/// The state that all routes share.
final class App: Sendable {
    let settings: ServeSettings
    let store: Store
    let models: ModelHolder
    /// nil if the model is in no registry.
    let registry: ModelRegistry?
    let admission: Admission
    let metrics: Metrics
    let pools: ThreadPools
    let signer: SessionTokenSigner
    let passwordHasher: PasswordHasher
    /// Decides whose password is hashed next.
    let passwordQueue: Admission
    let rateLimits: RateLimits
    let conversationLocks = ConversationLocks()
    let revocableAnswers = RevocableAnswers()
    let chatCollector: ChatCollector?
    let replicas: Replicas
    let webFiles = WebFiles()
    /// Answers whose last event was not handled yet.
    let unfinishedAnswers = Atomic(0)
    let health: HealthMonitor
    let training: TrainingSupervisor
    let comparisons: ComparisonRunner
    private let started = ContinuousClock.now
    private let stopping = Atomic(false)
    private let handingOver = Atomic(false)

    init(
        _ settings: ServeSettings, _ store: Store, _ secret: Secret, _ chatCollector: ChatCollector?, _ models: ModelHolder,
        _ registry: ModelRegistry?
    ) throws {
        self.settings = settings
        self.store = store
        signer = SessionTokenSigner(secret)
        self.chatCollector = chatCollector
        self.models = models
        self.registry = registry
        let replicas = Replicas(settings, store, keyDigest: secret.digest)
        self.replicas = replicas
        training = TrainingSupervisor(Self.trainingConfiguration(settings, store, replicas.id))
        comparisons = ComparisonRunner(training.configuration)
        let pools = try ThreadPools(searches: store.searchConnections)
        let limits = Admission.Limits(
            slots: settings.slots,
            maxWaiting: settings.maxWaiting,
            perClient: settings.answersPerClient,
            share: max(1, settings.slots / 2),
            canPause: { models.current?.backend.canPause ?? false })
        let admission = Admission(limits) { pools.parsing.runEvenIfFull($0) }
        self.pools = pools
        self.admission = admission
        let health = HealthMonitor(settings.health, models, store)
        self.health = health
        metrics = Metrics(
            routes: Self.routes.map(\.pattern), version: settings.version, server: settings.serverName, slots: settings.slots,
            load: {
                let load = admission.load
                return Metrics.Load(running: load.running, waiting: load.waiting, servers: max(1, replicas.servers.count))
            },
            checks: { health.status.checks }, kvMemory: { models.current?.backend.kvMemoryUse },
            sqliteMemory: { store.database.memoryBytes })
        passwordHasher = PasswordHasher(cost: settings.passwordCost, onHash: settings.onPasswordHash)
        passwordQueue = Admission(ThreadPools.passwordQueueLimits) { $0() }
        rateLimits = RateLimits(settings, store, replicas)
    }

    /// All routes, the most frequent ones first.
    static let routes = statusRoutes + chatRoutes + openAIRoutes + embeddingRoutes + responsesRoutes + anthropicRoutes
        + ollamaRoutes + conversationRoutes + messageRoutes + accountRoutes + apiKeyRoutes + tokenRoutes + adminRoutes + modelRoutes
        + trainingRunRoutes + comparisonRoutes + webPageRoutes

    var isStopping: Bool { stopping.load(ordering: .relaxed) }
    /// Whether load balancers should choose another server.
    var isHandingOver: Bool { handingOver.load(ordering: .relaxed) }
    /// In seconds.
    var uptime: Double { (ContinuousClock.now - started).inSeconds }

    /// Whether nothing is left to do or to store.
    var isIdle: Bool {
        admission.isIdle && unfinishedAnswers.load(ordering: .acquiring) == 0 && conversationLocks.isEmpty && pools.database.isIdle
    }

    /// Reports not ready from now on, but still serves requests.
    func beginHandover() { handingOver.store(true, ordering: .relaxed) }

    /// Registers this server among those that share the database.
    ///
    /// - Parameter port: The port that it listens on.
    func join(port: UInt16) throws {
        let name = settings.serverName ?? "\(machineName() ?? "server"):\(port)"
        registry?.setServerName(name)
        let (models, admission, metrics, slots, locks) = (models, admission, metrics, settings.slots, conversationLocks)
        try replicas.start(name: name, Replicas.Actions(
            status: { isAlone in
                var status = ServerStatus()
                let load = admission.load
                status.model = models.current?.name
                status.slots = slots
                status.running = load.running
                status.waiting = load.waiting
                status.answerTokens = metrics.tokensGenerated.value
                status.memoryBytes = ProcessMetrics.residentBytes
                if !isAlone { status.clients = admission.loads.json }
                return status
            },
            setOthers: { others in
                let loads = others.map { [ClientKey: Admission.Load](json: $0.status.clients) }
                admission.setElsewhere(loads.reduce(into: [:]) { all, loads in
                    all.merge(loads) { Admission.Load(running: $0.running + $1.running, waiting: $0.waiting + $1.waiting) }
                })
            },
            leasedAnswers: { locks.leasedAnswers },
            stopRevoked: { [revocableAnswers, store] in try revocableAnswers.stopRevoked(store) },
            reload: { [onReload = settings.onReload] in models.load(onReload) },
            followRegistry: { [weak self] in self?.followRegistry() }))
        try training.start()
        try comparisons.start()
    }

    /// Loads what the registry names, if that has changed.
    func followRegistry() {
        guard registry != nil else { return }
        models.load(isReload: false) { [replicas] result in
            guard case .failure(let error) = result else { return }
            Log.error(.loadFailed, "the registry of models cannot be followed: \(error)")
            replicas.forgetRegistry()
        }
    }

    /// Rejects new answers from now on.
    func close() {
        stopping.store(true, ordering: .relaxed)
        admission.close()
    }
}

/// The thread pools behind `Route.Pool`.
struct ThreadPools: Sendable {
    let database: ThreadPool
    /// Also starts answers that have waited.
    let parsing: ThreadPool
    /// One hash takes one core for a quarter of a second.
    let passwordHashing: ThreadPool
    /// A search may take seconds, so searches have threads of their own, as many as they have connections.
    let search: ThreadPool

    /// - Parameter searches: `Store.searchConnections`.
    init(searches: Int) throws(ThreadError) {
        database = try ThreadPool(threads: 8, maxQueued: 2_000)
        parsing = try ThreadPool(threads: 2, maxQueued: 2_000)
        search = try ThreadPool(threads: searches, maxQueued: 64)
        passwordHashing = try ThreadPool(threads: Self.passwordQueueLimits.slots)
    }

    /// All cores may hash passwords: a thread that hashes competes with those of the engine, but people who sign in wait for it.
    static let passwordQueueLimits = Admission.Limits(slots: CPU.availableCores, maxWaiting: 256, perClient: 8)

    /// Returns nil for the thread of the connection.
    subscript(pool: Route.Pool) -> ThreadPool? {
        switch pool {
        case .connection: nil
        case .database: database
        case .parsing: parsing
        case .passwordHashing: passwordHashing
        }
    }
}
