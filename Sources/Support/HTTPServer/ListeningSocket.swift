import CEpoll
import Glibc

/// A listening TCP socket. Its owner closes it.
struct ListeningSocket {
    let descriptor: Int32
    let port: UInt16

    init(_ host: String, _ port: UInt16) throws(HTTPServerError) {
        var hints = addrinfo()
        var list: UnsafeMutablePointer<addrinfo>?
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        let code = getaddrinfo(host, String(port), &hints, &list)
        defer { if let list { freeaddrinfo(list) } }
        guard code == 0, let address = list?.pointee else { throw .invalidHost(host, reason: String(cString: gai_strerror(code))) }
        let descriptor = socket(address.ai_family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw .system(call: "socket", reason: Self.reason) }
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, 4)
        guard bind(descriptor, address.ai_addr, address.ai_addrlen) == 0, listen(descriptor, 1_024) == 0 else {
            let code = errno
            let reason = Self.reason
            close(descriptor)
            switch code {
            case EADDRINUSE: throw .portInUse(host: host, port: port)
            case EACCES: throw .portNotPermitted(host: host, port: port)
            case EADDRNOTAVAIL: throw .invalidHost(host, reason: "it is not an address of this machine")
            default: throw .system(call: "bind \(host):\(port)", reason: reason)
            }
        }
        self.descriptor = descriptor
        self.port = Self.port(of: descriptor)
    }

    /// Closes the listening socket but keeps its descriptor number, which then refers to an unconnected socket. The kernel removes the old
    /// socket from all epoll sets.
    ///
    /// - Returns: false if no descriptor is left for the other socket.
    static func stopListening(_ descriptor: Int32) -> Bool {
        let unconnected = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        if unconnected < 0 { return false }
        defer { close(unconnected) }
        while dup2(unconnected, descriptor) < 0 { if errno != EINTR, errno != EBUSY { return false } }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return true
    }

    private static var reason: String { String(cString: strerror(errno)) }

    private static func port(of descriptor: Int32) -> UInt16 {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(descriptor, $0, &length) }
            // sockaddr_in and sockaddr_in6 have the port at the same offset.
            return storage.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { UInt16(bigEndian: $0.pointee.sin_port) }
        }
    }
}
