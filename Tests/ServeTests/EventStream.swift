import JSON
import TestSupport
import Testing

/// A client that reads a stream of server-sent events.
///
///     let stream = try server.openStream("/api/chat/guest", #"{"message":"Hi"}"#)
///     try stream.next()?.name                                  // "start"
///     stream = nil                                             // disconnects
final class EventStream {
    struct Event {
        let name: String
        let data: JSONElement
    }

    let head: RawHTTPConnection.Answer
    private let connection: RawHTTPConnection
    private var received: [UInt8] = []

    init(_ connection: RawHTTPConnection, _ target: String, _ body: String, _ headers: [String: String]) throws {
        let lines = headers.map { "\($0.key): \($0.value)\r\n" }.joined()
        connection.send("""
            POST \(target) HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
            Content-Length: \(body.utf8.count)\r\n\(lines)\r\n\(body)
            """)
        self.connection = connection
        head = try #require(connection.head())
    }

    /// Returns nil at the end of the stream.
    func next() throws -> Event? {
        while true {
            if let range = received.firstRange(of: Array("\n\n".utf8)) {
                let lines = String(decoding: received[..<range.lowerBound], as: UTF8.self).split(separator: "\n")
                received.removeSubrange(..<range.upperBound)
                guard let name = lines.first(where: { $0.hasPrefix("event: ") }),
                      let data = lines.first(where: { $0.hasPrefix("data: ") }) else { continue }
                return Event(name: String(name.dropFirst(7)), data: try JSONElement(parsing: String(data.dropFirst(6))))
            }
            guard let chunk = connection.chunk(), !chunk.isEmpty else { return nil }
            received += chunk
        }
    }

    /// Reads at least `count` characters of the answer, or the rest of the stream.
    func read(_ count: Int = .max) throws -> (text: String, last: Event?) {
        var text = ""
        var last: Event?
        while text.count < count, let event = try next() {
            if event.name == "token" { text += event.data["text"]?.string ?? "" }
            last = event
        }
        return (text, last)
    }
}

extension TestServer {
    func openStream(_ target: String, _ body: String, _ headers: [String: String] = [:]) throws -> EventStream {
        try EventStream(connect(), target, body, headers)
    }

    /// Sends a message and reads the whole answer.
    @discardableResult
    func chat(_ body: String, as account: [String: String]) throws -> (start: JSONElement, text: String, end: EventStream.Event) {
        let stream = try openStream("/api/chat", body, account)
        let start = try #require(try stream.next())
        #expect(start.name == "start")
        let (text, last) = try stream.read()
        return (start.data, text, try #require(last))
    }

    /// Returns the messages of a conversation, such as "user: Hi".
    func messages(of conversation: String, as account: [String: String]) throws -> [String] {
        let answer = try #require(try connect().ask("GET", "/api/conversations/\(conversation)", account))
        #expect(answer.status == 200)
        let messages = try answer.json()["messages"]?.elements
        return messages.map { $0.map { "\($0["role"]?.string ?? ""): \($0["content"]?.string ?? "")" } } ?? []
    }
}
