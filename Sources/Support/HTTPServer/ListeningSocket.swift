import Glibc

/// A socket that hears of connections. Who takes it closes it.
struct ListeningSocket {
    let descriptor: Int32
    let port: UInt16

    init(_ host: String, _ port: UInt16) throws(HTTPServerError) {
        var hints = addrinfo(), list: UnsafeMutablePointer<addrinfo>?
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        let code = getaddrinfo(host, String(port), &hints, &list)
        defer { if let list { freeaddrinfo(list) } }
        guard code == 0, let address = list?.pointee else { throw .badHost(host, reason: String(cString: gai_strerror(code))) }
        let descriptor = socket(address.ai_family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw .system(what: "no socket", reason: Self.reason) }
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, 4)
        guard bind(descriptor, address.ai_addr, address.ai_addrlen) == 0, listen(descriptor, 1_024) == 0 else {
            let code = errno
            let reason = Self.reason
            close(descriptor)
            switch code {
            case EADDRINUSE: throw .taken(host: host, port: port)
            case EACCES: throw .notAllowed(host: host, port: port)
            case EADDRNOTAVAIL: throw .badHost(host, reason: "it belongs to another machine")
            default: throw .system(what: "\(host), port \(port)", reason: reason)
            }
        }
        self.descriptor = descriptor
        self.port = Self.port(of: descriptor)
    }

    /// Closes a socket, but for its number, which is that of one then that hears nothing. The kernel takes the old one off all lists that
    /// it is on.
    ///
    /// - Returns: false if there is no descriptor left to do it with.
    static func deafen(_ descriptor: Int32) -> Bool {
        let deaf = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        if deaf < 0 { return false }
        defer { close(deaf) }
        while dup2(deaf, descriptor) < 0 { if errno != EINTR, errno != EBUSY { return false } }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return true
    }

    private static var reason: String { String(cString: strerror(errno)) }

    private static func port(of descriptor: Int32) -> UInt16 {
        var storage = sockaddr_storage(), length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(descriptor, $0, &length) }
            // The port lies at the same place in both kinds of address.
            return storage.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { UInt16(bigEndian: $0.pointee.sin_port) }
        }
    }
}
