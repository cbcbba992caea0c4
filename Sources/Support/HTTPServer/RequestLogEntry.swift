import Threads

/// What `HTTPServer.CompletedRequest` reports of a request, as far as it is known.
struct RequestLogEntry {
    let id: String
    let method: String
    let target: String
    let began = ContinuousClock.now
    var request: Request?
    /// nil until there is a response.
    var status: HTTPStatus?
    var bytes = 0
    var isDisconnected = false

    init(_ id: String, _ method: String, _ target: String) {
        self.id = id
        self.method = method
        self.target = target
    }

    func completed(arrived: ContinuousClock.Instant?, _ peer: PeerAddress) -> HTTPServer.CompletedRequest {
        HTTPServer.CompletedRequest(
            id: id,
            method: method,
            path: String(target.prefix { $0 != "?" }),
            request: request,
            peer: peer,
            status: status ?? .clientClosedRequest,
            bytes: bytes,
            seconds: (ContinuousClock.now - (arrived ?? began)).inSeconds,
            isDisconnected: isDisconnected)
    }
}
