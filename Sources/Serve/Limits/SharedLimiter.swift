import Store
import Synchronization

/// A rate limit of all servers of a database together: counted in memory while this server is alone, and in the database while there are
/// others. When the number of servers changes between one and two, a client may get one more full bucket.
///
///     if let seconds = chats.takeToken(for: client) { … }                  // 429, Retry-After: seconds
final class SharedLimiter: Sendable {
    private let name: String
    private let perMinute: Int
    private let inMemory: ClientLimiter
    private let store: Store
    private let replicas: Replicas
    /// When clients that the database has refused get a token. Until then they are refused without asking it.
    private let refusedUntil = Mutex(BoundedCache<ClientKey, ContinuousClock.Instant>(capacity: 10_000))

    /// - Parameter name: Distinguishes the limits in the database.
    init(_ name: String, perMinute: Int, _ store: Store, _ replicas: Replicas) {
        self.name = name
        self.perMinute = perMinute
        inMemory = ClientLimiter(perMinute: perMinute)
        self.store = store
        self.replicas = replicas
    }

    /// Takes a token. May wait for the database.
    ///
    /// - Returns: nil on success; otherwise the whole seconds until there is a token.
    func takeToken(for client: ClientKey) -> Int? {
        let now = ContinuousClock.now
        if replicas.isAlone { return inMemory.takeToken(for: client, at: now) }
        if let seconds = secondsUntilTokenInMemory(for: client) { return seconds }
        do {
            guard let missing = try store.takeTokens(from: buckets(of: client)) else { return nil }
            refusedUntil.withLock { $0.set(client, to: now + missing) }
            return missing.wholeSeconds
        } catch {
            // Without the database, each server counts for itself.
            return inMemory.takeToken(for: client, at: now)
        }
    }

    /// Returns what `takeToken` would return, as far as this is known without the database. Takes no token.
    func secondsUntilTokenInMemory(for client: ClientKey) -> Int? {
        let now = ContinuousClock.now
        if replicas.isAlone { return inMemory.secondsUntilToken(for: client, at: now) }
        guard let end = refusedUntil.withLock({ $0[client] }), end > now else { return nil }
        return (end - now).wholeSeconds
    }

    private func buckets(of client: ClientKey) -> [RateBucket] {
        func bucket(_ name: String, _ perMinute: Int) -> RateBucket {
            RateBucket("\(self.name) \(name)", burst: perMinute, perMinute: Double(perMinute))
        }
        let own = bucket(client.text, perMinute)
        guard let site = client.site else { return [own] }
        return [bucket("network \(site.text)", perMinute * ClientLimiter.clientsPerSite), own]
    }
}

/// Failed attempts to sign in, counted in the database, so that a lock holds on all servers and after a restart.
///
/// An attempt takes its token before the password is checked and returns it if the password was right. So there are never more wrong
/// attempts than tokens, however many servers check passwords at the same time.
struct Lockouts: Sendable {
    private let store: Store
    private let perMinute: Int

    init(perMinute: Int, _ store: Store) {
        self.perMinute = perMinute
        self.store = store
    }

    /// - Returns: nil on success; otherwise the whole seconds until the next attempt is allowed.
    func begin(_ key: String) throws(StoreError) -> Int? { try store.takeTokens(from: [bucket(key)])?.wholeSeconds }

    func succeed(_ key: String) throws(StoreError) { try store.returnToken(to: bucket(key)) }

    /// Returns what `begin` would return, without beginning an attempt.
    func secondsUntilAttempt(_ key: String) throws(StoreError) -> Int? { try store.timeUntilToken(in: bucket(key))?.wholeSeconds }

    private func bucket(_ key: String) -> RateBucket { RateBucket("lock \(key)", burst: perMinute, perMinute: Double(perMinute)) }
}
