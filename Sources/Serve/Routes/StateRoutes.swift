import HTTPServer
import JSON

/// How the server is.
extension App {
    static var stateRoutes: [Route] {
        [
            Route("GET", "/api/health", by: .here) { app, _ in app.health },
            Route("GET", "/metrics", by: .reading) { app, _ in
                Response(.ok, [("Content-Type", Metrics.contentType)], Array(app.metrics.text.utf8))
            },
            Route("GET", "/stats", by: .store) { app, _ in
                Response.json { stats in
                    stats.key("count"); stats.integer(app.chatLog?.count ?? 0)
                    stats.key("ready"); stats.boolean(app.chatLog?.isEnough ?? false)
                    stats.key("collecting"); stats.boolean(app.chatLog != nil)
                }
            },
        ]
    }

    private var health: Response {
        let model = models.current, state = isLeaving ? "stopping" : model == nil ? "loading" : "ready", queue = desk.status
        var response = Response.json(state == "ready" ? .ok : .unavailable) { health in
            health.key("status"); health.string(state)
            health.key("model"); if let model { health.string(model.name) } else { health.null() }
            health.key("context"); if let context = model?.context { health.integer(context) } else { health.null() }
            health.key("uptime_seconds"); health.number(uptime.rounded(toPlaces: 3))
            health.key("queue")
            health.object {
                $0.key("running"); $0.integer(queue.running)
                $0.key("waiting"); $0.integer(queue.waiting)
            }
        }
        if state != "ready" { response.headers.append(("Retry-After", "1")) }
        return response
    }
}
