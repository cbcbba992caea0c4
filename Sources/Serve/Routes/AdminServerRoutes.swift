import HTTPServer
import JSON
import Kernels
import Store

/// The state of this server process, for the operator.
extension App {
    static var adminServerRoutes: [Route] {
        // The process figures are read from /proc.
        [Route("GET", "/api/admin/server", access: .admin, on: .parsing) { app, _ in app.serverState }]
    }

    private var serverState: Response {
        let model = models.current
        let load = admission.load
        let checks = health.status
        let process = ProcessMetrics()
        return Response.json { server in
            server.key("version"); server.string(settings.version)
            server.key("name"); server.string(replicas.name)
            server.key("status"); server.string(isStopping ? "stopping" : model == nil ? "loading" : "ready")
            server.key("uptime_seconds"); server.number(uptime.rounded(toPlaces: 3))
            server.key("checks")
            server.object { checks.write(to: &$0) }
            server.key("model")
            server.object {
                $0.key("name"); if let model { $0.string(model.name) } else { $0.null() }
                $0.key("context"); if let context = model?.context { $0.integer(context) } else { $0.null() }
                $0.key("adapters"); $0.array { names in for adapter in model?.adapters ?? [] { names.string(adapter.name) } }
                $0.key("remote"); $0.boolean(model.map { $0.modelInfo == nil } ?? false)
                // In seconds since 1970.
                $0.key("loaded_at"); if model == nil { $0.null() } else { $0.integer(models.loadedAt) }
            }
            // The models of the registry that this server has loaded, or could not load.
            server.key("registry")
            if registry == nil { server.null() } else { server.array { list in models.served?.write(to: &list) } }
            server.key("queue")
            server.object {
                $0.key("running"); $0.integer(load.running)
                $0.key("slots"); $0.integer(settings.slots)
                $0.key("waiting"); $0.integer(load.waiting)
                $0.key("max_waiting"); $0.integer(settings.maxWaiting)
            }
            server.key("process")
            server.object {
                process.write(to: &$0)
                $0.key("cores"); $0.integer(CPU.availableCores)
            }
            server.key("tokens_generated"); server.integer(metrics.tokensGenerated.value)
            server.key("prompt_tokens"); server.integer(metrics.promptTokens.value)
            server.key("requests"); server.integer(metrics.requests.total)
            server.key("errors"); server.array { Self.write(metrics.requests.errors, to: &$0) }
            server.key("limits"); server.object { writeLimits(to: &$0) }
        }
    }

    /// Writes the most frequent errors first.
    private static func write(_ errors: [RequestMetrics.ErrorCount], to list: inout JSONWriter) {
        for error in errors.sorted(by: { $0.count > $1.count }).prefix(50) {
            list.object {
                $0.key("status"); $0.integer(error.status)
                $0.key("method"); $0.string(error.method)
                $0.key("route"); $0.string(error.route)
                $0.key("count"); $0.integer(error.count)
            }
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
            limits.key(name)
            limits.integer(number)
        }
        limits.key("guests"); limits.boolean(settings.allowsGuests)
        limits.key("registration"); limits.boolean(settings.allowsRegistration)
        limits.key("requires_api_key"); limits.boolean(settings.requiresAPIKey)
    }
}
