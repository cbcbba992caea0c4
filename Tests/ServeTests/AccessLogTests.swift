import JSON
import Serve
import TestSupport
import Testing
import Threads

/// The access log and request ids.
@Suite struct AccessLogTests {
    private func server(_ format: AccessLog.Format, _ lines: Mailbox<String>, behindProxy: Bool = false) throws -> TestServer {
        try TestServer {
            $0.accessLog = AccessLog.Settings(format) { lines.put(String(decoding: $0, as: UTF8.self)) }
            $0.trustsProxy = behindProxy
        }
    }

    @Test func `each response has a line, with the id that the client gets`() throws {
        let lines = Mailbox<String>()
        let server = try server(.json, lines)
        let connection = try server.connect()
        let answer = try #require(connection.post("/api/chat/guest", #"{"message":"a secret"}"#))
        let id = try #require(answer.headers["x-request-id"])
        let line = try #require(lines.take(within: .seconds(20)))
        let entry = try JSONElement(parsing: line)
        #expect(entry["request_id"]?.string == id && entry["method"]?.string == "POST" && entry["route"]?.string == "/api/chat/guest")
        #expect(entry["status"]?.integer == 200 && entry["bytes"]?.integer == answer.body.count && entry["seconds"]?.number ?? -1 >= 0)
        #expect(entry["disconnected"]?.boolean == false && entry["time"]?.string?.hasSuffix("Z") ?? false)
        #expect(line.hasSuffix("}\n") && !line.contains("secret") && !line.contains("127.0.0.1"))
        #expect(connection.ask("GET", "/api/health")?.headers["x-request-id"] != id)
    }

    @Test func `the text format, and unknown paths and methods, which may contain anything`() throws {
        let lines = Mailbox<String>()
        let server = try server(.text, lines)
        let connection = try server.connect()
        #expect(connection.ask("SECRET", "/secret?secret=1")?.status == 404)
        let words = try #require(lines.take(within: .seconds(20))).split(separator: " ")
        #expect(words.count == 7 && words[2...4] == ["other", "other", "404"] && words[5].hasSuffix("s") && words[6].hasSuffix("B\n"))
        #expect(connection.ask("GET", "/api/keys/a-secret")?.status == 405)
        #expect(try #require(lines.take(within: .seconds(20))).contains(" GET other 405 "))
        #expect(connection.ask("GET", "/%zz")?.status == 400)
        #expect(try #require(lines.take(within: .seconds(20))).contains(" GET other 400 "))
    }

    @Test func `errors contain the id of the request, which a proxy may choose`() throws {
        let server = try server(.text, Mailbox(), behindProxy: true)
        let connection = try server.connect()
        let error = try #require(connection.ask("GET", "/api/nothing", ["X-Request-Id": "from-proxy"]))
        #expect(error.headers["x-request-id"] == "from-proxy" && error.error("request_id") == "from-proxy")
        let openAI = try #require(connection.post("/v1/chat/completions", "{}"))
        #expect(openAI.error("request_id") == openAI.headers["x-request-id"] && openAI.error("request_id") != nil)
        let rejected = try #require(connection.ask("GET", "/%"))
        #expect(rejected.error("request_id") == rejected.headers["x-request-id"] && rejected.error("request_id") != nil)
        let direct = try TestServer()
        #expect(try direct.connect().ask("GET", "/api/health", ["X-Request-Id": "chosen"])?.headers["x-request-id"] != "chosen")
    }
}
