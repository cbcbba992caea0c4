/// Requests by route, method and status. All combinations are there from the start, each a counter of its own: counting looks nothing up.
///
///     let requests = RequestFigures(routes: ["/api/health", "/api/chat"])
///     requests.count(route: 1, method: "POST", status: 200, seconds: 0.2)
package final class RequestFigures: Sendable {
    /// What no route answers.
    package static let noRoute = "other"

    static let methods = ["GET", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "PUT", "other"]
    /// 0 stands for all that are not here.
    static let statuses = [200, 201, 204, 304, 400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 431, 499, 500, 503, 507, 0]

    private let routes: [String]
    private let counters: [Counter]
    private let seconds: [Histogram]

    /// - Parameter routes: As they are written down, with `{id}` for what changes.
    package init(routes: [String]) {
        self.routes = routes + [Self.noRoute]
        counters = (0..<self.routes.count * Self.methods.count * Self.statuses.count).map { _ in Counter() }
        seconds = self.routes.map { _ in Histogram(bounds: Histogram.seconds) }
    }

    /// - Parameter route: Its place among those given; nil for none.
    package func count(route: Int?, method: String, status: Int, seconds: Double) {
        let route = route ?? routes.count - 1, method = Self.methods.firstIndex(of: method) ?? Self.methods.count - 1
        let place = Self.statuses.firstIndex(of: status) ?? Self.statuses.count - 1
        counters[(route * Self.methods.count + method) * Self.statuses.count + place].add()
        self.seconds[route].observe(seconds)
    }

    /// Those that were asked for.
    func write(to text: inout PrometheusText) {
        text.metric("slm_http_requests_total", .counter, "Requests that were answered") { text in
            for (place, counter) in counters.enumerated() where counter.value > 0 {
                let (rest, status) = place.quotientAndRemainder(dividingBy: Self.statuses.count),
                    (route, method) = rest.quotientAndRemainder(dividingBy: Self.methods.count)
                let code = Self.statuses[status] == 0 ? "other" : "\(Self.statuses[status])"
                text.sample(counter.value, [("route", routes[route]), ("method", Self.methods[method]), ("status", code)])
            }
        }
        text.metric("slm_http_request_seconds", .histogram, "From a request's head to the end of its answer") { text in
            for (route, histogram) in zip(routes, seconds) where histogram.counts.contains(where: { $0 > 0 }) {
                text.sample(histogram, [("route", route)])
            }
        }
    }
}
