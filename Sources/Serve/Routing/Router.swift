/// Finds the route of a request.
struct Router: Sendable {
    enum Match: Sendable {
        case route(index: Int, parameters: [String])
        /// The path exists, with these methods.
        case methodNotAllowed(allowed: [String])
        case notFound
    }

    let routes: [Route]

    func match(_ method: String, _ path: [String]) -> Match {
        // The HTTP server drops the body of a response to HEAD.
        let wanted = method == "HEAD" ? "GET" : method
        var allowed: [String] = []
        for (index, route) in routes.enumerated() {
            guard let parameters = route.parameters(in: path) else { continue }
            if route.method == wanted { return .route(index: index, parameters: parameters) }
            allowed.append(route.method)
        }
        if allowed.isEmpty { return .notFound }
        return .methodNotAllowed(allowed: allowed + (allowed.contains("GET") ? ["HEAD"] : []))
    }
}
