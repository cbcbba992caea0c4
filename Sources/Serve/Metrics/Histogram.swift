import Synchronization

/// Counts values in buckets. A value counts in the first bucket whose upper bound is at least as large.
///
///     let seconds = Histogram(bounds: Histogram.seconds)
///     seconds.observe(0.012)
package final class Histogram: Sendable {
    /// Upper bounds from half a millisecond to two minutes.
    package static let seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]

    let bounds: [Double]
    /// One for each bound, and one for larger values.
    private let buckets: [Counter]
    /// The bit pattern of a Double.
    private let total = Atomic(UInt64(0))

    /// - Parameter bounds: The upper bound of each bucket, ascending.
    package init(bounds: [Double]) {
        let isAscending = zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }
        precondition(!bounds.isEmpty && isAscending, "expected ascending bounds, found \(bounds)")
        self.bounds = bounds
        buckets = (0...bounds.count).map { _ in Counter() }
    }

    package func observe(_ value: Double) {
        guard value.isFinite else { return }
        buckets[bounds.firstIndex { value <= $0 } ?? bounds.count].add()
        var old = total.load(ordering: .relaxed)
        while true {
            let new = (Double(bitPattern: old) + value).bitPattern
            let (isExchanged, found) = total.weakCompareExchange(expected: old, desired: new, ordering: .relaxed)
            if isExchanged { return }
            old = found
        }
    }

    var counts: [Int] { buckets.map(\.value) }
    var sum: Double { Double(bitPattern: total.load(ordering: .relaxed)) }
}
