import Glibc

/// A first-in, first-out queue between threads. Taking from an empty queue blocks.
///
///     let mailbox = Mailbox<Int>()
///     try BackgroundThread.run { mailbox.put(42) }
///     mailbox.take()                                           // 42
package final class Mailbox<Element: Sendable>: @unchecked Sendable {     // `mutex` protects `elements` and `first`
    /// Elements before index `first` are already taken.
    private var elements: [Element?] = []
    private var first = 0
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let arrived = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    package init() {
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(arrived, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(arrived)
        pthread_mutex_destroy(mutex)
        arrived.deallocate()
        mutex.deallocate()
    }

    package func put(_ element: Element) {
        pthread_mutex_lock(mutex)
        elements.append(element)
        pthread_mutex_unlock(mutex)
        pthread_cond_signal(arrived)
    }

    /// Removes and returns the oldest element. Waits for one if there is none.
    package func take() -> Element {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let element = pop() { return element }
            pthread_cond_wait(arrived, mutex)
        }
    }

    /// Removes and returns the oldest element; nil if the queue is empty.
    package func takeIfAvailable() -> Element? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return pop()
    }

    /// Removes and returns the oldest element; nil if none arrives within `time`.
    package func take(within time: Duration) -> Element? {
        var end = timespec()
        clock_gettime(CLOCK_MONOTONIC, &end)
        let nanoseconds = end.tv_nsec + Int(time.components.attoseconds / 1_000_000_000)
        end.tv_sec += Int(time.components.seconds) + nanoseconds / 1_000_000_000
        end.tv_nsec = nanoseconds % 1_000_000_000
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let element = pop() { return element }
            if pthread_cond_timedwait(arrived, mutex, &end) == ETIMEDOUT { return pop() }
        }
    }

    private func pop() -> Element? {
        guard first < elements.count else { return nil }
        let element = elements[first].take()
        first += 1
        if first == elements.count || first > 64 && 2 * first > elements.count {
            elements.removeFirst(first)
            first = 0
        }
        return element
    }
}
