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
            health.key("status"); health.string(isStopping ? "stopping" : model == nil ? "loading" : "ready")
            health.key("model"); if let model { health.string(model.name) } else { health.null() }
            // The model and its LoRA adapters, one of which a request can name.
            health.key("models"); health.array { names in for model in model?.all ?? [] { names.string(model.name) } }
            // Whether the model runs on another server.
            health.key("remote"); health.boolean(model.map { $0.modelInfo == nil } ?? false)
            health.key("context"); if let context = model?.context { health.integer(context) } else { health.null() }
            health.key("starter_questions")
            let questions = settings.starterQuestions ?? model?.modelInfo?.servingDefaults.starterQuestions ?? []
            health.array { for question in questions { $0.string(question) } }
            // Of requests that do not give their own.
            health.key("sampling"); health.object { model?.samplingDefaults.write(to: &$0) }
            health.key("registration"); health.string(settings.allowsRegistration ? "open" : "invitation")
            // Whether chats may be used for training, as the page says.
            health.key("training"); health.boolean(store.options.tellsAboutTraining)
            health.key("uptime_seconds"); health.number(uptime.rounded(toPlaces: 3))
            health.key("servers"); health.integer(max(1, replicas.servers.count))
            // Of this server; /api/admin/stats has those of all servers.
            health.key("queue")
            health.object {
                $0.key("running"); $0.integer(load.running)
                $0.key("waiting"); $0.integer(load.waiting)
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
            ready.key("status"); ready.string(isStopping ? "stopping" : isFailing ? "failing" : isReady ? "ready" : "loading")
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
            statistics.key("count"); statistics.integer(count)
            statistics.key("ready"); statistics.boolean(isReady)
            statistics.key("collecting"); statistics.boolean(chatCollector != nil)
            statistics.key("conversations"); statistics.integer(conversations)
            // A copy in the file stays when a chat is deleted.
            statistics.key("file"); statistics.boolean(chatCollector?.writesFile ?? false)
        }
    }
}
