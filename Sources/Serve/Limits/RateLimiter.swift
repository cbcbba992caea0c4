import Synchronization

/// How often somebody may do something: a bucket of tokens for each person, which fills up steadily.
///
///     let logins = RateLimiter(.init(burst: 10, perMinute: 5))
///     if let seconds = logins.wait(for: person, at: .now) { … }            // 429, Retry-After: seconds
///
/// It remembers a bounded number of people. Beyond that, whoever has asked for nothing for the longest time is forgotten, and so begins
/// with a full bucket. 100,000 people take some 10 MB.
package final class RateLimiter: Sendable {
    package struct Rate: Sendable {
        /// At once, for who has waited long enough.
        package let burst: Int
        package let perMinute: Double

        package init(burst: Int, perMinute: Double) {
            precondition(burst > 0 && perMinute > 0, "a rate of \(burst) at once and \(perMinute) a minute")
            self.burst = burst
            self.perMinute = perMinute
        }
    }

    private let people: Mutex<RecentTable<Person, ContinuousClock.Instant>>
    /// The time in which a token comes, and that in which the bucket is full.
    private let interval, whole: Duration

    package init(_ rate: Rate, remembering most: Int = 100_000) {
        interval = .seconds(60 / rate.perMinute)
        whole = interval * rate.burst
        people = Mutex(RecentTable(most: most))
    }

    /// Takes a token. nil, if there was one; else nothing is taken, and these are the whole seconds until there is one.
    ///
    /// Kept is one time for each person, when their bucket is full again (the generic cell rate algorithm): what is missing then is how far
    /// that lies ahead.
    package func wait(for person: Person, at now: ContinuousClock.Instant) -> Int? {
        people.withLock { people in
            let isFull = people[person].map { max($0, now) } ?? now, next = isFull + interval
            let missing = (next - now) - whole
            people.set(person, to: missing > .zero ? isFull : next)
            return missing > .zero ? missing.wholeSeconds : nil
        }
    }

    /// What `wait` would say; nothing is taken.
    package func missing(for person: Person, at now: ContinuousClock.Instant) -> Int? {
        let isFull = people.withLock { $0[person] } ?? now, missing = max(isFull, now) + interval - now - whole
        return missing > .zero ? missing.wholeSeconds : nil
    }

    package var count: Int { people.withLock { $0.count } }
}

extension Duration {
    /// Rounded up.
    var wholeSeconds: Int { Int(components.seconds) + (components.attoseconds > 0 ? 1 : 0) }
}
