import Glibc

/// A connection to a server on localhost that sends and receives raw bytes.
///
///     let connection = try #require(RawHTTPConnection(to: server.port))
///     connection.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
///     connection.answer()?.status                  // 200
package final class RawHTTPConnection {
    private let descriptor: Int32
    private let onClose: () -> Void
    private var received: [UInt8] = []

    package struct Answer {
        package let status: Int
        /// By name in lower case.
        package let headers: [String: String]
        package let body: [UInt8]
        package var text: String { String(decoding: body, as: UTF8.self) }
    }

    /// - Parameter onClose: Called after the connection was closed.
    package init?(to port: UInt16, onClose: @escaping () -> Void = {}) {
        self.onClose = onClose
        // Close on exec: a process that another test starts must not keep the connection open.
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var timeout = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        let isConnected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 }
        }
        if !isConnected { return nil }           // `deinit` closes it
    }

    deinit {
        close(descriptor)
        onClose()
    }

    /// Shuts down the sending side.
    package func closeOurSide() { shutdown(descriptor, Int32(SHUT_WR)) }

    package func send(_ text: String) { send(Array(text.utf8)) }

    package func send(_ bytes: [UInt8]) { _ = sendAll(bytes) }

    /// - Returns: false if the server has closed the connection before all bytes were sent.
    package func sendAll(_ bytes: [UInt8]) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count <= 0 { return false }
            done += count
        }
        return true
    }

    /// - Returns: false at the end, and after 20 seconds without a byte.
    private func receive() -> Bool {
        var part = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &part, part.count, 0)
        if count > 0 { received += part[..<count] }
        return count > 0
    }

    /// Whether the server closed the connection without sending anything.
    package func isClosed() -> Bool { received.isEmpty && !receive() }

    /// Receives up to and including `end`; nil if it does not come.
    package func text(through end: String) -> String? {
        let end = Array(end.utf8)
        while true {
            if let range = received.firstRange(of: end) {
                defer { received.removeSubrange(..<range.upperBound) }
                return String(decoding: received[..<range.upperBound], as: UTF8.self)
            }
            if !receive() { return nil }
        }
    }

    /// Receives the head of the next response.
    package func head() -> Answer? {
        guard let head = text(through: "\r\n\r\n") else { return nil }
        let lines = head.split(separator: "\r\n")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let pair = line.split(separator: ":", maxSplits: 1)
            if pair.count == 2 { headers[pair[0].lowercased()] = String(pair[1].drop { $0 == " " }) }
        }
        let words = lines.first?.split(separator: " ") ?? []
        return Answer(status: words.count > 1 ? Int(words[1]) ?? 0 : 0, headers: headers, body: [])
    }

    /// Receives the next response, with joined chunks.
    package func answer(toHead isHead: Bool = false) -> Answer? {
        guard let head = head() else { return nil }
        var body: [UInt8] = []
        if isHead || [204, 304].contains(head.status) { return head }
        if head.headers["transfer-encoding"] == "chunked" {
            while let chunk = chunk(), !chunk.isEmpty { body += chunk }
        } else if let length = head.headers["content-length"].flatMap({ Int($0) }) {
            while received.count < length, receive() {}
            body = Array(received.prefix(length))
            received.removeFirst(min(length, received.count))
        } else {
            while receive() {}
            body = received
            received = []
        }
        return Answer(status: head.status, headers: head.headers, body: body)
    }

    /// Receives the next chunk; empty for the last.
    package func chunk() -> [UInt8]? {
        guard let line = text(through: "\r\n"), let size = Int(line.dropLast(), radix: 16) else { return nil }
        while received.count < size + 2 { if !receive() { return nil } }
        defer { received.removeFirst(size + 2) }
        return Array(received[..<size])
    }
}

extension RawHTTPConnection {
    /// Sends a request and receives the response. Adds `Host` and `Content-Length`.
    package func ask(_ method: String, _ target: String, _ headers: [String: String] = [:], body: String? = nil) -> Answer? {
        var head = "\(method) \(target) HTTP/1.1\r\n"
        var headers = headers
        headers["Host"] = headers["Host"] ?? "localhost"
        if let body { headers["Content-Length"] = headers["Content-Length"] ?? "\(body.utf8.count)" }
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        send(head + "\r\n" + (body ?? ""))
        return answer(toHead: method == "HEAD")
    }
}
