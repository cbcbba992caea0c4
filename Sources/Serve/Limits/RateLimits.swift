import HTTPServer

/// The rate limits of the server. A limit of 0 per minute is none.
struct RateLimits: Sendable {
    private let chats: RateLimiter?
    private let signIns: RateLimiter?
    private let registrations: RateLimiter?
    /// Counts wrong passwords and wrong admin keys.
    private let failedAttempts: RateLimiter?

    init(_ settings: ServeSettings) {
        func limiter(_ perMinute: Int) -> RateLimiter? {
            perMinute > 0 ? RateLimiter(.init(burst: perMinute, perMinute: Double(perMinute))) : nil
        }
        chats = limiter(settings.chatsPerMinute)
        signIns = limiter(settings.signInsPerMinute)
        registrations = limiter(settings.registrationsPerMinute)
        failedAttempts = limiter(min(settings.signInsPerMinute, 10))
    }

    func checkChat(_ client: ClientKey) throws(APIError) { try Self.check(chats, client, "Too many messages.") }
    func checkSignIn(_ client: ClientKey) throws(APIError) { try Self.check(signIns, client, "Too many sign-in attempts.") }
    func checkRegistration(_ client: ClientKey) throws(APIError) {
        try Self.check(registrations, client, "Too many new accounts from this address.")
    }

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

    private static func check(_ limiter: RateLimiter?, _ client: ClientKey, _ message: String) throws(APIError) {
        if let seconds = limiter?.takeToken(for: client, at: .now) { throw tooManyRequests(message, seconds) }
    }

    private static func tooManyRequests(_ message: String, _ seconds: Int) -> APIError {
        .tooManyRequests("\(message) Try again in \(seconds) second\(seconds == 1 ? "" : "s").", seconds: seconds)
    }
}
