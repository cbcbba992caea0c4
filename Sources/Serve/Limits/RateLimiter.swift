import Synchronization

/// A token bucket for each client.
///
///     let logins = RateLimiter(.init(burst: 10, perMinute: 5))
///     if let seconds = logins.takeToken(for: client, at: .now) { … }       // 429, Retry-After: seconds
///
/// The number of clients is bounded: the one that made no request for the longest time is evicted and gets a full bucket. 100,000 clients
/// take about 10 MB.
package final class RateLimiter: Sendable {
    package struct Rate: Sendable {
        /// The capacity of a bucket.
        package let burst: Int
        package let perMinute: Double

        package init(burst: Int, perMinute: Double) {
            precondition(burst > 0 && perMinute > 0, "expected a positive rate, found \(burst) at once and \(perMinute) per minute")
            self.burst = burst
            self.perMinute = perMinute
        }
    }

    /// When the bucket of a client is full again (the generic cell rate algorithm).
    private let fullAt: Mutex<BoundedCache<ClientKey, ContinuousClock.Instant>>
    /// The time in which one token is added, and that in which an empty bucket becomes full.
    private let interval: Duration
    private let fillTime: Duration

    package init(_ rate: Rate, maxClients: Int = 100_000) {
        interval = .seconds(60 / rate.perMinute)
        fillTime = interval * rate.burst
        fullAt = Mutex(BoundedCache(capacity: maxClients))
    }

    /// Takes a token.
    ///
    /// - Returns: nil on success; otherwise the whole seconds until there is a token.
    package func takeToken(for client: ClientKey, at now: ContinuousClock.Instant) -> Int? {
        fullAt.withLock { fullAt in
            let isFull = fullAt[client].map { max($0, now) } ?? now
            let next = isFull + interval
            let missing = (next - now) - fillTime
            fullAt.set(client, to: missing > .zero ? isFull : next)
            return missing > .zero ? missing.wholeSeconds : nil
        }
    }

    /// Returns what `takeToken` would return, without taking a token.
    package func secondsUntilToken(for client: ClientKey, at now: ContinuousClock.Instant) -> Int? {
        let isFull = fullAt.withLock { $0[client] } ?? now
        let missing = max(isFull, now) + interval - now - fillTime
        return missing > .zero ? missing.wholeSeconds : nil
    }
}

extension Duration {
    /// Rounded up.
    var wholeSeconds: Int { Int(components.seconds) + (components.attoseconds > 0 ? 1 : 0) }
}
