/// A rate limit for each client, and one for each /56 network of IPv6 clients: a customer who has such a network could otherwise use the
/// limits of 256 clients.
///
///     let chats = ClientLimiter(perMinute: 240)
///     if let seconds = chats.takeToken(for: client, at: .now) { … }       // 429, Retry-After: seconds
package final class ClientLimiter: Sendable {
    /// The clients of a /56 network together may send as many requests as this many clients.
    static let clientsPerSite = 4

    private let clients: RateLimiter
    private let sites: RateLimiter

    package init(perMinute: Int) {
        clients = RateLimiter(.init(burst: perMinute, perMinute: Double(perMinute)))
        let perSite = perMinute * Self.clientsPerSite
        sites = RateLimiter(.init(burst: perSite, perMinute: Double(perSite)))
    }

    /// Takes a token.
    ///
    /// - Returns: nil on success; otherwise the whole seconds until there is a token.
    package func takeToken(for client: ClientKey, at now: ContinuousClock.Instant) -> Int? {
        guard let site = client.site else { return clients.takeToken(for: client, at: now) }
        if let seconds = sites.secondsUntilToken(for: site, at: now) { return seconds }
        if let seconds = clients.takeToken(for: client, at: now) { return seconds }
        _ = sites.takeToken(for: site, at: now)
        return nil
    }

    /// Returns what `takeToken` would return, without taking a token.
    package func secondsUntilToken(for client: ClientKey, at now: ContinuousClock.Instant) -> Int? {
        client.site.flatMap { sites.secondsUntilToken(for: $0, at: now) } ?? clients.secondsUntilToken(for: client, at: now)
    }
}
