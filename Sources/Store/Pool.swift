import Glibc
import Synchronization

/// A few things that threads borrow, use alone, and give back.
///
///     let connection = try pool.borrow(within: .seconds(5))
///     defer { pool.giveBack(connection) }
final class Pool<Item: Sendable>: Sendable {
    private let places: Semaphore
    private let idle: Mutex<[Item]>

    /// - Parameter capacity: How many may be out at a time.
    init(capacity: Int, _ items: [Item] = []) {
        places = Semaphore(capacity)
        idle = Mutex(items)
    }

    /// One that was used before, or what `make` makes, as soon as there is a place. `nil` if there is none within this time.
    func borrow(within patience: Duration, else make: () throws(StoreError) -> Item) throws(StoreError) -> Item? {
        guard places.wait(for: patience) else { return nil }
        if let item = idle.withLock({ $0.popLast() }) { return item }
        do { return try make() } catch {
            places.signal()
            throw error
        }
    }

    func giveBack(_ item: Item) {
        idle.withLock { $0.append(item) }
        places.signal()
    }

    /// Puts one in that was never out.
    func add(_ item: Item) { idle.withLock { $0.append(item) } }

    /// Says that what was borrowed does not come back.
    func forget() { places.signal() }

    /// Lets go of all that nobody uses at the moment.
    func clear() {
        let items = idle.withLock { items in
            defer { items = [] }
            return items
        }
        _ = consume items                                        // they close outside the lock
    }
}

/// A count that threads wait for to be above zero.
///
/// `@unchecked Sendable`: the lock and the condition are at one address from init to deinit, and `count` is touched under the lock alone.
private final class Semaphore: @unchecked Sendable {
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var count: Int

    init(_ count: Int) {
        self.count = count
        pthread_mutex_init(lock, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)          // which nobody sets back while a thread waits
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(lock)
        condition.deallocate()
        lock.deallocate()
    }

    func signal() {
        pthread_mutex_lock(lock)
        count += 1
        pthread_mutex_unlock(lock)
        pthread_cond_signal(condition)
    }

    /// False if it took longer than this.
    func wait(for patience: Duration) -> Bool {
        var end = timespec()
        clock_gettime(CLOCK_MONOTONIC, &end)
        let nanoseconds = end.tv_nsec + Int(patience.components.attoseconds / 1_000_000_000)
        end.tv_sec += Int(patience.components.seconds) + nanoseconds / 1_000_000_000
        end.tv_nsec = nanoseconds % 1_000_000_000
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        while count == 0 {
            if pthread_cond_timedwait(condition, lock, &end) == ETIMEDOUT { break }
        }
        guard count > 0 else { return false }
        count -= 1
        return true
    }
}
