import Synchronization
import Threads

/// A pool of connections that threads borrow, use exclusively, and release.
///
///     let connection = try pool.borrow(within: .seconds(5), else: connect)
///     defer { pool.release(connection) }
final class ConnectionPool<Item: Sendable>: Sendable {
    private let slots = Mailbox<Void>()
    private let idle: Mutex<[Item]>

    /// - Parameter capacity: The maximum number of items in use at a time.
    init(capacity: Int, _ items: [Item] = []) {
        idle = Mutex(items)
        for _ in 0..<capacity { slots.put(()) }
    }

    /// Waits for a free slot and returns an idle item, or a new one from `make`. Returns nil on timeout.
    func borrow(within timeout: Duration, else make: () throws(StoreError) -> Item) throws(StoreError) -> Item? {
        guard slots.take(within: timeout) != nil else { return nil }
        if let item = idle.withLock({ $0.popLast() }) { return item }
        do { return try make() } catch {
            slots.put(())
            throw error
        }
    }

    func release(_ item: Item) {
        idle.withLock { $0.append(item) }
        slots.put(())
    }

    /// Adds an idle item that was not borrowed from the pool.
    func add(_ item: Item) { idle.withLock { $0.append(item) } }

    /// Frees the slot of a borrowed item that is not returned.
    func discardBorrowed() { slots.put(()) }

    /// Drops all idle items.
    func clear() {
        let items = idle.withLock { items in
            defer { items = [] }
            return items
        }
        _ = consume items                                        // close outside the lock
    }
}
