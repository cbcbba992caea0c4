import HTTPServer

/// The rate limits of the server. A limit of 0 per minute is none.
struct RateLimits: Sendable {
    private let chats: ClientLimiter?
    private let signIns: ClientLimiter?
    private let registrations: ClientLimiter?
    private let exports: ClientLimiter?
    private let changes: ClientLimiter?
    private let searches: ClientLimiter?
    /// Counts wrong passwords and wrong admin keys.
    private let failedAttempts: ClientLimiter?

    init(_ settings: ServeSettings) {
        func limiter(_ perMinute: Int) -> ClientLimiter? { perMinute > 0 ? ClientLimiter(perMinute: perMinute) : nil }
        chats = limiter(settings.chatsPerMinute)
        signIns = limiter(settings.signInsPerMinute)
        registrations = limiter(settings.registrationsPerMinute)
        changes = limiter(settings.changesPerMinute)
        searches = limiter(settings.searchesPerMinute)
        exports = limiter(min(settings.chatsPerMinute, 10))
        failedAttempts = limiter(min(settings.signInsPerMinute, 10))
    }

    func checkChat(_ client: ClientKey) throws(APIError) { try Self.check(chats, client, "Too many messages.") }
    /// Throws what the handler of a route would throw after the wait for a thread that hashes passwords. Takes no token.
    func checkBeforeHashing(_ limit: Route.RateLimit, _ client: ClientKey) throws(APIError) {
        let (limiter, message) = switch limit {
        case .registrations: (registrations, Self.tooManyRegistrations)
        case .none, .changes, .checkedByHandler, .signIns: (signIns, Self.tooManySignIns)
        }
        if let seconds = limiter?.secondsUntilToken(for: client, at: .now) { throw Self.tooManyRequests(message, seconds) }
    }

    private static let tooManySignIns = "Too many sign-in attempts."
    private static let tooManyRegistrations = "Too many new accounts from this address."

    func checkSignIn(_ client: ClientKey) throws(APIError) { try Self.check(signIns, client, Self.tooManySignIns) }
    func checkRegistration(_ client: ClientKey) throws(APIError) {
        try Self.check(registrations, client, Self.tooManyRegistrations)
    }

    func checkChange(_ client: ClientKey) throws(APIError) { try Self.check(changes, client, "Too many changes.") }
    func checkSearch(_ client: ClientKey) throws(APIError) { try Self.check(searches, client, "Too many searches.") }
    func checkExport(_ client: ClientKey) throws(APIError) { try Self.check(exports, client, "Too many exports.") }

    /// What is locked after too many failed attempts. The two kinds never share a counter, whatever the username.
    enum LockoutKey {
        case account(String)
        case admin(from: PeerAddress)

        fileprivate var client: ClientKey {
            switch self {
            case .account(let name): .account("account \(name.lowercased())")
            case .admin(let address): .account("owner from \(address.prefix)")
            }
        }
    }

    /// Throws 429 while the key is locked, whether the next attempt is right or wrong. An account is locked for all addresses together.
    func checkLockout(_ key: LockoutKey) throws(APIError) {
        if let seconds = failedAttempts?.secondsUntilToken(for: key.client, at: .now) {
            throw Self.tooManyRequests("Too many failed attempts.", seconds)
        }
    }

    func recordFailedAttempt(_ key: LockoutKey) { _ = failedAttempts?.takeToken(for: key.client, at: .now) }

    private static func check(_ limiter: ClientLimiter?, _ client: ClientKey, _ message: String) throws(APIError) {
        if let seconds = limiter?.takeToken(for: client, at: .now) { throw tooManyRequests(message, seconds) }
    }

    private static func tooManyRequests(_ message: String, _ seconds: Int) -> APIError {
        .tooManyRequests("\(message) Try again in \(seconds) second\(seconds == 1 ? "" : "s").", seconds: seconds)
    }
}
