import CMicroHTTPD
import Glibc
import Synchronization

/// Everybody who is connected: so many in all, so many from an address, and each has so long to say what it wants.
final class Connections: Sendable {
    final class Entry: Sendable {
        let descriptor: Int32
        let address: PeerAddress
        /// Since when a request is awaited, in nanoseconds; 0 while one is being answered.
        private let awaitedSince = Atomic(Instant.now.nanoseconds)

        init(_ descriptor: Int32, _ address: PeerAddress) {
            self.descriptor = descriptor
            self.address = address
        }

        func requestArrived() { awaitedSince.store(0, ordering: .relaxed) }
        func requestEnded() { awaitedSince.store(Instant.now.nanoseconds, ordering: .relaxed) }

        /// An end that came together with the request is not seen by libmicrohttpd, which is told once of both.
        func closeIfDone() {
            var byte: UInt8 = 0
            if recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) == 0 { shutdown(descriptor, Int32(SHUT_RDWR)) }
        }

        func isLate(_ now: Instant, after time: Duration) -> Bool {
            let since = awaitedSince.load(ordering: .relaxed)
            return since > 0 && since + time.nanoseconds < now.nanoseconds
        }
    }

    private let limits: HTTPServer.Limits
    private let inside = Mutex((entries: [Int32: Entry](), perAddress: [PeerAddress: Int]()))

    init(_ limits: HTTPServer.Limits) { self.limits = limits }

    var count: Int { inside.withLock(\.entries.count) }

    /// This machine's own programs, a proxy among them, may have as many as there are.
    func mayEnter(_ address: PeerAddress) -> Bool {
        address.isLoopback || inside.withLock { $0.perAddress[address.household, default: 0] } < limits.connectionsPerAddress
    }

    func note(_ connection: ConnectionReference, _ place: UnsafeMutablePointer<UnsafeMutableRawPointer?>, isNew: Bool) {
        if isNew {
            let entry = Entry(connection.descriptor, connection.address)
            place.pointee = Unmanaged.passRetained(entry).toOpaque()
            inside.withLock { inside in
                inside.entries[entry.descriptor] = entry
                inside.perAddress[entry.address.household, default: 0] += 1
            }
        } else if let kept = place.pointee {
            place.pointee = nil
            let entry = Unmanaged<Entry>.fromOpaque(kept).takeRetainedValue(), household = entry.address.household
            inside.withLock { inside in
                inside.entries[entry.descriptor] = nil
                inside.perAddress[household] = inside.perAddress[household].flatMap { $0 > 1 ? $0 - 1 : nil }
            }
        }
    }

    static func entry(of connection: ConnectionReference) -> Entry? {
        guard let place = slm_http_socket_context(connection.pointer) else { return nil }
        return Unmanaged<Entry>.fromOpaque(place).takeUnretainedValue()
    }

    /// Hangs up on those who take too long. Within the lock: a descriptor that left the table may be another's already.
    func dropLate(_ now: Instant) {
        inside.withLock { inside in
            for entry in inside.entries.values where entry.isLate(now, after: limits.arrival) {
                shutdown(entry.descriptor, Int32(SHUT_RDWR))
            }
        }
    }
}
