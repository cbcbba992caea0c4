/// A complete HTTP request.
///
///     request.method                               // "GET"
///     request.segments                             // ["api", "conversations", "5h1v"], of /api/conversations/5h1v?limit=10
///     request.query("limit")                       // "10"
///     request.header("authorization")              // header names are lowercase
package struct Request: Sendable {
    package let method: String
    private let target: RequestTarget
    /// Not decoded, without the query.
    package var path: String { target.path }
    /// The segments of the path, percent-decoded.
    package var segments: [String] { target.segments }
    package var queryItems: [(name: String, value: String)] { target.queryItems }
    /// In the order in which they arrived, with lowercase names.
    package let headers: [(name: String, value: String)]
    package let peer: PeerAddress
    /// Unique among the requests of a server, for its log.
    package let id: String
    /// The number that `HTTPServer.Settings.requestPolicy` gave the request; nil if it has no route.
    package internal(set) var route: Int?
    private(set) var content: RequestBody

    /// Empty after `releaseBody`.
    package var body: [UInt8] { content.bytes }

    /// Frees the body. Call it when the body is parsed: while it is in memory, it counts towards the limits of `HTTPServer.Limits`.
    package func releaseBody() { content.release() }

    /// Returns the value of a header; nil if it is missing or occurs more than once.
    package func header(_ name: String) -> String? {
        var found: String?
        for header in headers where header.name == name {
            if found != nil { return nil }
            found = header.value
        }
        return found
    }

    package func hasHeader(_ name: String) -> Bool { headers.contains { $0.name == name } }

    /// Returns the value of a query parameter. The last one counts.
    package func query(_ name: String) -> String? { queryItems.last { $0.name == name }?.value }

    package init(
        _ method: String,
        target: RequestTarget,
        headers: [(name: String, value: String)] = [],
        body: [UInt8] = [],
        peer: PeerAddress = PeerAddress(),
        id: String = ""
    ) {
        self.method = method
        self.target = target
        self.headers = headers
        self.content = RequestBody(body)
        self.peer = peer
        self.id = id
    }

    func with(_ content: RequestBody) -> Request {
        var request = self
        request.content = content
        return request
    }
}

/// A request that is answered with an error before it reaches the handler: malformed, too large, or too much data in flight.
package struct RejectedRequest: Sendable {
    package let status: HTTPStatus
    /// An English sentence for the response body.
    package let message: String
    /// The request target, not decoded. Empty if there is none.
    package let target: String
    /// The request's id.
    package let id: String
}
