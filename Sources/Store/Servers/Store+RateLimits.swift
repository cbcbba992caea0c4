/// A token bucket that all servers count in.
package struct RateBucket: Sendable {
    package let name: String
    /// In microseconds: the time in which one token is added, and that in which an empty bucket becomes full.
    let interval, fillTime: Int

    /// - Parameter burst: The capacity.
    package init(_ name: String, burst: Int, perMinute: Double) {
        precondition(burst > 0 && perMinute > 0, "expected a positive rate, found \(burst) at once and \(perMinute) per minute")
        self.name = name
        interval = max(1, Int(60_000_000 / perMinute))
        fillTime = interval * burst
    }
}

/// Rate limits of several servers: `full_at` is when a bucket is full again, in microseconds since 1970 (the generic cell rate algorithm).
extension Store {
    /// Takes a token from each bucket, or from none.
    ///
    /// - Returns: nil on success; otherwise the time until there is a token.
    package func takeTokens(from buckets: [RateBucket]) throws(StoreError) -> Duration? {
        let dialect = database.dialect
        let next = "\(dialect.larger("rate_limits.full_at", dialect.clock)) + $2"
        return try database.transaction(.transient) { connection throws(StoreError) in
            for (index, bucket) in buckets.enumerated() {
                let row = try connection.firstRow("""
                    INSERT INTO rate_limits (name, full_at) VALUES ($1, \(dialect.clock) + $2)
                    ON CONFLICT (name) DO UPDATE SET full_at = \(next) WHERE \(next) - \(dialect.clock) <= $3 RETURNING full_at
                    """, bucket.name, bucket.interval, bucket.fillTime)
                if row != nil { continue }
                for taken in buckets.prefix(index) { try Self.returnToken(to: taken, on: connection) }
                // At least a microsecond: the bucket was empty when the token was refused.
                return try timeUntilToken(in: bucket, on: connection) ?? .microseconds(1)
            }
            return nil
        }
    }

    /// Returns what `takeTokens` would return, without taking tokens.
    package func timeUntilToken(in bucket: RateBucket) throws(StoreError) -> Duration? {
        try database.transaction(.read) { connection throws(StoreError) in try timeUntilToken(in: bucket, on: connection) }
    }

    /// Returns a token that was taken.
    package func returnToken(to bucket: RateBucket) throws(StoreError) {
        try database.transaction(.transient) { connection throws(StoreError) in try Self.returnToken(to: bucket, on: connection) }
    }

    private static func returnToken(to bucket: RateBucket, on connection: any Connection) throws(StoreError) {
        try connection.execute("UPDATE rate_limits SET full_at = full_at - $2 WHERE name = $1", bucket.name, bucket.interval)
    }

    private func timeUntilToken(in bucket: RateBucket, on connection: any Connection) throws(StoreError) -> Duration? {
        let untilFull: Int? = try connection.value(
            "SELECT full_at - \(connection.dialect.clock) FROM rate_limits WHERE name = $1", bucket.name)
        let missing = max(0, untilFull ?? 0) + bucket.interval - bucket.fillTime
        return missing > 0 ? .microseconds(missing) : nil
    }

    /// Deletes buckets that are full.
    func purgeRateLimits() throws(StoreError) {
        _ = try database.transaction(.transient) { connection throws(StoreError) in
            try connection.execute("DELETE FROM rate_limits WHERE full_at < \(database.dialect.clock)")
        }
    }
}
