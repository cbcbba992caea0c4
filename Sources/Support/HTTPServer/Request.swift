/// A complete HTTP request.
///
///     request.method                               // "GET"
///     request.segments                             // ["api", "conversations", "5h1v"], of /api/conversations/5h1v?limit=10
///     request.query("limit")                       // "10"
///     request.header("authorization")              // header names are lowercase
package struct Request: Sendable {
    package let method: String
    /// Not decoded, without the query.
    package let path: String
    /// The segments of the path, percent-decoded.
    package let segments: [String]
    package let queryItems: [(name: String, value: String)]
    /// In the order in which they arrived, with lowercase names.
    package let headers: [(name: String, value: String)]
    package let body: [UInt8]
    package let peer: PeerAddress

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
        peer: PeerAddress = PeerAddress()
    ) {
        self.method = method
        path = target.path
        segments = target.segments
        queryItems = target.queryItems
        self.headers = headers
        self.body = body
        self.peer = peer
    }
}

/// A request that is answered with an error before it reaches the handler: malformed, too large, or too much data in flight.
package struct RejectedRequest: Sendable {
    package let status: HTTPStatus
    /// An English sentence for the response body.
    package let message: String
    /// The request target, not decoded.
    package let target: String
}
