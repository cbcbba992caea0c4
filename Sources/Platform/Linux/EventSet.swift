import CLinux
import Glibc

/// The events of many descriptors, for which one thread waits. Any thread can end the wait.
///
///     events.add(socket, for: .input, id: 1)
///     events.wait(into: &buffer, milliseconds: 500)
///     for event in buffer.events { … }
package final class EventSet: Sendable {
    package struct Kinds: OptionSet, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }

        package static let input = Kinds(rawValue: slm_epoll_input)
        package static let output = Kinds(rawValue: slm_epoll_output)
        /// The peer sends nothing more.
        package static let halfClosed = Kinds(rawValue: slm_epoll_half_closed)
        /// The connection is closed or broken. Always reported.
        package static let closed = Kinds(rawValue: slm_epoll_closed)
    }

    /// The events of one wait. A buffer is used again for the next one.
    package struct Buffer {
        fileprivate var raw = [epoll_event](repeating: epoll_event(), count: 256)
        fileprivate var count = 0

        package init() {}

        /// Events without those of ``EventSet/wake()``.
        package var events: some Sequence<(id: UInt64, kinds: Kinds)> {
            raw.prefix(count).lazy.filter { $0.data.u64 != EventSet.wakeUpID }
                .map { (id: $0.data.u64, kinds: Kinds(rawValue: $0.events)) }
        }
    }

    /// An id that no descriptor may have.
    package static let wakeUpID: UInt64 = 0

    private let epoll: Int32
    /// An eventfd that ends `epoll_wait` early.
    private let wakeUp: Int32

    /// Returns nil if the system has no descriptors left; `errno` has the reason.
    package init?() {
        epoll = slm_epoll_create()
        wakeUp = slm_eventfd_create()
        guard epoll >= 0, wakeUp >= 0, slm_epoll_add(epoll, wakeUp, slm_epoll_input, Self.wakeUpID) == 0 else { return nil }
    }

    deinit {
        if epoll >= 0 { close(epoll) }
        if wakeUp >= 0 { close(wakeUp) }
    }

    /// - Returns: false on an error, whose reason `errno` has.
    package func add(_ descriptor: Int32, for kinds: Kinds, id: UInt64) -> Bool {
        slm_epoll_add(epoll, descriptor, kinds.rawValue, id) == 0
    }

    package func change(_ descriptor: Int32, to kinds: Kinds, id: UInt64) -> Bool {
        slm_epoll_change(epoll, descriptor, kinds.rawValue, id) == 0
    }

    package func remove(_ descriptor: Int32) { _ = slm_epoll_remove(epoll, descriptor) }

    /// Ends the current wait, or the next one.
    package func wake() { eventfd_write(wakeUp, 1) }

    /// Waits until there is an event, for at most some time. Only one thread may wait.
    package func wait(into buffer: inout Buffer, milliseconds: Int) {
        buffer.count = max(0, Int(epoll_wait(epoll, &buffer.raw, Int32(buffer.raw.count), Int32(milliseconds))))
        if buffer.raw.prefix(buffer.count).contains(where: { $0.data.u64 == Self.wakeUpID }) {
            var value: eventfd_t = 0
            eventfd_read(wakeUp, &value)
        }
    }
}
