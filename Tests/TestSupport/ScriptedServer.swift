import Glibc
import Threads

/// An HTTP server on localhost with scripted responses. It reads one request from each connection, and closes it when `handle` returns.
package final class ScriptedServer: Sendable {
    package struct Request: Sendable {
        /// Such as "POST /v1/models".
        package let line: String
        /// By name in lower case.
        package let headers: [String: String]
        package let body: [UInt8]
    }

    package struct Connection: Sendable {
        fileprivate let socket: Int32

        /// Returns false if the client has closed the connection.
        @discardableResult
        package func send(_ bytes: [UInt8]) -> Bool {
            var rest = bytes[...]
            while !rest.isEmpty {
                let sent = rest.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                guard sent > 0 else { return false }
                rest = rest.dropFirst(sent)
            }
            return true
        }

        @discardableResult
        package func send(_ text: String) -> Bool { send(Array(text.utf8)) }

        /// Waits until the client closes the connection. Returns false on timeout.
        package func waitForEnd(milliseconds: Int32) -> Bool {
            var poll = pollfd(fd: socket, events: Int16(POLLIN), revents: 0), byte: UInt8 = 0
            return Glibc.poll(&poll, 1, milliseconds) == 1 && recv(socket, &byte, 1, 0) <= 0
        }
    }

    private let listener = TestSocket.listening()

    package init(_ handle: @escaping @Sendable (Request, Connection) -> Void) {
        // The thread holds the listener: `accept` could otherwise be called with the number of a closed descriptor, which another server
        // has then.
        start { [listener] in
            while true {
                let socket = accept(listener.descriptor, nil, nil)
                guard socket >= 0 else { return }
                start {
                    if let request = Self.read(socket) { handle(request, Connection(socket: socket)) }
                    close(socket)
                }
            }
        }
    }

    deinit { shutdown(listener.descriptor, Int32(SHUT_RDWR)) }

    package var port: Int { Int(listener.port) }
    package var address: String { "http://127.0.0.1:\(port)" }

    private static func read(_ socket: Int32) -> Request? {
        var bytes: [UInt8] = [], chunk = [UInt8](repeating: 0, count: 65_536), head: (end: Int, fields: [String: String], line: String)?
        while true {
            if head == nil, let end = String(decoding: bytes, as: UTF8.self).utf8.firstRange(of: "\r\n\r\n".utf8) {
                let text = String(decoding: bytes, as: UTF8.self), lines = text[..<end.lowerBound].split(separator: "\r\n").map(String.init)
                var fields: [String: String] = [:]
                for line in lines.dropFirst() {
                    let parts = line.split(separator: ":", maxSplits: 1).map(String.init)
                    if parts.count == 2 { fields[parts[0].lowercased()] = String(parts[1].drop { $0 == " " }) }
                }
                head = (
                    text.utf8.distance(from: text.startIndex, to: end.upperBound), fields,
                    lines[0].split(separator: " ").prefix(2).joined(separator: " ")
                )
            }
            if let head, bytes.count - head.end >= Int(head.fields["content-length"] ?? "0") ?? 0 {
                return Request(line: head.line, headers: head.fields, body: Array(bytes[head.end...]))
            }
            let count = recv(socket, &chunk, chunk.count, 0)
            guard count > 0 else { return nil }
            bytes += chunk[..<count]
        }
    }
}

private func start(_ work: @escaping @Sendable () -> Void) {
    do throws(ThreadError) { try BackgroundThread.run(work) } catch { fatalError("\(error)") }
}
