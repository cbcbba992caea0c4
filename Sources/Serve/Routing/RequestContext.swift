import HTTPServer
import JSON
import Store

/// A request with what the dispatcher found out about it.
struct RequestContext: Sendable {
    let exchange: Exchange
    /// The values of the path parameters.
    let parameters: [String]
    let client: Client
    let originPolicy: OriginPolicy

    var request: Request { exchange.request }

    func respond(_ response: Response) { exchange.respond(originPolicy.addingHeaders(to: response, for: request)) }

    /// Returns a path parameter, the first one by default, as an identifier. Throws 404 if it is not one.
    func id<Kind>(of thing: String, at index: Int = 0) throws(APIError) -> Identifier<Kind> {
        guard parameters.indices.contains(index), let id = Identifier<Kind>(parameters[index]) else { throw .notFound(thing) }
        return id
    }

    /// The account, in a route with `access: .account`.
    var account: UserID {
        get throws(APIError) {
            guard let account = client.account else { throw .unauthorized("Sign in first.") }
            return account
        }
    }
}

/// The sender of a request.
struct Client: Sendable {
    /// nil for a guest.
    let account: UserID?
    /// nil without a session token.
    var session: SessionID?
    /// In a route with `access: .apiClient`; nil for a guest.
    var credential: Credential?
    /// The model of an API key that is pinned to one.
    var pinnedModel: ModelID?
    /// In a route with `access: .owner`: the name of the account; nil for the admin key.
    var ownerName: String?
    let address: PeerAddress

    /// The identity that limits count.
    var key: ClientKey { account.map { .account($0.description) } ?? ClientKey(address) }
}

extension Response {
    /// Returns a JSON object.
    static func json<E: Error>(_ status: HTTPStatus = .ok, _ body: (inout JSONWriter) throws(E) -> Void) throws(E) -> Response {
        var writer = JSONWriter()
        try writer.object(body)
        return json(writer.bytes, status)
    }

    static func json(_ text: [UInt8], _ status: HTTPStatus = .ok) -> Response {
        Response(status, [("Content-Type", "application/json")], text)
    }

    /// Returns server-sent events, or what else a stream consists of. X-Accel-Buffering keeps nginx from buffering them.
    static func events(_ stream: ResponseStream, type: String = "text/event-stream; charset=utf-8") -> Response {
        Response(.ok, [("Content-Type", type), ("Cache-Control", "no-store"), ("X-Accel-Buffering", "no")], stream: stream)
    }

    /// A page of an export as JSON lines.
    ///
    /// - Parameter next: The `after` of the next page; nil on the last one.
    static func jsonLines(_ lines: [[UInt8]], next: String?) -> Response {
        Response(.ok, jsonLinesHeaders + (next.map { [("X-Next-After", $0)] } ?? []), Array(lines.joined()))
    }

    /// A whole export as JSON lines.
    static func jsonLines(_ stream: ResponseStream) -> Response { Response(.ok, jsonLinesHeaders, stream: stream) }

    private static let jsonLinesHeaders = [("Content-Type", "application/jsonl; charset=utf-8"), ("Cache-Control", "no-store")]

    static let noContent = Response(.noContent)
}
