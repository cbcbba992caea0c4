package import Infer

/// The server's metrics for Prometheus.
///
///     let metrics = Metrics(routes: routes, version: "1.0", slots: 64, load: { admission.load }, checks: { [] })
///     metrics.requests.count(route: 0, method: "GET", status: 200, seconds: 0.001)
///     metrics.tokensGenerated.add(12)
///     metrics.text                                             // # HELP slm_http_requests_total …
///
/// Only the end of an answer takes a lock to be counted. The metrics contain no usernames and no messages.
package final class Metrics: Sendable {
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    package let requests: RequestMetrics
    package let tokensGenerated = Counter()
    package let promptTokens = Counter()
    package let rightGuesses = Counter(), wrongGuesses = Counter()
    /// Texts that were embedded.
    let embeddings = Counter()
    /// By the name of the model, which differs between the LoRA adapters of one server.
    let modelAnswers = LabeledCounter()
    let modelTokens = LabeledCounter()
    /// The time from a request to the first text of its answer, including the wait for a slot.
    package let firstTokenSeconds = Histogram(bounds: Histogram.seconds)
    /// The time from a request to the end of its answer.
    package let answerSeconds = Histogram(bounds: Histogram.seconds)

    package struct Load: Sendable {
        let running, waiting, servers: Int

        /// - Parameter servers: The servers that share the database.
        package init(running: Int, waiting: Int, servers: Int = 1) {
            self.running = running
            self.waiting = waiting
            self.servers = servers
        }
    }

    private let version: String
    private let server: String?
    private let slots: Int
    private let load: @Sendable () -> Load
    private let checks: @Sendable () -> [(name: String, isOK: Bool)]
    private let kvMemory: @Sendable () -> KVMemoryUse?
    private let sqliteMemory: @Sendable () -> Int?

    /// - Parameters:
    ///   - server: The value of the label `server` of all samples, which tells the servers behind a proxy apart; nil for no label.
    ///   - checks: The results of the last health checks.
    ///   - kvMemory: The active model's; nil if it runs on another server.
    ///   - sqliteMemory: In bytes; nil with another database.
    package init(
        routes: [String], version: String, server: String? = nil, slots: Int, load: @escaping @Sendable () -> Load,
        checks: @escaping @Sendable () -> [(name: String, isOK: Bool)], kvMemory: @escaping @Sendable () -> KVMemoryUse? = { nil },
        sqliteMemory: @escaping @Sendable () -> Int? = { nil }
    ) {
        requests = RequestMetrics(routes: routes)
        self.version = version
        self.server = server
        self.slots = slots
        self.load = load
        self.checks = checks
        self.kvMemory = kvMemory
        self.sqliteMemory = sqliteMemory
    }

    package var text: String {
        var text = PrometheusText(server.map { [("server", $0)] } ?? [])
        requests.write(to: &text)
        text.metric("slm_tokens_generated_total", .counter, "Generated tokens") { $0.sample(tokensGenerated.value) }
        text.metric("slm_prompt_tokens_total", .counter, "Prompt tokens") { $0.sample(promptTokens.value) }
        text.metric("slm_guessed_tokens_total", .counter, "Guesses of next tokens that the model has checked") {
            $0.sample(rightGuesses.value, [("result", "right")])
            $0.sample(wrongGuesses.value, [("result", "wrong")])
        }
        text.metric("slm_embeddings_total", .counter, "Embedded texts") { $0.sample(embeddings.value) }
        text.metric("slm_model_answers_total", .counter, "Ended answers of each model and LoRA adapter") { text in
            for (model, count) in modelAnswers.values { text.sample(count, [("model", model)]) }
        }
        text.metric("slm_model_tokens_generated_total", .counter, "Generated tokens of each model and LoRA adapter") { text in
            for (model, count) in modelTokens.values { text.sample(count, [("model", model)]) }
        }
        let load = load()
        text.metric("slm_queue_length", .gauge, "Answers that wait for a slot") { $0.sample(load.waiting) }
        text.metric("slm_answers_running", .gauge, "Answers in progress") { $0.sample(load.running) }
        text.metric("slm_slots", .gauge, "Answers that can be in progress at the same time") { $0.sample(slots) }
        text.metric("slm_check_ok", .gauge, "1 if the last health check of this part succeeded, else 0") { text in
            for check in checks() { text.sample(check.isOK ? 1 : 0, [("check", check.name)]) }
        }
        text.metric("slm_servers", .gauge, "Servers that share the database") { $0.sample(load.servers) }
        text.metric("slm_first_token_seconds", .histogram, "Time from a request to the first text of its answer") {
            $0.sample(firstTokenSeconds)
        }
        text.metric("slm_answer_seconds", .histogram, "Time from a request to the end of its answer") { $0.sample(answerSeconds) }
        if let memory = kvMemory() {
            text.metric("slm_kv_cache_bytes", .gauge, "Memory of cached keys and values") { $0.sample(memory.used) }
            text.metric("slm_kv_cache_reserved_bytes", .gauge, "The same, with what answers in progress have reserved") {
                $0.sample(memory.reserved)
            }
            text.metric("slm_kv_cache_limit_bytes", .gauge, "The most memory of cached keys and values") { $0.sample(memory.limit) }
        }
        if let bytes = sqliteMemory() {
            text.metric("slm_sqlite_memory_bytes", .gauge, "Memory that SQLite uses, mostly for pages of the database") { $0.sample(bytes) }
        }
        ProcessMetrics().write(to: &text)
        text.metric("slm_build_info", .gauge, "1, labeled with the version") { $0.sample(1, [("version", version)]) }
        return text.text
    }
}
