package import HTTPServer

/// The configuration of a server. The options of `slm serve` set its properties (`ServeOptions`).
///
///     var settings = ServeSettings()
///     settings.http.port = 8_000
package struct ServeSettings: Sendable {
    package var http = HTTPServer.Settings()
    /// The port for Ollama's clients, at the same address: its paths are those under `/ollama` of the main port, and `/v1`. nil for
    /// none.
    package var ollamaPort: Int?
    /// Answers that run at the same time.
    package var slots = 64
    /// Answers that may wait for a slot.
    package var maxWaiting = 256
    /// Running and waiting answers of one client.
    package var answersPerClient = 64
    /// Rate limits of one client; 0 disables a limit.
    package var chatsPerMinute = 240
    /// Registrations have a limit of their own, which is as high.
    package var signInsPerMinute = 20
    /// Requests that change something other than a chat: conversations, keys, the account.
    package var changesPerMinute = 240
    package var searchesPerMinute = 120
    /// The key for `/api/admin`; nil disables these routes.
    package var adminKey: String?
    /// Whether OpenAI clients need an API key.
    package var requiresAPIKey = false
    package var allowsGuests = true
    package var allowsRegistration = true
    /// Names of this server besides localhost, and other origins whose pages may send requests.
    package var hosts: [String] = []
    package var origins: [String] = []
    /// Whether a proxy on this machine, or one of `http.proxies`, writes `X-Forwarded-For`.
    package var trustsProxy = false
    /// The lifetime of a session token in seconds.
    package var tokenLifetime = 7 * 86_400
    /// The cost parameter of bcrypt.
    package var passwordCost = 12
    /// Called after each computation of a password hash with its cost, for tests.
    package var onPasswordHash: (@Sendable (_ cost: String) -> Void)?
    /// Cached answers to greedy requests; 0 disables the cache.
    package var cachedAnswers = 1_024
    /// Whether the cached answer to one client may be sent to another.
    package var sharesCachedAnswers = false
    /// Questions that the chat page offers for a new chat; nil for those of the model.
    package var starterQuestions: [String]?
    /// The model for `/v1/embeddings` and Ollama's; nil if the model that answers computes embeddings.
    package var embeddingModel: ServedModel?
    /// The model for `/v1/rerank`.
    package var reranker: ServedModel?
    /// The models that answer no prompts.
    var encoders: [ServedModel] { [embeddingModel, reranker].compactMap(\.self) }
    /// The documents of the operator that answers can be from.
    package var documents = ServedDocuments()
    /// nil if accounts upload no files.
    package var libraries: LibrarySettings?
    package var health = HealthMonitor.Settings()
    /// How long the server still serves requests, but reports not ready, before it stops: until a load balancer has chosen another server.
    /// If another process takes over the listening sockets, it leaves new connections to that process at once, and waits only for requests
    /// on those that it has accepted. nil for 3 s with inherited sockets, and none otherwise.
    package var handover: Duration?
    /// nil for none.
    package var accessLog: AccessLog.Settings?
    /// Where fine-tuning runs and their files are created.
    package var trainingDirectory = "training"
    /// The program that trains, as `PROGRAM finetune …`: this one.
    package var trainingProgram = "/proc/self/exe"
    /// The checkpoint that the command line names; nil for a remote backend.
    package var checkpoint: @Sendable () -> String? = { nil }
    package var version = ""
    /// The name of this server among those that share its database, and a label of its metrics; nil for the machine's name and the port.
    package var serverName: String?
    /// Called when the model was loaded again because an administrator has asked for it, on any server.
    package var onReload: @Sendable (Result<ServedModel, any Error>) -> Void = { _ in }

    package init() {}
}
