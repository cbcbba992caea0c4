package import SharedLibraries

/// A request to an HTTP server.
///
///     var request = HTTPRequest("http://localhost:8080/v1/models")
///     request.headers.append(("Authorization", "Bearer …"))
package struct HTTPRequest: Sendable {
    package var url: String
    package var headers: [(name: String, value: String)] = []
    /// nil for POST with a body and GET without one.
    package var method: String?
    package var body: [UInt8]?
    /// The time limit for connecting.
    package var connectSeconds = 10
    /// The time limit between two bytes of the response.
    package var idleSeconds = 300

    package init(_ url: String) { self.url = url }
}

/// The status and the headers of a response.
package struct HTTPHead: Sendable, Equatable {
    package var status = 0
    /// By name in lower case.
    package var headers: [String: String] = [:]

    package init() {}
}

/// Why an exchange failed.
package enum HTTPError: Error, Equatable {
    /// libcurl is not installed.
    case noLibrary(MissingLibrary)
    case invalidURL(reason: String)
    case unreachable(reason: String)
    case timedOut
    case failed(reason: String)
    case canceled
}
