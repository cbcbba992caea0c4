import HTTPServer

/// What is answered at a path.
///
///     Route("GET", "/api/conversations/{id}", for: .accounts, by: .store) { app, call in try app.conversation(call) }
package struct Route: Sendable {
    /// Who may ask.
    package enum Access: Sendable {
        case everybody
        /// Whoever is signed in.
        case accounts
        /// Programs, with a key where the server asks for one.
        case programs
        case admin
    }

    /// Whose thread answers.
    enum Place: Sendable {
        /// The connection's own: what takes microseconds.
        case here
        /// Those that may wait for the database.
        case store
        /// Those that read long texts.
        case reading
        /// Those that hash passwords.
        case hashing
    }

    enum Segment: Sendable { case literal(String), parameter }

    /// nil: the route answers by itself, later.
    typealias Answer = @Sendable (App, Call) throws -> Response?

    package let method: String
    /// Such as "/api/conversations/{id}".
    package let pattern: String
    let segments: [Segment]
    package let access: Access
    let place: Place
    let answer: Answer

    init(_ method: String, _ pattern: String, for access: Access = .everybody, by place: Place = .store, _ answer: @escaping Answer) {
        self.method = method
        self.pattern = pattern
        self.access = access
        self.place = place
        self.answer = answer
        segments = pattern.split(separator: "/").map { $0.hasPrefix("{") ? .parameter : .literal(String($0)) }
    }

    /// What stands in the places of the parameters; nil if it is another path.
    func parameters(in path: [String]) -> [String]? {
        guard path.count == segments.count else { return nil }
        var found: [String] = []
        for (segment, text) in zip(segments, path) {
            switch segment {
            case .literal(let literal): if literal != text { return nil }
            case .parameter: found.append(text)
            }
        }
        return found
    }
}

/// Which route a request takes.
struct Router: Sendable {
    enum Found: Sendable {
        case route(Int, parameters: [String])
        /// The path is known, and takes these.
        case otherMethods([String])
        case nothing
    }

    let routes: [Route]

    func find(_ method: String, _ path: [String]) -> Found {
        // A HEAD is a GET whose body is not sent.
        let wanted = method == "HEAD" ? "GET" : method
        var methods: [String] = []
        for (i, route) in routes.enumerated() {
            guard let parameters = route.parameters(in: path) else { continue }
            if route.method == wanted { return .route(i, parameters: parameters) }
            methods.append(route.method)
        }
        if methods.isEmpty { return .nothing }
        return .otherMethods(methods + (methods.contains("GET") ? ["HEAD"] : []))
    }
}
