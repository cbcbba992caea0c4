import Glibc
import HTTPServer
import Infer
import Kernels
import JSON
import Serve
import Store
import Synchronization
import TestSupport
import Testing

/// Rate limits, admission, and Host and Origin checks.
@Suite struct AbuseProtectionTests {
    @Test func `messages per minute are limited for each account and address`() throws {
        let server = try TestServer { $0.chatsPerMinute = 2 }
        let ada = try server.account("ada")
        let eve = try server.account("eve")
        for target in ["/api/chat/guest", "/chat"] { #expect(try server.connect().post(target, #"{"message":"Hi"}"#)?.status == 200) }
        let refused = try #require(try server.connect().post("/api/chat/guest", #"{"message":"Hi"}"#))
        #expect(refused.status == 429 && refused.error.code == "too_many_requests")
        let seconds = try #require(refused.headers["retry-after"].flatMap { Int($0) })
        #expect((1...30).contains(seconds))
        for _ in 0..<2 { try server.chat(#"{"message":"Hi"}"#, as: ada) }
        #expect(try server.connect().post("/api/chat", #"{"message":"Hi"}"#, ada)?.status == 429)
        #expect(try server.chat(#"{"message":"Hi"}"#, as: eve).end.name == "done")
        // Invalid requests are not counted.
        let bob = try server.account("bob")
        for _ in 0..<5 { #expect(try server.connect().post("/api/chat", #"{"message":""}"#, bob)?.status == 422) }
        #expect(try server.chat(#"{"message":"Hi"}"#, as: bob).end.name == "done")
    }

    @Test func `sign-ins and registrations per minute are limited`() throws {
        let server = try TestServer { $0.signInsPerMinute = 3 }
        func post(_ target: String, _ name: String) throws -> RawHTTPConnection.Answer {
            try #require(try server.connect().post(target, #"{"username":"\#(name)","password":"correct horse"}"#))
        }
        #expect(try (0..<4).map { try post("/api/auth/register", "ada\($0)").status } == [201, 201, 201, 429])
        #expect(try (0..<4).map { try post("/api/auth/login", "ada\($0)").status } == [200, 200, 200, 429])
        #expect(try post("/api/auth/login", "ada0").headers["retry-after"] != nil)
    }

    @Test func `a sign-in does not wait for a flood of sign-ins from other addresses`() throws {
        let finished = Mutex<[String]>([])
        let server = try TestServer {
            $0.passwordCost = 9
            $0.trustsProxy = true
            $0.accessLog = AccessLog.Settings(.text) { line in finished.withLock { $0.append(String(decoding: line, as: UTF8.self)) } }
        }
        let body = #"{"username":"ada","password":"correct horse"}"#
        #expect(try server.connect().post("/api/auth/register", body)?.status == 201)
        let flood = try (0..<96).map { i in
            let connection = try server.connect()
            let guess = #"{"username":"unknown\#(i)","password":"wrong"}"#
            connection.send(
                "POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    + "X-Forwarded-For: 192.0.2.\(i % 12)\r\nContent-Length: \(guess.utf8.count)\r\n\r\n\(guess)")
            return connection
        }
        let before = finished.withLock(\.count)
        #expect(try server.connect().post("/api/auth/login", body, ["X-Forwarded-For": "198.51.100.1"])?.status == 200)
        for connection in flood { #expect(connection.answer()?.status == 401) }
        try eventually { finished.withLock(\.count) == 98 }
        let place = try #require(finished.withLock { lines in lines.firstIndex { $0.contains("login 200") } })
        #expect(place - before <= 2 * CPU.availableCores + 12, "\(place - before) responses came first")
    }

    @Test func `an account is locked for all addresses after failed sign-ins`() throws {
        let server = try TestServer {
            $0.signInsPerMinute = 3
            $0.trustsProxy = true
        }
        #expect(try server.connect().post("/api/auth/register", #"{"username":"ada","password":"correct horse"}"#)?.status == 201)
        func guess(_ password: String, from address: String, of name: String = "ada") throws -> Int? {
            try server.connect().post(
                "/api/auth/login", #"{"username":"\#(name)","password":"\#(password)"}"#, ["X-Forwarded-For": "10.0.0.1, \(address)"])?
                .status
        }
        #expect(try (1...3).map { try guess("wrong", from: "192.0.2.\($0)") } == [401, 401, 401])
        // Even the right password is rejected, whatever the case of the username.
        #expect(try guess("wrong", from: "192.0.2.4") == 429 && guess("correct horse", from: "192.0.2.5", of: "ADA") == 429)
        #expect(try guess("wrong", from: "192.0.2.6", of: "eve") == 401)
    }

    @Test func `an address is locked out after wrong admin keys`() throws {
        let server = try TestServer {
            $0.signInsPerMinute = 3
            $0.adminKey = "the owner's key"
        }
        func ask(_ key: String) throws -> Int? { try server.connect().ask("GET", "/api/admin/stats", ["X-Admin-Key": key])?.status }
        #expect(try ask("the owner's key") == 200)
        #expect(try (0..<4).map { try ask("wrong \($0)") } == [401, 401, 401, 429] && ask("the owner's key") == 429)
    }

    @Test func `failed sign-ins do not lock out the admin`() throws {
        let server = try TestServer {
            $0.signInsPerMinute = 8
            $0.adminKey = "the owner's key"
        }
        for name in ["owner from 127.0.0.1", "admin from 127.0.0.1", "127.0.0.1"] {
            for _ in 0..<2 { _ = try server.connect().post("/api/auth/login", #"{"username":"\#(name)","password":"wrong"}"#) }
        }
        #expect(try server.connect().ask("GET", "/api/admin/stats", ["X-Admin-Key": "the owner's key"])?.status == 200)
    }

    @Test func `clients without a valid forwarded address share one limit`() throws {
        let server = try TestServer {
            $0.chatsPerMinute = 1
            $0.trustsProxy = true
        }
        func chat(_ lines: String...) throws -> Int? {
            let body = #"{"message":"Hi"}"#, connection = try server.connect()
            connection.send(
                "POST /api/chat/guest HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    + lines.map { "X-Forwarded-For: \($0)\r\n" }.joined()
                    + "Content-Length: \(body.utf8.count)\r\n\r\n" + body)
            return connection.answer()?.status
        }
        #expect(
            try [chat("192.0.2.1"), chat("10.0.0.1", "192.0.2.1"), chat("192.0.2.2, 192.0.2.1:4711"), chat("9.9.9.9\u{0600}, 192.0.2.1")]
                == [200, 429, 429, 429])
        #expect(try [chat("[2001:db8::1]:80"), chat("2001:db8::1")] == [200, 429])
        #expect(try [chat("unknown"), chat("another unknown"), chat()] == [200, 429, 200])
    }

    @Test func `X-Forwarded-For is ignored without --behind-proxy`() throws {
        let server = try TestServer { $0.chatsPerMinute = 1 }
        func chat(_ address: String) throws -> Int? {
            try server.connect().post("/api/chat/guest", #"{"message":"Hi"}"#, ["X-Forwarded-For": address])?.status
        }
        #expect(try [chat("192.0.2.1"), chat("192.0.2.2")] == [200, 429])
    }

    @Test func `a full queue and too many answers of one client are rejected`() throws {
        let gate = GenerationGate(beforeCharacter: 0)
        let server = try TestServer(RecordingBackend(gate: gate)) {
        $0.slots = 1
        $0.maxWaiting = 2
        $0.answersPerClient = 2
    }
        let ada = try server.account("ada")
        let bob = try server.account("bob")
        let eve = try server.account("eve")
        let first = try server.openStream("/api/chat", #"{"message":"a"}"#, ada)
        let second = try server.openStream("/api/chat", #"{"message":"b"}"#, ada)
        let own = try server.connect().post("/api/chat", #"{"message":"c"}"#, ada)
        #expect(own?.status == 429 && own?.error.code == "too_many_requests" && own?.headers["retry-after"] != nil)
        let third = try server.openStream("/api/chat", #"{"message":"d"}"#, bob)
        let full = try server.connect().post("/api/chat", #"{"message":"e"}"#, eve)
        #expect(full?.status == 503 && full?.error.code == "busy" && full?.headers["retry-after"] != nil)
        gate.open()
        for stream in [first, second, third] { #expect(try stream.read().last?.data["reason"]?.string == "stop") }
        // Nothing of a rejected request is stored.
        #expect(try server.store.admin.totals().messages == 6)
        #expect(try server.chat(#"{"message":"e"}"#, as: eve).end.name == "done")
    }

    @Test func `a client with one answer does not wait for another client's five`() throws {
        let gate = GenerationGate(beforeCharacter: 0)
        let backend = RecordingBackend(gate: gate)
        let server = try TestServer(backend) { $0.slots = 1 }
        let ada = try server.account("ada"), bob = try server.account("bob")
        var streams: [EventStream] = []
        for i in 0..<5 { streams.append(try server.openStream("/api/chat", #"{"message":"ada \#(i)"}"#, ada)) }
        streams.append(try server.openStream("/api/chat", #"{"message":"bob"}"#, bob))
        #expect(try server.waitForLoad(running: 1, waiting: 5))
        gate.open()
        for stream in streams { #expect(try stream.read().last?.name == "done") }
        #expect(backend.prompts.prefix(3).map(\.first) == ["user: ada 0", "user: bob", "user: ada 1"])
    }

    @Test func `a waiting client that disconnects leaves the queue`() throws {
        let gate = GenerationGate(beforeCharacter: 0)
        let backend = RecordingBackend(gate: gate)
        let server = try TestServer(backend) { $0.slots = 1 }
        let first = try server.openStream("/api/chat/guest", #"{"message":"one"}"#)
        var second: EventStream? = try server.openStream("/api/chat/guest", #"{"message":"two"}"#)
        #expect(try server.waitForLoad(running: 1, waiting: 1) && second != nil)
        second = nil
        #expect(try server.waitForLoad(running: 1, waiting: 0))
        gate.open()
        #expect(try first.read().last?.name == "done" && backend.prompts == [["user: one"]])
    }

    /// A name could be used for DNS rebinding. Of an address, the browser itself knows that it is the server's.
    @Test func `on an address that others can reach, a client may use any IP address but no unknown name`() throws {
        let server = try TestServer { $0.http.host = "127.1" }                 // a name that stands for 127.0.0.1 but is no address itself
        let connection = try server.connect()
        for host in ["192.0.2.1", "192.0.2.1:80", "[2001:db8::1]:80", "127.1", "localhost"] {
            #expect(connection.ask("GET", "/api/health", ["Host": host])?.status == 200, "\(host)")
        }
        for host in ["evil.example", "192.0.2.1.evil.example", "[::1", ""] {
            #expect(connection.ask("GET", "/api/health", ["Host": host])?.status == 400, "\(host)")
        }
    }

    @Test func `unknown Host and Origin headers are rejected`() throws {
        let server = try TestServer {
            $0.hosts = ["chat.example.org"]
            $0.origins = ["https://app.example"]
        }
        let connection = try server.connect()
        let port = server.port
        for host in ["localhost", "localhost:\(port)", "127.0.0.1:1", "[::1]:80", "CHAT.example.org"] {
            #expect(connection.ask("GET", "/api/health", ["Host": host])?.status == 200, "\(host)")
        }
        for host in ["evil.example", "192.0.2.1", "localhost.evil.example", "", "chat.example.org.evil.example", "[::2]"] {
            #expect(connection.ask("GET", "/api/health", ["Host": host])?.status == 400, "\(host)")
        }
        for origin in ["http://evil.example", "null", "https://app.example.evil.example", "http://app.example", "http://localhost:1", ""] {
            let answer = connection.ask("GET", "/api/health", ["Origin": origin])
            #expect(answer?.status == 400 && answer?.headers["access-control-allow-origin"] == nil, "\(origin)")
        }
        #expect(connection.ask("GET", "/api/health", ["Host": "localhost:\(port)", "Origin": "http://localhost:\(port)"])?.status == 200)
        #expect(connection.ask("GET", "/api/health")?.headers["access-control-allow-origin"] == nil)
        let other = connection.ask("GET", "/api/health", ["Origin": "https://app.example"])
        #expect(
            other?.status == 200 && other?.headers["access-control-allow-origin"] == "https://app.example"
                && other?.headers["vary"] == "Origin")
        #expect(other?.headers["access-control-allow-credentials"] == nil)
    }

    @Test func `preflight requests are answered for allowed origins`() throws {
        let server = try TestServer { $0.origins = ["https://app.example"] }, connection = try server.connect()
        func preflight(_ origin: String) -> RawHTTPConnection.Answer? {
            connection.ask("OPTIONS", "/api/conversations/x", ["Origin": origin, "Access-Control-Request-Method": "PATCH"])
        }
        let answer = preflight("https://app.example")
        #expect(answer?.status == 204 && answer?.headers["access-control-allow-methods"]?.contains("PATCH") ?? false)
        #expect(
            answer?.headers["access-control-allow-headers"] == "Authorization, Content-Type, X-Admin-Key, X-API-Key, Anthropic-Version, *"
                && answer?.headers["access-control-allow-origin"] == "https://app.example")
        #expect(preflight("https://evil.example")?.status == 400)
        #expect(connection.ask("OPTIONS", "/api/conversations/x")?.status == 405)
        // Streams and errors have CORS headers, too.
        #expect(
            connection.post(
                "/api/chat/guest", #"{"message":"Hi"}"#, ["Origin": "https://app.example"])?.headers["access-control-allow-origin"]
                == "https://app.example")
        #expect(
            connection.post("/api/chat/guest", "{}", ["Origin": "https://app.example"])?.headers["access-control-allow-origin"]
                == "https://app.example")
    }

    @Test func `no path leads out of the embedded files`() throws {
        let server = try TestServer(), connection = try server.connect()
        #expect(connection.ask("GET", "/web/main.js")?.status == 200)
        for path in [
            "..%2fmain.js", "%2e%2e%2fetc%2fpasswd", "%252e%252e%252fetc%252fpasswd", "../../etc/passwd", "../web/main.js", "/etc/passwd",
            "..\\..\\etc\\passwd", "%2fetc%2fpasswd",
            "chat", "chat/", "chat/main.js", "chat/../main.js", "chat/%2e%2e/main.js", "chat/x/message.js",
            ".", "..", "", "main.js/", "./main.js", "main.js%00", "main.js%2f", "MAIN.JS", "main%2ejs%3fx", "index.html",
            "%c0%ae%c0%ae%c0%afetc%c0%afpasswd", ".git", "main.js;x",
        ] {
            let answer = connection.ask("GET", "/web/\(path)")
            #expect([400, 404].contains(answer?.status ?? 0), "\(path): \(answer?.status ?? 0)")
            #expect(!(answer?.text.contains("root:") ?? false))
        }
        #expect(connection.ask("GET", "/web/main%2Ejs")?.status == 200)                   // the same path, encoded
    }

    @Test func `a browser gets the page at the addresses that people type, other clients get 404`() throws {
        let server = try TestServer(), connection = try server.connect()
        let browser = ["Accept": "text/html,application/xhtml+xml,*/*;q=0.8"]
        let page = try #require(connection.ask("GET", "/"))
        for path in ["/login", "/login/", "/signup", "/settings", "/training", "/admin?from=bookmark"] {
            let answer = try #require(connection.ask("GET", path, browser))
            #expect(answer.status == 200 && answer.body == page.body, "\(path): \(answer.status)")
            #expect(answer.headers["content-type"] == "text/html; charset=utf-8", "\(path)")
            for headers in [[:], ["Accept": "*/*"], ["Accept": "application/json"]] {
                let answer = try #require(connection.ask("GET", path, headers))
                #expect(answer.status == 404 && answer.headers["content-type"] == "application/json", "\(path): \(answer.status)")
            }
            #expect(connection.ask("POST", path, browser, body: "{}")?.status == 404, "\(path)")
        }
        for path in ["/nothing", "/login/x", "/LOGIN", "/api/login", "/v1/login", "/..%2flogin"] {
            #expect([400, 404].contains(connection.ask("GET", path, browser)?.status ?? 0), "\(path)")
        }
        #expect(connection.ask("HEAD", "/login", browser)?.status == 200)
    }

    @Test func `every response has security headers`() throws {
        let server = try TestServer(), connection = try server.connect()
        for answer in [
            connection.ask("GET", "/"), connection.ask("GET", "/api/health"), connection.ask("GET", "/nothing"),
            connection.post("/api/chat/guest", #"{"message":"Hi"}"#), connection.ask("GET", "/%"),
        ] {
            let headers = try #require(answer?.headers)
            #expect(headers["content-security-policy"]?.hasPrefix("default-src 'none'; script-src 'self'; ") ?? false)
            #expect(
                headers["x-content-type-options"] == "nosniff" && headers["referrer-policy"] == "no-referrer"
                    && headers["cross-origin-opener-policy"] == "same-origin")
            #expect(headers["server"] == nil)
        }
        let page = connection.ask("GET", "/"), tag = page?.headers["etag"] ?? ""
        #expect(page?.headers["cache-control"] == "no-cache" && tag.hasPrefix("\""))
        for known in [tag, "W/\(tag)", "*", "\"other\", \(tag)"] {
            let answer = connection.ask("GET", "/", ["If-None-Match": known])
            #expect(answer?.status == 304 && answer?.body.isEmpty == true && answer?.headers["etag"] == tag, "\(known)")
        }
        for other in ["\"other\"", "W/\"other\"", "", String(tag.dropFirst())] {
            #expect(connection.ask("GET", "/", ["If-None-Match": other])?.status == 200, "\(other)")
        }
        #expect(
            connection.ask("GET", "/", ["Accept-Encoding": "gzip"])?.headers["content-encoding"] == "gzip"
                && page?.headers["content-encoding"] == nil)
    }
}
