import Checkpoint
import HTTPServer
import Infer
import JSON
import Store
import Threads

/// Liveness, readiness and metrics, and the state of this server for the operator.
struct StatusService: Sendable {
    let settings: ServeSettings
    let store: Store
    let models: ModelHolder
    let admission: Admission
    let metrics: Metrics
    let health: HealthMonitor
    let replicas: Replicas
    private let started = ContinuousClock.now

    static let routes: [Route] = [
        Route("GET", "/api/health", on: .connection) { app, _ in app.status.liveness },
        Route("GET", "/api/ready", on: .connection) { app, _ in app.status.readiness },
        Route("GET", "/metrics", on: .parsing) { app, _ in
            Response(.ok, [("Content-Type", Metrics.contentType)], Array(app.status.metrics.text.utf8))
        },
    ]

    /// In seconds.
    var uptime: Double { (ContinuousClock.now - started).inSeconds }

    /// The server runs and answers requests, whether or not it can chat.
    private var liveness: Response {
        let model = models.current
        let load = admission.load
        return Response.json { health in
            health["status"] = admission.isClosed ? "stopping" : model == nil ? "loading" : "ready"
            health["model"] = model?.name
            // The model and its LoRA adapters, one of which a request can name.
            health["models"] = (model?.all ?? []).map(\.name)
            // Whether the model runs on another server.
            health["remote"] = model.map { $0.modelInfo == nil } ?? false
            health["context"] = model?.context
            health["starter_questions"] = settings.starterQuestions ?? model?.modelInfo?.servingDefaults.starterQuestions ?? []
            // What requests have that do not give their own, for each of the models.
            health.object("sampling") { list in
                for model in model?.all ?? [] { list.object(model.name) { model.samplingDefaults.write(to: &$0) } }
            }
            health["registration"] = settings.allowsRegistration ? "open" : "invitation"
            // Whether chats may be used for training, as the page says.
            health["training"] = store.options.showsTrainingNotice
            health["uptime_seconds"] = uptime.rounded(toPlaces: 3)
            health["servers"] = max(1, replicas.servers.count)
            // Those of this server; /api/admin/stats has those of all servers.
            health.object("queue") {
                $0["running"] = load.running
                $0["waiting"] = load.waiting
            }
        }
    }

    /// Whether the server can chat: for load balancers.
    private var readiness: Response {
        let status = health.status
        let isStopping = admission.isClosed || health.isHandingOver
        let isReady = status.isReady && !isStopping
        let isFailing = [status.engine, status.database].contains(.failing)
        var response = Response.json(isReady ? .ok : .serviceUnavailable) { ready in
            ready["status"] = isStopping ? "stopping" : isFailing ? "failing" : isReady ? "ready" : "loading"
            ready.object("checks") { status.write(to: &$0) }
        }
        if !isReady { response.headers.append(("Retry-After", "1")) }
        return response
    }
}
