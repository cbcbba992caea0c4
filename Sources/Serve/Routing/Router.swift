/// Finds the route of a request.
struct Router: Sendable {
    let routes: [Route]

    /// The index of the route of a request; nil if there is none.
    func index(_ method: String, _ path: [String]) -> Int? {
        // The HTTP server drops the body of a response to HEAD.
        let wanted = method == "HEAD" ? "GET" : method
        return routes.firstIndex { $0.method == wanted && $0.parameters(in: path) != nil }
    }

    /// The methods that a path has; empty if it does not exist.
    func methods(of path: [String]) -> [String] {
        let methods = routes.filter { $0.parameters(in: path) != nil }.map(\.method)
        return methods + (methods.contains("GET") ? ["HEAD"] : [])
    }
}
