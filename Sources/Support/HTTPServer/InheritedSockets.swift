import Glibc
import Platform

/// The listening sockets that a service manager has opened and passed to this process, with systemd's protocol sd_listen_fds(3):
/// LISTEN_FDS is their number, the first one is descriptor 3, LISTEN_PID the process they are meant for, LISTEN_FDNAMES their names.
///
/// The service manager keeps the sockets, so that connections wait in their queues while the server restarts.
///
///     settings.listening = try InheritedSockets.take(from: environment)
package enum InheritedSockets {
    /// More sockets than a service has.
    private static let maxCount = 64

    /// Sets up the sockets for a server.
    ///
    /// - Returns: Nothing if there are none, or if they are meant for another process.
    package static func take(
        from environment: [String: String], process: Int32 = getpid(), firstDescriptor: Int32 = 3
    ) throws(HTTPServerError) -> [ListeningSocket] {
        guard environment["LISTEN_PID"] == "\(process)", let text = environment["LISTEN_FDS"], text != "0" else { return [] }
        guard let count = Int(text), (1...maxCount).contains(count) else {
            throw .invalidInheritance("expected 1 to \(maxCount) sockets in LISTEN_FDS, found '\(text)'")
        }
        let names = environment["LISTEN_FDNAMES"]?.split(separator: ":", omittingEmptySubsequences: false) ?? []
        var sockets: [ListeningSocket] = []
        for index in 0..<count {
            let descriptor = firstDescriptor + Int32(index)
            let name = names.indices.contains(index) && !names[index].isEmpty ? " (\(names[index]))" : ""
            if let reason = problem(of: descriptor) { throw .invalidInheritance("descriptor \(descriptor)\(name): \(reason)") }
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
            sockets.append(ListeningSocket(inherited: descriptor))
        }
        return sockets
    }

    /// Why the server cannot accept connections from a descriptor; nil if it can.
    private static func problem(of descriptor: Int32) -> String? {
        guard fcntl(descriptor, F_GETFD) >= 0 else { return "expected a listening socket, found no open descriptor" }
        guard let type = option(SO_TYPE, of: descriptor) else { return "expected a listening socket, found another kind of file" }
        guard type == StreamSocket.type else { return "expected a stream socket, found another type (ListenStream= passes one)" }
        guard option(SO_ACCEPTCONN, of: descriptor) == 1 else {
            return "expected a listening socket, found one that does not listen (Accept=no passes one)"
        }
        let family = Int32(ListeningSocket.socketName(of: descriptor).name.ss_family)
        return [AF_INET, AF_INET6, AF_UNIX].contains(family) ? nil : "expected an IP or Unix socket, found address family \(family)"
    }

    private static func option(_ name: Int32, of descriptor: Int32) -> Int32? {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 ? value : nil
    }
}
