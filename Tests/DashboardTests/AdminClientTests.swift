import AdminAPI
import Dashboard
import Files
import TestSupport
import Testing

/// Requests to the admin routes, and errors as sentences.
@Suite struct AdminClientTests {
    private func client(_ server: ScriptedServer) throws -> AdminClient { AdminClient(try AdminAddress(server.address, key: "the key")) }

    private static func response(_ status: Int, _ body: String, headers: String = "") -> String {
        "HTTP/1.1 \(status) X\r\n\(headers)Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)"
    }

    private func error(_ status: Int, _ body: String, headers: String = "", _ query: AdminQuery = .totals) throws -> String {
        let server = ScriptedServer { _, connection in connection.send(Self.response(status, body, headers: headers)) }
        let client = try client(server)
        do throws(AdminError) { return "\(try client.answer(to: query))" } catch {
            return "\(error)".replacing(server.address, with: "URL")
        }
    }

    @Test func `requests have the key, the method and the parameters`() throws {
        let server = ScriptedServer { request, connection in
            #expect(request.headers["x-admin-key"] == "the key")
            let body = String(decoding: request.body, as: UTF8.self)
            connection.send(Self.response(200, "{\"users\":[],\"total\":0,\"line\":\"\(request.line)\"}"))
            #expect(body.isEmpty || request.headers["content-type"] == "application/json")
            if request.line.hasPrefix("PATCH") { #expect(body == #"{"disabled":true}"#) }
        }
        let list = AdminList(sort: "joined", isDescending: true, search: "a&b=ü %", offset: 7, limit: 9)
        #expect(try client(server).answer(to: .users(list)) == .rows([], total: 0))
        let address = try AdminAddress(server.address, key: "k")
        #expect(address.url("users", [("search", "a&b=ü %")]).hasSuffix("users?search=a%26b%3D%C3%BC%20%25"))
        _ = try client(server).perform(.setDisabled(true, id: "x", name: "ada"))
        _ = try client(server).perform(.deleteUser(id: "x", name: "ada"))
    }

    @Test func `each failure is one sentence`() throws {
        let slm = #"{"error":{"code":"x","message":"Try again later."}}"#
        let rejected = try error(401, slm)
        #expect(rejected == "URL rejects the admin key: expected the value of the server's ADMIN_API_KEY.", "\(rejected)")
        #expect(try error(404, slm).hasPrefix("URL has no administration"))
        #expect(try error(404, slm, .user(id: "x")) == "Try again later.")
        #expect(try error(503, slm) == "Try again later.")
        #expect(try error(429, slm, headers: "Retry-After: 42\r\n").contains("for 42 seconds"))
        #expect(try error(404, "<html>").contains("does not respond as slm serve does: status 404"))
        #expect(try error(200, "<html>").contains("does not respond as slm serve does: at byte 0"))
        #expect(try error(200, "[1]").contains("does not respond as slm serve does"))
        #expect(try error(302, "").contains("status 302"))
        let closed = AdminClient(try AdminAddress("http://127.0.0.1:1", key: "k"))
        #expect(throws: AdminError.self) { try closed.answer(to: .totals) }
    }

    @Test func `damaged responses throw, whatever their bytes are`() throws {
        let names = ["users", "active_last_day", "conversations", "messages", "generations", "prompt_tokens", "tokens"]
        let whole = Array("{\(names.map { "\"\($0)\":1" }.joined(separator: ","))}".utf8)
        for round in 0..<60 {
            var bytes = whole
            bytes[round * 7 % bytes.count] = UInt8(truncatingIfNeeded: round &* 37 &+ 11)
            if round % 3 == 0 { bytes.removeLast(round) }
            let damaged = bytes
            let server = ScriptedServer { _, connection in
                connection.send(Array("HTTP/1.1 200 OK\r\nContent-Length: \(damaged.count)\r\n\r\n".utf8) + damaged)
            }
            _ = try? client(server).answer(to: .totals)
        }
    }

    @Test(arguments: [
        ("http://localhost:8000", nil), ("http://127.0.0.1/", nil), ("http://127.9.9.9:1", nil), ("http://[::1]:8000", nil),
        ("HTTPS://chat.example.org/prefix/", nil), ("http://chat.example.org", "readable"), ("http://127.evil.example", "readable"),
        ("http://localhost.example.org", "readable"), ("http://192.168.0.1", "readable"), ("http://[2001:db8::1]", "readable"),
        ("chat.example.org", "http://"), ("ftp://x", "http://"), ("http://", "at the start"), ("http://user:pw@localhost", "password"),
        ("http://localhost/?a", "query"), ("http://a b", "host name"),
    ] as [(String, String?)])
    func `the key is sent over plain HTTP to this machine only`(address: String, problem: String?) {
        do throws(AdminError) {
            _ = try AdminAddress(address, key: "k")
            #expect(problem == nil, "\(address)")
        } catch {
            #expect(problem.map { "\(error)".contains($0) } == true, "\(address): \(error)")
        }
        if problem == "readable" { #expect((try? AdminAddress(address, key: "k", allowsPlainHTTP: true)) != nil) }
    }

    @Test func `a key with a line break is refused`() {
        for key in ["", "a\nb", "a\r", "ü", " a"] { #expect(throws: AdminError.self) { try AdminAddress("http://localhost", key: key) } }
    }

    @Test func `times are read, and written as ages`() {
        let times = [
            ("2026-11-21T13:05:09.123Z", 1_795_266_309_123), ("1970-01-01T00:00:00.000Z", 0),
            ("2024-02-29T23:59:59.999Z", 1_709_251_199_999), ("2100-03-01T00:00:00.000Z", 4_107_542_400_000),
        ]
        for (text, time) in times { #expect(UTCTime.milliseconds(text) == time) }
        for text in ["", "2026", "2026-13-21T13:05:09.123Z", "2026-11-21 13:05:09.123Z", "2026-11-21T13:05:09+01:00"] {
            #expect(UTCTime.milliseconds(text) == nil)
        }
        let now = 1_800_000_000_000
        let ages = [(0, "just now"), (59_000, "59 s ago"), (180_000, "3 min ago"), (7_200_000, "2 h ago"), (86_400_000 * 5, "5 d ago")]
        for (age, text) in ages { #expect((now - age).ago(at: now) == text) }
        #expect(1_234_567.grouped == "1,234,567" && 999.grouped == "999" && (-1_000).grouped == "-1,000")
    }

    @Test func `tables are aligned by columns of the terminal`() {
        var table = TextTable(["NAME", "#MESSAGES"])
        table.add(["日本", "12"])
        table.add(["ada\u{1B}[0m", "1,234"])
        #expect(table.lines(columns: nil) == ["NAME     MESSAGES", "日本           12", "ada␛[0m     1,234"])
        table.add([String(repeating: "x", count: 50), "1"])
        #expect(table.lines(columns: 30).allSatisfy { $0.glyphs.columns <= 30 })
    }
}
