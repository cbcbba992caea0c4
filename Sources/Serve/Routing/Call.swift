import HTTPServer
import JSON
import Store

/// A request on its way through a route.
struct Call: Sendable {
    let exchange: Exchange
    let parameters: [String]
    let caller: Caller
    let gate: Gate

    func respond(_ response: Response) { exchange.respond(gate.finished(response, for: request)) }

    var request: Request { exchange.request }

    /// What stands at the only `{…}` of the route's path, as an identifier. What is none was never anybody's.
    func id<Kind>(of what: String) throws(Failure) -> Identifier<Kind> {
        guard let id = parameters.first.flatMap({ Identifier<Kind>($0) }) else { throw .notFound(what) }
        return id
    }

    /// Of a route for accounts.
    var account: UserID {
        get throws(Failure) {
            guard let account = caller.account else { throw .unauthorized("Sign in first.") }
            return account
        }
    }
}

/// Who asks.
struct Caller: Sendable {
    /// nil for a guest.
    let account: UserID?
    let address: PeerAddress

    /// Whom limits count.
    var person: Person { account.map { .account($0.description) } ?? Person(address) }
}

extension Response {
    /// One object.
    static func json<Failure: Error>(_ status: Status = .ok, _ body: (inout JSONWriter) throws(Failure) -> Void) throws(Failure) -> Response
    {
        var writer = JSONWriter()
        try writer.object(body)
        return Response(status, [("Content-Type", "application/json")], writer.bytes)
    }

    /// Server-sent events, which no proxy is to gather.
    static func events(_ stream: ResponseStream) -> Response {
        Response(
            .ok, [("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-store"), ("X-Accel-Buffering", "no")],
            stream: stream)
    }

    static let nothing = Response(.noContent)
}
