import Checkpoint
import HTTPServer
import Infer
import JSON
import Store

/// Liveness, readiness, metrics and statistics.
extension App {
    static var statusRoutes: [Route] {
        [
            Route("GET", "/api/health", on: .connection) { app, _ in app.liveness },
            Route("GET", "/api/ready", on: .connection) { app, _ in app.readiness },
            Route("GET", "/metrics", on: .parsing) { app, _ in
                Response(.ok, [("Content-Type", Metrics.contentType)], Array(app.metrics.text.utf8))
            },
            Route("GET", "/stats", on: .database) { app, _ in try app.chatLogStatistics() },
        ]
    }

    /// The server runs and answers requests, whether or not it can chat.
    private var liveness: Response {
        let model = models.current
        let load = admission.load
        return Response.json { health in
            health["status"] = isStopping ? "stopping" : model == nil ? "loading" : "ready"
            health["model"] = model?.name
            // The model and its LoRA adapters, one of which a request can name.
            health.key("models"); health.array { names in for model in model?.all ?? [] { names.string(model.name) } }
            // Whether the model runs on another server.
            health["remote"] = model.map { $0.modelInfo == nil } ?? false
            health["context"] = model?.context
            health.key("starter_questions")
            let questions = settings.starterQuestions ?? model?.modelInfo?.servingDefaults.starterQuestions ?? []
            health.array { for question in questions { $0.string(question) } }
            // Of requests that do not give their own, for each of the models.
            health.key("sampling")
            health.object { list in
                for model in model?.all ?? [] { list.key(model.name); list.object { model.samplingDefaults.write(to: &$0) } }
            }
            health["registration"] = settings.allowsRegistration ? "open" : "invitation"
            // Whether chats may be used for training, as the page says.
            health["training"] = store.options.tellsAboutTraining
            health["uptime_seconds"] = uptime.rounded(toPlaces: 3)
            health["servers"] = max(1, replicas.servers.count)
            // Of this server; /api/admin/stats has those of all servers.
            health.key("queue")
            health.object {
                $0["running"] = load.running
                $0["waiting"] = load.waiting
            }
        }
    }

    /// Whether the server can chat: for load balancers.
    private var readiness: Response {
        let status = health.status
        let isStopping = isStopping || isHandingOver
        let isReady = status.isReady && !isStopping
        let isFailing = [status.engine, status.database].contains(.failing)
        var response = Response.json(isReady ? .ok : .serviceUnavailable) { ready in
            ready["status"] = isStopping ? "stopping" : isFailing ? "failing" : isReady ? "ready" : "loading"
            ready.key("checks")
            ready.object { status.write(to: &$0) }
        }
        if !isReady { response.headers.append(("Retry-After", "1")) }
        return response
    }

    private func chatLogStatistics() throws -> Response {
        let count = try chatCollector?.count ?? 0
        let conversations = try chatCollector?.conversations ?? 0
        let isReady = try chatCollector?.hasEnoughForFineTuning ?? false
        return Response.json { statistics in
            statistics["count"] = count
            statistics["ready"] = isReady
            statistics["collecting"] = chatCollector != nil
            statistics["conversations"] = conversations
            // A copy in the file stays when a chat is deleted.
            statistics["file"] = chatCollector?.writesFile ?? false
        }
    }
}
