import CMicroHTTPD
import Glibc
import Synchronization

/// The open connections. Limits their number per address prefix, and closes those whose request takes too long to arrive.
final class Connections: Sendable {
    final class Entry: Sendable {
        let descriptor: Int32
        let address: PeerAddress
        /// When this connection began to wait for a request; nil while a request is being answered.
        private let waitingSince = Mutex<ContinuousClock.Instant?>(.now)

        init(_ descriptor: Int32, _ address: PeerAddress) {
            self.descriptor = descriptor
            self.address = address
        }

        func requestArrived() { waitingSince.withLock { $0 = nil } }
        func requestEnded() { waitingSince.withLock { $0 = .now } }

        /// Closes a connection whose client has closed its side. libmicrohttpd misses that if it came together with the request, because
        /// epoll reports both at once.
        func closeIfHalfClosed() {
            var byte: UInt8 = 0
            if recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) == 0 { shutdown(descriptor, Int32(SHUT_RDWR)) }
        }

        func isLate(_ now: ContinuousClock.Instant, after timeout: Duration) -> Bool {
            waitingSince.withLock { $0.map { $0 + timeout < now } ?? false }
        }
    }

    private struct Table {
        var entries: [Int32: Entry] = [:]
        var perPrefix: [PeerAddress: Int] = [:]
    }

    private let limits: HTTPServer.Limits
    private let table = Mutex(Table())

    init(_ limits: HTTPServer.Limits) { self.limits = limits }

    var count: Int { table.withLock(\.entries.count) }

    /// Programs on this machine, such as a reverse proxy, may have any number of connections.
    func admits(_ address: PeerAddress) -> Bool {
        address.isLoopback || table.withLock { $0.perPrefix[address.prefix, default: 0] } < limits.connectionsPerAddress
    }

    /// Adds a new connection and stores its entry in `context`, libmicrohttpd's pointer for the connection.
    func add(_ connection: ConnectionReference, _ context: UnsafeMutablePointer<UnsafeMutableRawPointer?>) {
        let entry = Entry(connection.descriptor, connection.address)
        context.pointee = Unmanaged.passRetained(entry).toOpaque()
        table.withLock { table in
            table.entries[entry.descriptor] = entry
            table.perPrefix[entry.address.prefix, default: 0] += 1
        }
    }

    func remove(_ context: UnsafeMutablePointer<UnsafeMutableRawPointer?>) {
        guard let pointer = context.pointee else { return }
        context.pointee = nil
        let entry = Unmanaged<Entry>.fromOpaque(pointer).takeRetainedValue()
        let prefix = entry.address.prefix
        table.withLock { table in
            table.entries[entry.descriptor] = nil
            table.perPrefix[prefix] = table.perPrefix[prefix].flatMap { $0 > 1 ? $0 - 1 : nil }
        }
    }

    static func entry(of connection: ConnectionReference) -> Entry? {
        guard let context = slm_http_socket_context(connection.pointer) else { return nil }
        return Unmanaged<Entry>.fromOpaque(context).takeUnretainedValue()
    }

    /// Closes connections whose request takes too long. Holds the lock: the descriptor of a removed connection may belong to another one.
    func closeLate(_ now: ContinuousClock.Instant) {
        table.withLock { table in
            for entry in table.entries.values where entry.isLate(now, after: limits.requestTimeout) {
                shutdown(entry.descriptor, Int32(SHUT_RDWR))
            }
        }
    }
}
