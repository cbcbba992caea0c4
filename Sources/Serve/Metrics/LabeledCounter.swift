import Synchronization

/// Counts by the value of a label that is known only when something is counted, such as the name of a model. Values beyond the first
/// hundred are counted together, so that the metrics of a server that runs for long stay small.
final class LabeledCounter: Sendable {
    private let counts = Mutex<[String: Int]>([:])

    func add(_ count: Int = 1, for label: String) {
        counts.withLock { counts in
            let isKnown = counts[label] != nil || counts.count < Self.maxLabels
            counts[isKnown ? label : "other", default: 0] += count
        }
    }

    private static let maxLabels = 100

    var values: [(label: String, count: Int)] {
        counts.withLock { $0.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
    }
}
