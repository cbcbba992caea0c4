/// Counts requests by route, method and status. All combinations exist from the start, so counting looks nothing up in a dictionary.
///
///     let requests = RequestMetrics(routes: ["/api/health", "/api/chat"])
///     requests.count(route: 1, method: "POST", status: 200, seconds: 0.2)
package final class RequestMetrics: Sendable {
    /// The label of requests without a route.
    static let noRoute = "other"
    private static let methods = ["GET", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "PUT", "other"]
    /// 0 is any other status.
    private static let statuses = [
        200, 201, 204, 304, 400, 401, 403, 404, 405, 409, 413, 414, 415, 417, 422, 429, 431, 499, 500, 501, 502, 503, 505, 507, 0,
    ]

    private let routes: [String]
    /// [route][method][status]
    private let counters: [Counter]
    /// One per pattern: routes that differ only in the method share a histogram, so that each series is written once.
    private let seconds: [Histogram]
    private let patterns: [String]
    /// The index in `patterns` of each route.
    private let patternOfRoute: [Int]

    /// - Parameter routes: The patterns, such as "/api/keys/{id}".
    package init(routes: [String]) {
        self.routes = routes + [Self.noRoute]
        counters = (0..<self.routes.count * Self.methods.count * Self.statuses.count).map { _ in Counter() }
        var patterns: [String] = []
        patternOfRoute = self.routes.map { route in
            if let known = patterns.firstIndex(of: route) { return known }
            patterns.append(route)
            return patterns.count - 1
        }
        self.patterns = patterns
        seconds = patterns.map { _ in Histogram(bounds: Histogram.seconds) }
    }

    /// Returns a method that has a label of its own, or "other".
    static func knownMethod(_ method: String) -> String { methods.contains(method) ? method : "other" }

    /// - Parameter route: An index into `routes`; nil for none.
    package func count(route: Int?, method: String, status: Int, seconds: Double) {
        let route = route ?? routes.count - 1
        let method = Self.methods.firstIndex(of: method) ?? Self.methods.count - 1
        let status = Self.statuses.firstIndex(of: status) ?? Self.statuses.count - 1
        counters[(route * Self.methods.count + method) * Self.statuses.count + status].add()
        self.seconds[patternOfRoute[route]].observe(seconds)
    }

    /// Requests that ended with an error status since the start of the process.
    struct ErrorCount: Sendable, Equatable {
        let status: Int
        let method, route: String
        let count: Int
    }

    var errors: [ErrorCount] {
        occurred.filter { $0.status >= 400 }
            .map { ErrorCount(status: $0.status, method: $0.method, route: $0.route, count: $0.count) }
    }

    var total: Int { counters.reduce(0) { $0 + $1.value } }

    /// The combinations that have occurred.
    private var occurred: [(route: String, method: String, status: Int, count: Int)] {
        counters.enumerated().filter { $0.element.value > 0 }.map { index, counter in
            let (rest, status) = index.quotientAndRemainder(dividingBy: Self.statuses.count)
            let (route, method) = rest.quotientAndRemainder(dividingBy: Self.methods.count)
            return (routes[route], Self.methods[method], Self.statuses[status], counter.value)
        }
    }

    func write(to text: inout PrometheusText) {
        text.metric("slm_http_requests_total", .counter, "HTTP requests") { text in
            for (route, method, status, count) in occurred {
                text.sample(count, [("route", route), ("method", method), ("status", status == 0 ? "other" : "\(status)")])
            }
        }
        text.metric("slm_http_request_seconds", .histogram, "Time from a complete request to the end of its response") { text in
            for (route, histogram) in zip(patterns, seconds) where histogram.counts.contains(where: { $0 > 0 }) {
                text.sample(histogram, [("route", route)])
            }
        }
    }
}
