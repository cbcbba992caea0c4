import HTTPServer
import JSON
import Kernels
import Store

/// The state of this server process, for the operator.
extension StatusService {
    static let adminRoutes: [Route] = [
        // The process figures are read from /proc.
        Route("GET", "/api/admin/server", access: .admin, on: .parsing) { app, _ in app.status.serverState },
    ]

    private var serverState: Response {
        let model = models.current
        let load = admission.load
        let checks = health.status
        let process = ProcessMetrics()
        return Response.json { server in
            server["version"] = settings.version
            server["name"] = replicas.name
            server["status"] = admission.isClosed ? "stopping" : model == nil ? "loading" : "ready"
            server["uptime_seconds"] = uptime.rounded(toPlaces: 3)
            server.object("checks") { checks.write(to: &$0) }
            server.object("model") {
                $0["name"] = model?.name
                $0["context"] = model?.context
                $0["adapters"] = (model?.adapters ?? []).map(\.name)
                $0["remote"] = model.map { $0.modelInfo == nil } ?? false
                // In seconds since 1970.
                $0["loaded_at"] = model == nil ? nil : models.loadedAt
            }
            // The models of the registry that this server has loaded, or could not load.
            server.key("registry")
            switch (models.registry, models.served) {
            case (nil, _): server.null()
            case (_, nil): server.array { _ in }
            case (_, let served?): served.write(to: &server)
            }
            server.object("queue") {
                $0["running"] = load.running
                $0["slots"] = settings.slots
                $0["waiting"] = load.waiting
                $0["max_waiting"] = settings.maxWaiting
            }
            server.object("process") {
                process.write(to: &$0)
                $0["cores"] = CPU.availableCores
            }
            server["tokens_generated"] = metrics.tokensGenerated.value
            server["prompt_tokens"] = metrics.promptTokens.value
            server["requests"] = metrics.requests.total
            // The most frequent ones first.
            server.objects("errors", metrics.requests.errors.sorted { $0.count > $1.count }.prefix(50)) { error, object in
                object["status"] = error.status
                object["method"] = error.method
                object["route"] = error.route
                object["count"] = error.count
            }
            server.object("limits") { writeLimits(to: &$0) }
        }
    }

    /// In the order of the options of `slm serve`; 0 is no limit.
    private func writeLimits(to limits: inout JSONWriter) {
        let numbers = [
            ("answers_per_client", settings.answersPerClient), ("chats_per_minute", settings.chatsPerMinute),
            ("sign_ins_per_minute", settings.signInsPerMinute), ("changes_per_minute", settings.changesPerMinute),
            ("searches_per_minute", settings.searchesPerMinute), ("conversations", store.options.maxConversations),
            ("stored_characters", store.options.maxStoredCharacters), ("api_keys", store.options.maxAPIKeys),
            ("session_seconds", settings.tokenLifetime),
        ]
        for (name, number) in numbers {
            limits[name] = number
        }
        limits["guests"] = settings.allowsGuests
        limits["registration"] = settings.allowsRegistration
        limits["requires_api_key"] = settings.requiresAPIKey
    }
}
