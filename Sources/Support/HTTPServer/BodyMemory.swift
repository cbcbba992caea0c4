import Synchronization

/// Limits the memory of request bodies together, and of those of one client address.
final class BodyMemory: Sendable {
    private struct Use {
        var all = 0
        var perPrefix: [PeerAddress: Int] = [:]
    }

    private let limits: HTTPServer.BodyLimits
    private let isProxy: @Sendable (PeerAddress) -> Bool
    private let use = Mutex(Use())

    /// - Parameter isProxy: Whether an address has no share of its own.
    init(_ limits: HTTPServer.BodyLimits, isProxy: @escaping @Sendable (PeerAddress) -> Bool) {
        self.limits = limits
        self.isProxy = isProxy
    }

    /// - Returns: false if there is not enough left. Programs on this machine, and reverse proxies, have no share of their own.
    fileprivate func take(_ count: Int, for address: PeerAddress) -> Bool {
        use.withLock { use in
            let own = use.perPrefix[address.prefix, default: 0] + count
            if use.all + count > limits.all { return false }
            if own > limits.perAddress, !isProxy(address) { return false }
            use.all += count
            use.perPrefix[address.prefix] = own
            return true
        }
    }

    fileprivate func release(_ count: Int, for address: PeerAddress) {
        use.withLock { use in
            use.all -= count
            use.perPrefix[address.prefix] = use.perPrefix[address.prefix].flatMap { $0 > count ? $0 - count : nil }
        }
    }
}

/// The body of a request, which counts towards `BodyMemory` until it is released.
final class RequestBody: Sendable {
    private let content = Mutex<[UInt8]>([])
    private let memory: BodyMemory?
    private let address: PeerAddress

    init(_ bytes: [UInt8] = []) {
        content.withLock { $0 = bytes }
        memory = nil
        address = PeerAddress()
    }

    /// - Parameter address: The client whose share the body counts towards.
    init(in memory: BodyMemory, for address: PeerAddress) {
        self.memory = memory
        self.address = address
    }

    deinit { release() }

    var bytes: [UInt8] { content.withLock { $0 } }
    var count: Int { content.withLock(\.count) }

    /// Adds what `reader` finds in `bytes`.
    ///
    /// - Returns: The number of bytes that belong to this request; nil if there is no memory left.
    func append(_ bytes: Span<UInt8>, with reader: inout RequestBodyReader) throws(RequestError) -> Int? {
        // Outside of the closure, which cannot capture a Span.
        var content = self.content.withLock { content in
            defer { content = [] }
            return content
        }
        let before = content.count
        let used = try reader.read(bytes, into: &content)
        let added = content.count - before
        if added > 0, let memory, !memory.take(added, for: address) {
            content.removeLast(added)
            self.content.withLock { $0 = content }
            return nil
        }
        self.content.withLock { $0 = content }
        return used
    }

    func release() {
        let count = content.withLock { content in
            defer { content = [] }
            return content.count
        }
        if count > 0 { memory?.release(count, for: address) }
    }
}
