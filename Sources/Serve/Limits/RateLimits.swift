import Files
import HTTPServer
import Store

/// The rate limits of the server. A limit of 0 per minute is none.
struct RateLimits: Sendable {
    private let chats: SharedLimiter?
    private let signIns: SharedLimiter?
    private let registrations: SharedLimiter?
    private let exports: SharedLimiter?
    private let changes: SharedLimiter?
    private let searches: SharedLimiter?
    /// Counts wrong passwords and wrong admin keys.
    private let failedAttempts: Lockouts?

    init(_ settings: ServeSettings, _ store: Store, _ replicas: Replicas) {
        func limiter(_ name: String, _ perMinute: Int) -> SharedLimiter? {
            perMinute > 0 ? SharedLimiter(name, perMinute: perMinute, store, replicas) : nil
        }
        chats = limiter("chats", settings.chatsPerMinute)
        signIns = limiter("sign-ins", settings.signInsPerMinute)
        registrations = limiter("registrations", settings.signInsPerMinute)
        changes = limiter("changes", settings.changesPerMinute)
        searches = limiter("searches", settings.searchesPerMinute)
        exports = limiter("exports", min(settings.chatsPerMinute, 10))
        failedAttempts = settings.signInsPerMinute > 0 ? Lockouts(perMinute: min(settings.signInsPerMinute, 10), store) : nil
    }

    func checkChat(_ client: ClientKey) throws(APIError) { try Self.check(chats, client, "Too many messages.") }

    /// Throws what the handler of a route would throw after the wait for a thread that hashes passwords, as far as this is known without
    /// the database. Takes no token.
    func checkBeforeHashing(_ limit: Route.RateLimit, _ client: ClientKey) throws(APIError) {
        let (limiter, message) = switch limit {
        case .registrations: (registrations, Self.tooManyRegistrations)
        case .none, .changes, .checkedByHandler, .signIns: (signIns, Self.tooManySignIns)
        }
        if let seconds = limiter?.secondsUntilTokenInMemory(for: client) { throw Self.tooManyRequests(message, seconds) }
    }

    private static let tooManySignIns = "Too many sign-in attempts."
    private static let tooManyRegistrations = "Too many new accounts from this address."

    func checkSignIn(_ client: ClientKey) throws(APIError) { try Self.check(signIns, client, Self.tooManySignIns) }
    func checkRegistration(_ client: ClientKey) throws(APIError) {
        try Self.check(registrations, client, Self.tooManyRegistrations)
    }

    func checkChange(_ client: ClientKey) throws(APIError) { try Self.check(changes, client, "Too many changes.") }
    func checkSearch(_ client: ClientKey) throws(APIError) { try Self.check(searches, client, "Too many searches.") }
    /// Counts a download of a guest as a search.
    func checkDownload(_ client: ClientKey) throws(APIError) { try Self.check(searches, client, "Too many downloads.") }
    func checkExport(_ client: ClientKey) throws(APIError) { try Self.check(exports, client, "Too many exports.") }

    /// What is locked after too many failed attempts. The two kinds never share a counter, whatever the username.
    enum LockoutKey {
        case account(String)
        case admin(from: PeerAddress)

        fileprivate var text: String {
            switch self {
            case .account(let name): "account \(name.lowercased())"
            case .admin(let address): "owner from \(address.prefix)"
            }
        }
    }

    /// Begins an attempt to prove an identity. Throws 429 while the key is locked, whether the attempt is right or wrong. An account is
    /// locked for all addresses together. An attempt that is right must be ended by `recordSuccess`.
    func beginAttempt(_ key: LockoutKey) throws {
        if let seconds = try failedAttempts?.begin(key.text) { throw Self.tooManyFailures(seconds) }
    }

    func recordSuccess(_ key: LockoutKey) throws { try failedAttempts?.succeed(key.text) }

    /// Throws 429 while the key is locked.
    func checkLockout(_ key: LockoutKey) throws {
        if let seconds = try failedAttempts?.secondsUntilAttempt(key.text) { throw Self.tooManyFailures(seconds) }
    }

    private static func tooManyFailures(_ seconds: Int) -> APIError { tooManyRequests("Too many failed attempts.", seconds) }

    private static func check(_ limiter: SharedLimiter?, _ client: ClientKey, _ message: String) throws(APIError) {
        if let seconds = limiter?.takeToken(for: client) { throw tooManyRequests(message, seconds) }
    }

    private static func tooManyRequests(_ message: String, _ seconds: Int) -> APIError {
        .tooManyRequests("\(message) Try again in \(seconds.counted("second")).", seconds: seconds)
    }
}
