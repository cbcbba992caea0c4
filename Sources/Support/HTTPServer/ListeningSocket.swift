import Glibc
import Platform

/// A listening socket, which the server opens itself or inherits from a service manager (`InheritedSockets`). Its owner closes it.
package struct ListeningSocket: Sendable {
    let descriptor: Int32
    /// 0 for a Unix socket.
    package let port: UInt16
    /// Such as 127.0.0.1:8000, [::1]:8000 or unix:/run/slm/http.
    package let address: String

    init(_ host: String, _ port: UInt16) throws(HTTPServerError) {
        var hints = addrinfo()
        var list: UnsafeMutablePointer<addrinfo>?
        hints.ai_socktype = StreamSocket.type
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        let code = getaddrinfo(host, String(port), &hints, &list)
        defer { if let list { freeaddrinfo(list) } }
        guard code == 0, let address = list?.pointee else { throw .invalidHost(host, reason: String(cString: gai_strerror(code))) }
        let descriptor = StreamSocket.open(family: address.ai_family)
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
        self.address = Self.address(of: descriptor)
    }

    /// A socket that another process has opened.
    init(inherited descriptor: Int32) {
        self.descriptor = descriptor
        port = Self.port(of: descriptor)
        self.address = Self.address(of: descriptor)
    }

    /// Closes the listening socket but keeps its descriptor number, which then refers to an unconnected socket. The caller has removed the
    /// socket from its event set: the kernel does so only when no other process holds the socket.
    ///
    /// - Returns: false if no descriptor is left for the other socket.
    static func stopListening(_ descriptor: Int32) -> Bool {
        let unconnected = StreamSocket.open(family: AF_INET)
        if unconnected < 0 { return false }
        defer { close(unconnected) }
        while dup2(unconnected, descriptor) < 0 { if errno != EINTR, errno != EBUSY { return false } }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return true
    }

    private static var reason: String { String(cString: strerror(errno)) }

    private static func port(of descriptor: Int32) -> UInt16 {
        let (name, _) = socketName(of: descriptor)
        guard [AF_INET, AF_INET6].contains(Int32(name.ss_family)) else { return 0 }
        // sockaddr_in and sockaddr_in6 have the port at the same offset.
        return withUnsafeBytes(of: name) { UInt16(bigEndian: $0.load(as: sockaddr_in.self).sin_port) }
    }

    private static func address(of descriptor: Int32) -> String {
        let (name, length) = socketName(of: descriptor)
        switch Int32(name.ss_family) {
        case AF_INET: return "\(PeerAddress(name)):\(port(of: descriptor))"
        case AF_INET6: return "[\(numericHost(of: name))]:\(port(of: descriptor))"
        case AF_UNIX:
            let path = withUnsafeBytes(of: name) { Array($0[MemoryLayout<sa_family_t>.size..<Int(length)]) }
            let isAbstract = path.first == 0
            let text = String(decoding: isAbstract ? path[1...] : path.prefix { $0 != 0 }, as: UTF8.self)
            return "unix:" + (isAbstract ? "@" : "") + text
        default: return "descriptor \(descriptor)"
        }
    }

    /// The shortest form of an IPv6 address.
    private static func numericHost(of name: sockaddr_storage) -> String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        var address = withUnsafeBytes(of: name) { $0.load(as: sockaddr_in6.self).sin6_addr }
        inet_ntop(AF_INET6, &address, &text, socklen_t(text.count))
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
    }

    static func socketName(of descriptor: Int32) -> (name: sockaddr_storage, length: socklen_t) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(descriptor, $0, &length) }
        }
        return (storage, min(length, socklen_t(MemoryLayout<sockaddr_storage>.size)))
    }
}
