import HTTPServer
import Infer
import Kernels
import Platform
import Secrets
import Store
import Threads

/// Builds the services of the server, and starts and stops what they share. The handlers of requests are methods of the services.
final class App: Sendable {
    let settings: ServeSettings
    let models: ModelHolder
    let admission: Admission
    let metrics: Metrics
    let pools: ThreadPools
    let rateLimits: RateLimits
    let health: HealthMonitor
    private let replicas: Replicas

    let authenticator: Authenticator
    let status: StatusService
    let accountChats: AccountChatService
    let guestChats: GuestChatService
    let api: APIService
    let conversations: ConversationService
    let documents: DocumentService
    let libraries: LibraryService
    let vectorStores: VectorStoreService
    /// nil if accounts upload no files.
    private let indexer: LibraryIndexer?
    let signIns: SignInService
    let account: AccountService
    let tokens: TokenService
    let admin: AdminService
    let trainingChats: TrainingChatService
    let registry: ModelRegistryService
    let trainingRuns: TrainingRunService
    let comparisons: ComparisonService
    let webFiles = WebFiles()

    init(_ settings: ServeSettings, _ store: Store, _ signingKey: SigningKey, _ collector: ChatCollector?, _ models: ModelHolder) throws {
        self.settings = settings
        self.models = models
        let replicas = Replicas(settings, store, keyDigest: signingKey.digest)
        self.replicas = replicas
        let pools = try ThreadPools(searches: store.searchConnections)
        self.pools = pools
        let limits = Admission.Limits(
            slots: settings.slots, maxWaiting: settings.maxWaiting, perClient: settings.answersPerClient, share: max(1, settings.slots / 2),
            canPause: { models.current?.backend.canPause ?? false })
        let admission = Admission(limits) { pools.parsing.runEvenIfFull($0) }
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
        rateLimits = RateLimits(settings, store, replicas)

        let indexes = settings.libraries.map { LibraryIndexes($0) }
        let catalog = DocumentCatalog(served: settings.documents, libraries: indexes, store: store)
        let indexer = indexes.map { LibraryIndexer(store, $0) }
        self.indexer = indexer
        let passwordHasher = PasswordHasher(cost: settings.passwordCost, onHash: settings.onPasswordHash)
        let conversationLocks = ConversationLocks()
        let generator = AnswerGenerator(models, admission, metrics, parsing: pools.parsing)
        let training = TrainingSupervisor.Configuration(settings, store, replicas.id)
        authenticator = Authenticator(settings: settings, store: store, rateLimits: rateLimits, signingKey: signingKey)
        status = StatusService(
            settings: settings, store: store, models: models, admission: admission, metrics: metrics, health: health, replicas: replicas)
        accountChats = AccountChatService(
            store: store, generator: generator, documents: catalog, rateLimits: rateLimits,
            conversationLocks: conversationLocks, replicas: replicas, collector: collector, database: pools.database)
        guestChats = GuestChatService(
            settings: settings, generator: generator, documents: catalog, rateLimits: rateLimits, collector: collector,
            database: pools.database)
        api = APIService(
            settings: settings, store: store, models: models, generator: generator, documents: catalog, rateLimits: rateLimits,
            revocableAnswers: RevocableAnswers(), database: pools.database)
        conversations = ConversationService(
            store: store, models: models, documents: catalog, rateLimits: rateLimits, conversationLocks: conversationLocks,
            searches: pools.search)
        documents = DocumentService(documents: catalog, rateLimits: rateLimits)
        libraries = LibraryService(documents: catalog, indexer: indexer, rateLimits: rateLimits)
        vectorStores = VectorStoreService(libraries: libraries, rateLimits: rateLimits)
        signIns = SignInService(
            settings: settings, store: store, signingKey: signingKey, passwordHasher: passwordHasher, rateLimits: rateLimits)
        account = AccountService(
            store: store, models: models, rateLimits: rateLimits, signIns: signIns, conversationLocks: conversationLocks,
            replicas: replicas)
        tokens = TokenService(models: models, rateLimits: rateLimits)
        admin = AdminService(
            store: store, passwordHasher: passwordHasher, conversationLocks: conversationLocks, replicas: replicas)
        trainingChats = TrainingChatService(store: store)
        registry = ModelRegistryService(
            store: store, models: models, admission: admission, replicas: replicas, directory: settings.trainingDirectory)
        trainingRuns = TrainingRunService(store: store, supervisor: TrainingSupervisor(training), replicas: replicas)
        comparisons = ComparisonService(store: store, runner: ComparisonRunner(training))
    }

    /// All routes, the most frequent ones first.
    static let routes = [
        StatusService.routes, AccountChatService.routes, GuestChatService.routes, APIService.openAIRoutes, APIService.embeddingRoutes,
        APIService.rerankRoutes, APIService.responsesRoutes, APIService.anthropicRoutes, APIService.ollamaRoutes,
        ConversationService.routes, ConversationService.messageRoutes, DocumentService.routes, LibraryService.routes,
        VectorStoreService.routes, SignInService.routes, AccountService.routes,
        AccountService.apiKeyRoutes, TokenService.routes,
        AdminService.routes, AdminService.userRoutes, StatusService.adminRoutes, AdminService.serverRoutes, TrainingChatService.routes,
        ModelRegistryService.routes, TrainingRunService.routes, ComparisonService.routes, WebFiles.routes,
    ].flatMap { $0 }

    /// Whether nothing is left to do or to store.
    var isIdle: Bool { api.generator.isIdle && accountChats.conversationLocks.isEmpty && pools.database.isIdle }

    /// Registers this server among those that share the database.
    ///
    /// - Parameter port: The port that it listens on.
    func join(port: UInt16) throws {
        let name = settings.serverName ?? "\(machineName() ?? "server"):\(port)"
        models.registry?.setServerName(name)
        let (models, admission, metrics, slots, locks) = (models, admission, metrics, settings.slots, accountChats.conversationLocks)
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
            stopRevoked: { [api] in try api.revocableAnswers.stopRevoked(api.store) },
            reload: { [onReload = settings.onReload] in models.load(onReload) },
            followRegistry: { [registry] in registry.followRegistry() }))
        try trainingRuns.supervisor.start()
        try comparisons.runner.start()
        try indexer?.start()
    }

    /// Ends the threads of this server, and removes it from those that share the database.
    func leave() {
        health.stop()
        trainingRuns.supervisor.stop()
        comparisons.runner.stop()
        indexer?.stop()
        replicas.stop()
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
