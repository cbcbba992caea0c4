/// An HTTP response.
///
///     Response(.ok, [("Content-Type", "application/json")], bytes)
///     Response(.ok, [("Content-Type", "text/event-stream")], stream: stream)
package struct Response: Sendable {
    package enum Body: Sendable { case bytes([UInt8]), stream(ResponseStream) }

    package var status: HTTPStatus
    package var headers: [(name: String, value: String)]
    package var body: Body

    package init(_ status: HTTPStatus, _ headers: [(name: String, value: String)] = [], _ bytes: [UInt8] = []) {
        self.status = status
        self.headers = headers
        body = .bytes(bytes)
    }

    package init(_ status: HTTPStatus, _ headers: [(name: String, value: String)], stream: ResponseStream) {
        self.status = status
        self.headers = headers
        body = .stream(stream)
    }

    package static func text(_ status: HTTPStatus, _ text: String) -> Response {
        Response(status, [("Content-Type", "text/plain; charset=utf-8")], Array(text.utf8))
    }

    package func addingHeader(_ name: String, _ value: String) -> Response {
        var copy = self
        copy.headers.append((name, value))
        return copy
    }
}
