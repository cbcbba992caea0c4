import Glibc

/// A socket that a test opens and holds, as a service manager does. It is closed at the end of the test.
///
///     let socket = TestSocket.listening()
///     let first = TestSocket.passed([socket])                  // as the descriptors 3, 4, … of a new process
package final class TestSocket: Sendable {
    package let descriptor: Int32
    /// 0 unless it is an IP socket.
    package let port: UInt16

    /// Listens on a free port of 127.0.0.1.
    package static func listening() -> TestSocket { TestSocket(internet: Int32(SOCK_STREAM.rawValue), listens: true) }
    /// A stream socket that does not listen.
    package static func unconnected() -> TestSocket { TestSocket(internet: Int32(SOCK_STREAM.rawValue), listens: false) }
    package static func datagram() -> TestSocket { TestSocket(internet: Int32(SOCK_DGRAM.rawValue), listens: false) }
    /// A Unix socket. A path that begins with @ is a name in the abstract namespace.
    package static func unixListening(_ path: String) -> TestSocket { TestSocket(path: path, Int32(SOCK_STREAM.rawValue), listens: true) }
    package static func unixDatagram(_ path: String) -> TestSocket { TestSocket(path: path, Int32(SOCK_DGRAM.rawValue), listens: false) }

    private init(internet type: Int32, listens: Bool) {
        descriptor = socket(AF_INET, type | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                precondition(bind(descriptor, $0, length) == 0 && (!listens || listen(descriptor, 128) == 0), "no socket")
                getsockname(descriptor, $0, &length)
            }
        }
        port = UInt16(bigEndian: address.sin_port)
    }

    private init(path: String, _ type: Int32, listens: Bool) {
        descriptor = socket(AF_UNIX, type | Int32(SOCK_CLOEXEC.rawValue), 0)
        port = 0
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(path.utf8)
        if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let descriptor = descriptor
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                precondition(bind(descriptor, $0, length) == 0 && (!listens || listen(descriptor, 128) == 0), "no socket at \(path)")
            }
        }
    }

    deinit { close(descriptor) }

    /// The next datagram; nil if none arrives within 20 seconds.
    package func message() -> String? {
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&request, 1, 20_000) > 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        return count < 0 ? nil : String(decoding: bytes[..<count], as: UTF8.self)
    }

    /// Copies sockets to consecutive descriptors, which the caller closes, and returns the first one.
    package static func passed(_ sockets: [TestSocket]) -> Int32 {
        var minimum: Int32 = 300
        while true {
            var copies: [Int32] = []
            for socket in sockets { copies.append(fcntl(socket.descriptor, F_DUPFD_CLOEXEC, copies.last.map { $0 + 1 } ?? minimum)) }
            precondition(!copies.contains(-1), "no descriptors left")
            if copies[copies.count - 1] - copies[0] == Int32(copies.count - 1) { return copies[0] }
            for copy in copies { close(copy) }
            minimum += 16
        }
    }
}
