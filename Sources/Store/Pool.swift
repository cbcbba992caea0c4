import Synchronization
import Threads

/// A few things that threads borrow, use alone, and give back.
///
///     let connection = try pool.borrow(within: .seconds(5))
///     defer { pool.giveBack(connection) }
final class Pool<Item: Sendable>: Sendable {
    private let places = Mailbox<Void>()
    private let idle: Mutex<[Item]>

    /// - Parameter capacity: How many may be out at a time.
    init(capacity: Int, _ items: [Item] = []) {
        idle = Mutex(items)
        for _ in 0..<capacity { places.put(()) }
    }

    /// One that was used before, or what `make` makes, as soon as there is a place. `nil` if there is none within this time.
    func borrow(within patience: Duration, else make: () throws(StoreError) -> Item) throws(StoreError) -> Item? {
        guard places.take(within: patience) != nil else { return nil }
        if let item = idle.withLock({ $0.popLast() }) { return item }
        do { return try make() } catch {
            places.put(())
            throw error
        }
    }

    func giveBack(_ item: Item) {
        idle.withLock { $0.append(item) }
        places.put(())
    }

    /// Puts one in that was never out.
    func add(_ item: Item) { idle.withLock { $0.append(item) } }

    /// Says that what was borrowed does not come back.
    func forget() { places.put(()) }

    /// Lets go of all that nobody uses at the moment.
    func clear() {
        let items = idle.withLock { items in
            defer { items = [] }
            return items
        }
        _ = consume items                                        // they close outside the lock
    }
}
