import Synchronization

/// Counts the open connections, all together and for each address prefix.
final class ConnectionCounts: Sendable {
    private struct Table {
        var all = 0
        var perPrefix: [PeerAddress: Int] = [:]
    }

    private let limits: HTTPServer.Limits
    private let maxConnections: Int
    private let table = Mutex(Table())

    /// - Parameter maxConnections: At most `limits.connections`: as many as there are file descriptors.
    init(_ limits: HTTPServer.Limits, maxConnections: Int) {
        self.limits = limits
        self.maxConnections = maxConnections
    }

    var count: Int { table.withLock(\.all) }

    /// Counts a new connection. Programs on this machine, such as a reverse proxy, may have any number.
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
            if !address.isLoopback, own > limits.connectionsPerAddress {
                let message = "Too many connections from this address: expected at most \(limits.connectionsPerAddress)."
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
