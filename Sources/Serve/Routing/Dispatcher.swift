import HTTPServer
import Store
import Threads

/// Checks a request, finds its route and runs the handler on the right threads.
struct Dispatcher: Sendable {
    private let app: App
    private let router: Router
    private let originPolicy: OriginPolicy
    private let accessLog: AccessLog?
    /// Decides whose password is hashed next.
    private let passwordQueue = Admission(ThreadPools.passwordQueueLimits) { $0() }

    init(_ app: App, _ router: Router) throws(ThreadError) {
        self.app = app
        self.router = router
        originPolicy = OriginPolicy(app.settings)
        accessLog = try app.settings.accessLog.map { settings throws(ThreadError) in try AccessLog(settings) }
    }

    func dispatch(_ exchange: Exchange) {
        let request = exchange.request
        do throws(APIError) {
            try originPolicy.check(request)
            if let route = request.route { return try run(router.routes[route], exchange) }
            let allowed = router.methods(of: request.segments)
            if !allowed.isEmpty { return rejectMethod(exchange, allowed) }
            try respond(app.webFiles.pageOfTypedAddress(request), to: exchange)
        } catch {
            respond(error.response(to: request), to: exchange)
        }
    }

    private func respond(_ response: Response, to exchange: Exchange) {
        exchange.respond(originPolicy.addingHeaders(to: response, for: exchange.request))
    }

    private func rejectMethod(_ exchange: Exchange, _ allowed: [String]) {
        let request = exchange.request
        if let preflight = originPolicy.preflightResponse(to: request, methods: allowed) { return respond(preflight, to: exchange) }
        let list = allowed.joined(separator: ", ")
        let error = APIError(status: .methodNotAllowed, code: "method_not_allowed", message: "Method not allowed: expected \(list).")
        respond(error.response(to: request).addingHeader("Allow", list), to: exchange)
    }

    private func run(_ route: Route, _ exchange: Exchange) throws(APIError) {
        if route.pool == .passwordHashing { return try queueHashing(route, exchange) }
        guard let pool = app.pools[route.pool] else { return handle(route, exchange) }
        if !pool.run({ handle(route, exchange) }) {
            throw .serviceUnavailable("busy", "The server is busy. Try again in a moment.", retryAfter: 2)
        }
    }

    /// Runs a route that hashes a password, which takes a quarter of a second of a core. A free thread goes to the address that waits and
    /// was served the longest time ago, so that a flood of attempts hardly delays the sign-ins of other addresses.
    private func queueHashing(_ route: Route, _ exchange: Exchange) throws(APIError) {
        let address = ClientKey(app.authenticator.clientAddress(of: exchange.request))
        try app.rateLimits.checkBeforeHashing(route.rateLimit, address)
        let ticket: AdmissionTicket
        do throws(Admission.Rejection) { ticket = try passwordQueue.enter(address.site ?? address) } catch {
            switch error {
            case .tooManyForClient: throw .tooManyRequests("Too many sign-ins from this address are in progress.", seconds: 2)
            case .queueFull: throw .serviceUnavailable("busy", "Too many people are signing in. Try again in a moment.", retryAfter: 2)
            case .closed: throw .stopping
            }
        }
        exchange.onDisconnect { ticket.cancel() }
        ticket.start({
            app.pools.passwordHashing.runEvenIfFull {
                handle(route, exchange)
                ticket.leave()
            }
            return nil
        }, onCancel: {})
    }

    private func handle(_ route: Route, _ exchange: Exchange) {
        do {
            let client = try app.authenticator.authenticate(exchange.request, for: route.access)
            if case .changes = route.rateLimit { try app.rateLimits.checkChange(client.key) }
            let parameters = route.parameters(in: exchange.request.segments) ?? []
            let context = RequestContext(exchange: exchange, parameters: parameters, client: client, originPolicy: originPolicy)
            if let response = try route.handler(app, context) { context.respond(response) }
        } catch {
            // In an admin route, the missing user is the one in the path. In others it is the sender, and the status 401.
            let isUserOfPath = route.access == .admin && error as? StoreError == .notFound(.user)
            let failure = isUserOfPath ? APIError.notFound("user") : APIError(any: error)
            respond(failure.response(to: exchange.request), to: exchange)
        }
        exchange.request.releaseBody()
    }

    /// The route of a request, its limit for the body, and the client whose share of the memory the body counts towards.
    func policy(for request: Request) -> HTTPServer.RequestPolicy {
        let route = router.index(request.method, request.segments), limit = route.map { router.routes[$0].bodyLimit } ?? .small
        return HTTPServer.RequestPolicy(
            route: route, bodyLimit: limit.rawValue, isUpload: limit == .file, client: app.authenticator.clientAddress(of: request))
    }

    /// Makes the response to a request that the HTTP server rejects.
    func response(to rejected: RejectedRequest) -> Response {
        let code = switch rejected.status {
        case .contentTooLarge, .uriTooLong, .headersTooLarge: "too_large"
        case .serviceUnavailable: "busy"
        case .tooManyRequests: "too_many_requests"
        default: "bad_request"
        }
        let retryAfter = [.serviceUnavailable, .tooManyRequests].contains(rejected.status) ? 2 : nil
        var error = APIError(status: rejected.status, code: code, message: rejected.message, retryAfter: retryAfter)
        error.requestID = rejected.id
        let path = String(rejected.target.prefix { $0 != "?" })
        let response = error.response(for: path).addingHeader(OriginPolicy.requestIDHeader, rejected.id)
        return originPolicy.addingHeaders(to: response, for: nil)
    }

    /// Counts a response in the metrics, and writes it to the access log.
    func record(_ completed: HTTPServer.CompletedRequest) {
        let route = completed.request?.route
        app.metrics.requests.count(
            route: route, method: completed.method, status: completed.status.rawValue, seconds: completed.seconds)
        accessLog?.write(completed, route: route.map { router.routes[$0].pattern })
    }
}
