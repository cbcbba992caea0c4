import HTTPServer
import Secrets
import Store
import Threads

/// Brings requests to their routes, and what comes of it back.
struct Dispatcher: Sendable {
    private let app: App
    private let router: Router
    private let gate: Gate

    init(_ app: App, _ router: Router) {
        self.app = app
        self.router = router
        let settings = app.settings, host = settings.http.host.lowercased()
        let own = ["localhost", "127.0.0.1", "[::1]", host.contains(":") ? "[\(host)]" : host]
        gate = Gate(
            hosts: Set(own + settings.hosts.map { $0.lowercased() }), takesAddresses: !isLoopback(host), origins: Set(settings.origins))
    }

    func dispatch(_ exchange: Exchange) {
        let request = exchange.request
        do throws(Failure) {
            try gate.check(request)
            switch router.find(request.method, request.segments) {
            case .nothing: throw .notFound("path")
            case .otherMethods(let methods):
                if let preflight = gate.preflight(request, methods: methods) {
                    return exchange.respond(gate.finished(preflight, for: request))
                }
                let failure = Failure(
                    status: .methodNotAllowed, code: "method_not_allowed", message: "This path takes \(methods.joined(separator: ", ")).")
                exchange.respond(
                    gate.finished(failure.response(inFormOf: request.path).adding("Allow", methods.joined(separator: ", ")), for: request))
            case .route(let index, let parameters): try run(router.routes[index], parameters, exchange)
            }
        } catch { exchange.respond(gate.finished(error.response(inFormOf: request.path), for: request)) }
    }

    private func run(_ route: Route, _ parameters: [String], _ exchange: Exchange) throws(Failure) {
        guard let crew = app.crews[route.place] else { return answer(route, parameters, exchange) }
        if !crew.run({ answer(route, parameters, exchange) }) {
            throw .unavailable("busy", "Too much is being asked. Try again in a moment.", seconds: 2)
        }
    }

    private func answer(_ route: Route, _ parameters: [String], _ exchange: Exchange) {
        let request = exchange.request
        do {
            let call = Call(exchange: exchange, parameters: parameters, caller: try caller(route, request), gate: gate)
            if let response = try route.answer(app, call) { call.respond(response) }
        } catch { exchange.respond(gate.finished(Failure(any: error).response(inFormOf: request.path), for: request)) }
    }

    /// Who asks, if they may.
    private func caller(_ route: Route, _ request: Request) throws -> Caller {
        let address = self.address(of: request)
        switch route.access {
        case .everybody: return Caller(account: nil, address: address)
        case .admin:
            guard let key = app.settings.adminKey else { throw Failure.notFound("path") }
            let given = request.header("x-admin-key") ?? "", door = Rates.Door.owner(from: address)
            try app.rates.checkGuess(at: door)
            guard ConstantTime.equal(given, key) else {
                if !given.isEmpty { app.rates.noteWrongGuess(at: door) }
                throw Failure.unauthorized("The header X-Admin-Key is not the server's ADMIN_API_KEY.")
            }
            return Caller(account: nil, address: address)
        case .accounts:
            guard let text = bearer(request) else {
                throw Failure.unauthorized("Sign in first: this needs the header Authorization: Bearer TOKEN.")
            }
            return Caller(account: try account(of: text), address: address)
        case .programs:
            // Where there are no guests, there are no programs without an account either.
            let needsKey = app.settings.needsKey || !app.settings.letsGuestsIn
            guard let text = bearer(request) else {
                if needsKey { throw Failure.unauthorized("This needs a key: Authorization: Bearer slm_…") }
                return Caller(account: nil, address: address)
            }
            // Clients cannot but send a key; where none is needed, any will do.
            let account = needsKey ? try account(of: text) : try? account(of: text)
            return Caller(account: account, address: address)
        }
    }

    private func bearer(_ request: Request) -> String? {
        guard let value = request.header("authorization"), value.prefix(7).lowercased() == "bearer " else { return nil }
        let token = value.dropFirst(7).drop { $0 == " " }
        return token.isEmpty ? nil : String(token)
    }

    private func account(of text: String) throws -> UserID {
        if text.hasPrefix(APIKeyToken.prefix) {
            guard let key = APIKeyToken(text), let owner = try app.store.owner(ofAPIKeyWithHash: key.digest) else {
                throw Failure.unauthorized("This key is not valid, or no longer.")
            }
            return owner
        }
        do throws(SessionTokenError) {
            guard let account = UserID(try app.signer.token(text, at: unixTime()).subject) else { throw SessionTokenError.forged }
            return account
        } catch { throw Failure.unauthorized("\(error)".capitalizedFirst) }
    }

    /// What a proxy of this machine says of whom it asks for is believed where the owner said so.
    private func address(of request: Request) -> PeerAddress {
        guard app.settings.trustsProxy, request.peer.isLoopback,
            let line = request.headers.last(where: { $0.name == "x-forwarded-for" })?.value
        else { return request.peer }
        let last = line.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).last.map { String(Substring($0)) } ?? ""
        // Whoever the proxy says no address of are one person together, and not the proxy.
        return PeerAddress(forwarded: last) ?? .unknown
    }

    func refused(_ refusal: Refusal) -> Response {
        let code =
            switch refusal.status {
            case .tooLarge: "too_large"
            case .unavailable: "busy"
            default: "bad_request"
            }
        let failure = Failure(
            status: refusal.status, code: code, message: refusal.description, retryAfter: refusal.status == .unavailable ? 2 : nil)
        return gate.finished(failure.response(inFormOf: refusal.target), for: nil)
    }

    func count(_ answered: HTTPServer.Note) {
        var route: Int?
        if case .route(let index, _) = router.find(answered.request.method, answered.request.segments) { route = index }
        app.metrics.requests.count(
            route: route, method: answered.request.method, status: answered.status.rawValue, seconds: answered.seconds)
    }
}

/// Whether only this machine reaches that address.
private func isLoopback(_ host: String) -> Bool { host == "localhost" || PeerAddress(host)?.isLoopback ?? false }

extension String {
    var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}
