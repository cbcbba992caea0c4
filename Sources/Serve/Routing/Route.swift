import HTTPServer

/// A method, a path and a handler.
///
///     Route("GET", "/api/conversations/{id}", access: .account) { app, context in try app.conversation(context) }
package struct Route: Sendable {
    /// The credentials that a request needs.
    package enum Access: Sendable {
        case anyone
        /// A session token or an API key of an account.
        case account
        /// OpenAI clients: an API key, if the server requires one.
        case apiClient
        /// The admin key.
        case admin
    }

    /// The threads that run the handler.
    enum Executor: Sendable {
        /// The thread of the connection: for handlers that take microseconds.
        case connection
        /// Threads that may wait for the database.
        case database
        /// Threads that parse and tokenize long texts.
        case parsing
        /// One thread that hashes passwords.
        case passwordHashing
    }

    enum Segment: Sendable { case literal(String), parameter }

    /// Returns nil if it responds later.
    typealias Handler = @Sendable (App, RequestContext) throws -> Response?

    package let method: String
    /// A path such as "/api/conversations/{id}".
    package let pattern: String
    let segments: [Segment]
    package let access: Access
    let executor: Executor
    let handler: Handler

    init(_ method: String, _ pattern: String, access: Access = .anyone, on executor: Executor = .database, _ handler: @escaping Handler) {
        self.method = method
        self.pattern = pattern
        self.access = access
        self.executor = executor
        self.handler = handler
        segments = pattern.split(separator: "/").map { $0.hasPrefix("{") ? .parameter : .literal(String($0)) }
    }

    /// Returns the values of the path parameters; nil if the path does not match.
    func parameters(in path: [String]) -> [String]? {
        guard path.count == segments.count else { return nil }
        var values: [String] = []
        for (segment, text) in zip(segments, path) {
            switch segment {
            case .literal(let literal): if literal != text { return nil }
            case .parameter: values.append(text)
            }
        }
        return values
    }
}
