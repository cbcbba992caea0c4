import HTTPServer

/// A method, a path and a handler.
///
///     Route("GET", "/api/conversations/{id}", access: .account) { app, context in try app.conversations.show(context) }
package struct Route: Sendable {
    /// The credentials that a request needs.
    package enum Access: Sendable {
        case anyone
        /// A session token.
        case account
        /// A session token; or none, where guests may chat.
        case accountOrGuest
        /// OpenAI clients: an API key or a session token, if the server requires one.
        case apiClient
        /// The admin key.
        case admin
        /// The admin key, or a session token of an account with the role "owner".
        case owner
    }

    /// The threads that run the handler.
    enum Pool: Sendable {
        /// The thread of the connection: for handlers that take microseconds.
        case connection
        /// Threads that may wait for the database.
        case database
        /// Threads that parse and tokenize long texts.
        case parsing
        /// Threads that hash passwords, after a fair queue.
        case passwordHashing
    }

    /// The rate limit that counts a request.
    package enum RateLimit: Sendable {
        case none
        /// `ServeSettings.changesPerMinute`, checked before the handler runs.
        case changes
        /// A limit that the handler checks, because it depends on the body or on the result.
        case checkedByHandler
        /// As `checkedByHandler`; also asked before the request waits for a thread that hashes passwords.
        case signIns, registrations
    }

    /// The bytes of a request body.
    enum BodyLimit: Int, Sendable {
        /// A few fields.
        case small = 65_536
        /// A message, perhaps with the history of a chat.
        case message = 1_048_576
        /// Prompts and texts for the tokenizer.
        case text = 8_388_608
        /// A file of chats, or a document.
        case file = 67_108_864
    }

    enum Segment: Sendable { case literal(String), parameter }

    /// A method of one of the services that `App` consists of. Returns nil if it responds later.
    typealias Handler = @Sendable (App, RequestContext) throws -> Response?

    package let method: String
    /// A path such as "/api/conversations/{id}".
    package let pattern: String
    let segments: [Segment]
    package let access: Access
    package let rateLimit: RateLimit
    let pool: Pool
    let bodyLimit: BodyLimit
    let handler: Handler

    /// - Parameter limit: nil for none in a route that only reads, and `changes` in all others.
    init(
        _ method: String,
        _ pattern: String,
        access: Access = .anyone,
        limit: RateLimit? = nil,
        on pool: Pool = .database,
        body bodyLimit: BodyLimit = .small,
        _ handler: @escaping Handler
    ) {
        rateLimit = limit ?? (method == "GET" ? .none : .changes)
        self.method = method
        self.pattern = pattern
        self.access = access
        self.pool = pool
        self.bodyLimit = bodyLimit
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
