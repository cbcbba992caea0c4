import Synchronization

/// Counts the open connections, all together and for each address prefix.
final class ConnectionCounts: Sendable {
    private struct Table {
        var all = 0
        var perPrefix: [PeerAddress: Int] = [:]
    }

    private let settings: HTTPServer.Settings
    private let maxConnections: Int
    private let table = Mutex(Table())

    /// - Parameter maxConnections: At most `limits.connections`: as many as there are file descriptors.
    init(_ settings: HTTPServer.Settings, maxConnections: Int) {
        self.settings = settings
        self.maxConnections = maxConnections
    }

    var count: Int { table.withLock(\.all) }

    /// Counts a new connection. Programs on this machine, and reverse proxies, may have any number.
    ///
    /// - Returns: Why the connection is too many; nil if it is not.
    func add(_ address: PeerAddress) -> RequestError? {
        table.withLock { table in
            let own = table.perPrefix[address.prefix, default: 0] + 1
            table.all += 1
            table.perPrefix[address.prefix] = own
            if table.all > maxConnections {
                return RequestError(status: .serviceUnavailable, message: "The server has too many connections. Try again in a moment.")
            }
            let limit = settings.limits.connectionsPerAddress
            if own > limit, !settings.isProxy(address) {
                let message = "Too many connections from this address: expected at most \(limit)."
                return RequestError(status: .tooManyRequests, message: message)
            }
            return nil
        }
    }

    func remove(_ address: PeerAddress) {
        table.withLock { table in
            table.all -= 1
            table.perPrefix[address.prefix] = table.perPrefix[address.prefix].flatMap { $0 > 1 ? $0 - 1 : nil }
        }
    }

    /// Whether a connection that is too many may stay open until its client has read the rejection. Otherwise it is closed at once, so
    /// that rejected connections do not use up the file descriptors.
    var hasRoomForRejected: Bool { table.withLock(\.all) <= maxConnections + 64 }
}
