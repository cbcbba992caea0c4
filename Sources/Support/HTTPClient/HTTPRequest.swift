/// What is asked of a server.
///
///     var request = HTTPRequest("http://localhost:8080/v1/models")
///     request.headers.append(("Authorization", "Bearer …"))
package struct HTTPRequest: Sendable {
    package var url: String
    package var headers: [(name: String, value: String)] = []
    /// With a body it is a POST, without one a GET.
    package var body: [UInt8]?
    /// Seconds to connect in, and seconds in which not a byte may come.
    package var connectSeconds = 10, idleSeconds = 300

    package init(_ url: String) { self.url = url }
}

/// What an answer begins with.
package struct HTTPHead: Sendable, Equatable {
    package var status = 0
    /// Names in small letters.
    package var headers: [String: String] = [:]

    package init() {}
}

/// Why an exchange did not come to its end.
package enum HTTPError: Error, Equatable {
    case badAddress(reason: String)
    case unreachable(reason: String)
    case timedOut
    case broken(reason: String)
    case cancelled
}
