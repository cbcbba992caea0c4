import HTTPServer
import JSON

/// Health, metrics and statistics.
extension App {
    static var statusRoutes: [Route] {
        [
            Route("GET", "/api/health", on: .connection) { app, _ in app.health },
            Route("GET", "/metrics", on: .parsing) { app, _ in
                Response(.ok, [("Content-Type", Metrics.contentType)], Array(app.metrics.text.utf8))
            },
            Route("GET", "/stats", on: .database) { app, _ in app.chatLogStatistics },
        ]
    }

    private var health: Response {
        let model = models.current
        let status = isStopping ? "stopping" : model == nil ? "loading" : "ready"
        let load = admission.load
        var response = Response.json(status == "ready" ? .ok : .serviceUnavailable) { health in
            health.key("status"); health.string(status)
            health.key("model"); if let model { health.string(model.name) } else { health.null() }
            health.key("context"); if let context = model?.context { health.integer(context) } else { health.null() }
            health.key("uptime_seconds"); health.number(uptime.rounded(toPlaces: 3))
            health.key("queue")
            health.object {
                $0.key("running"); $0.integer(load.running)
                $0.key("waiting"); $0.integer(load.waiting)
            }
        }
        if status != "ready" { response.headers.append(("Retry-After", "1")) }
        return response
    }

    private var chatLogStatistics: Response {
        Response.json { statistics in
            statistics.key("count"); statistics.integer(chatLog?.count ?? 0)
            statistics.key("ready"); statistics.boolean(chatLog?.hasEnoughForFineTuning ?? false)
            statistics.key("collecting"); statistics.boolean(chatLog != nil)
        }
    }
}
