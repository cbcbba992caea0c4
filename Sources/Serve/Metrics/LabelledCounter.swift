import Synchronization

/// Counts by the value of a label that is known only when something is counted, such as the name of a model.
final class LabelledCounter: Sendable {
    private let counts = Mutex<[String: Int]>([:])

    func add(_ count: Int = 1, for label: String) { counts.withLock { $0[label, default: 0] += count } }

    var values: [(label: String, count: Int)] {
        counts.withLock { $0.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
    }
}
