import Synchronization

/// A number that only grows, counted from any thread without a lock.
package final class Counter: Sendable {
    private let number = Atomic(0)

    package init() {}

    package var value: Int { number.load(ordering: .relaxed) }

    package func add(_ amount: Int = 1) { number.add(amount, ordering: .relaxed) }
}

/// How often values were how large. Each is counted in the first bucket that it fits into.
///
///     let seconds = Histogram(bounds: Histogram.seconds)
///     seconds.observe(0.012)
package final class Histogram: Sendable {
    /// From half a millisecond to two minutes.
    package static let seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]

    let bounds: [Double]
    /// One more than there are bounds: what is above all of them.
    private let buckets: [Counter]
    /// The bits of a Double.
    private let total = Atomic(UInt64(0))

    /// - Parameter bounds: The largest value of each bucket, rising.
    package init(bounds: [Double]) {
        precondition(!bounds.isEmpty && zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }, "bounds that do not rise")
        self.bounds = bounds
        buckets = (0...bounds.count).map { _ in Counter() }
    }

    package func observe(_ value: Double) {
        guard value.isFinite else { return }
        buckets[bounds.firstIndex { value <= $0 } ?? bounds.count].add()
        var old = total.load(ordering: .relaxed)
        while true {
            let (isSet, found) = total.weakCompareExchange(
                expected: old, desired: (Double(bitPattern: old) + value).bitPattern, ordering: .relaxed)
            if isSet { return }
            old = found
        }
    }

    var counts: [Int] { buckets.map(\.value) }
    var sum: Double { Double(bitPattern: total.load(ordering: .relaxed)) }
}
