package import CLinux
import Glibc

/// What systems name differently about sockets. All descriptors are closed when the process runs another program.
package enum StreamSocket {
    package static let type = Int32(SOCK_STREAM.rawValue)

    /// A socket whose calls do not block, or -1; `errno` has the reason.
    package static func open(family: Int32) -> Int32 { socket(family, type | Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0) }

    /// Accepts a connection whose calls do not block. Returns -1 if there is none; `errno` has the reason.
    package static func accept(from listening: Int32, address: inout sockaddr_storage) -> Int32 { slm_accept(listening, &address) }

    /// Sends without a signal if the peer has closed the connection. Returns the number of bytes, or -1.
    package static func send(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int {
        Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
    }
}
