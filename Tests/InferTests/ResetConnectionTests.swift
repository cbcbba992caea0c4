import Glibc
import Infer
import TestSupport
import Testing
import Threads

/// A backend over HTTPS whose connection is reset. Tests/Peers/check_tls_backend.py resets it after the handshake, too.
@Suite struct ResetConnectionTests {
    /// A server that reads the first message of the TLS handshake and resets the connection, or closes it.
    private final class ResettingServer {
        private let listener = TestSocket.listening()
        var port: Int { Int(listener.port) }

        init(resets: Bool) throws {
            try BackgroundThread.run { [listener] in
                while true {
                    let socket = accept(listener.descriptor, nil, nil)
                    guard socket >= 0 else { return }
                    var bytes = [UInt8](repeating: 0, count: 4_096)
                    _ = recv(socket, &bytes, bytes.count, 0)
                    // With a time of 0, closing sends RST.
                    var linger = linger(l_onoff: resets ? 1 : 0, l_linger: 0)
                    setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
                    close(socket)
                }
            }
        }

        deinit { shutdown(listener.descriptor, Int32(SHUT_RDWR)) }
    }

    @Test(arguments: [true, false]) func `an HTTPS backend that resets the handshake gives one error`(resets: Bool) throws {
        let server = try ResettingServer(resets: resets)
        let backend = try OpenAIBackend(address: "https://127.0.0.1:\(server.port)", model: "m", key: nil)
        for _ in 0..<2 {
            let events = Array(try backend.stream(GenerationRequest(.text("hello"))))
            let ends = events.compactMap { if case .ended(let end) = $0 { end } else { nil } }
            let hasText = events.contains { if case .piece = $0 { true } else { false } }
            #expect(ends.count == 1 && !hasText)
            guard case .error(.remote(let error))? = ends.first?.reason else { Issue.record("\(events)"); return }
            #expect("\(error)".contains("127.0.0.1:\(server.port)") && "\(error)".contains("cannot be reached"), "\(error)")
        }
    }
}
