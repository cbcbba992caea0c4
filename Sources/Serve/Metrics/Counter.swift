import Synchronization

/// A number that only grows. Any thread may add to it, without a lock.
package final class Counter: Sendable {
    private let number = Atomic(0)

    package init() {}

    package var value: Int { number.load(ordering: .relaxed) }

    package func add(_ amount: Int = 1) { number.add(amount, ordering: .relaxed) }
}
