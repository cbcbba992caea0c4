import HTTPServer
import Threads

/// Checks a request, finds its route and runs the handler on the right threads.
struct Dispatcher: Sendable {
    private let app: App
    private let router: Router
    private let originPolicy: OriginPolicy

    init(_ app: App, _ router: Router) {
        self.app = app
        self.router = router
        originPolicy = OriginPolicy(app.settings)
    }

    func dispatch(_ exchange: Exchange) {
        let request = exchange.request
        do throws(APIError) {
            try originPolicy.check(request)
            switch router.match(request.method, request.segments) {
            case .notFound: throw .notFound("path")
            case .methodNotAllowed(let allowed): rejectMethod(exchange, allowed)
            case .route(let index, let parameters): try run(router.routes[index], parameters, exchange)
            }
        } catch {
            respond(error.response(for: request.path), to: exchange)
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
        respond(error.response(for: request.path).addingHeader("Allow", list), to: exchange)
    }

    private func run(_ route: Route, _ parameters: [String], _ exchange: Exchange) throws(APIError) {
        guard let pool = app.executors[route.executor] else { return handle(route, parameters, exchange) }
        if !pool.run({ handle(route, parameters, exchange) }) {
            throw .serviceUnavailable("busy", "The server is busy. Try again in a moment.", retryAfter: 2)
        }
    }

    private func handle(_ route: Route, _ parameters: [String], _ exchange: Exchange) {
        do {
            let client = try app.authenticate(exchange.request, for: route.access)
            let context = RequestContext(exchange: exchange, parameters: parameters, client: client, originPolicy: originPolicy)
            if let response = try route.handler(app, context) { context.respond(response) }
        } catch {
            respond(APIError(any: error).response(for: exchange.request.path), to: exchange)
        }
    }

    /// Makes the response to a request that the HTTP server rejects.
    func response(to rejected: RejectedRequest) -> Response {
        let code = switch rejected.status {
        case .contentTooLarge: "too_large"
        case .serviceUnavailable: "busy"
        default: "bad_request"
        }
        let retryAfter = rejected.status == .serviceUnavailable ? 2 : nil
        let error = APIError(status: rejected.status, code: code, message: rejected.message, retryAfter: retryAfter)
        return originPolicy.addingHeaders(to: error.response(for: rejected.target), for: nil)
    }

    /// Counts a response in the metrics.
    func count(_ completed: HTTPServer.CompletedRequest) {
        var route: Int?
        if case .route(let index, _) = router.match(completed.request.method, completed.request.segments) { route = index }
        app.metrics.requests.count(
            route: route, method: completed.request.method, status: completed.status.rawValue, seconds: completed.seconds)
    }
}
