import Glibc
import Infer
import JSON
import Serve
import Store
import TestSupport
import Testing

/// Too much at a time, too often, and from the wrong places.
@Suite struct TrafficTests {
    @Test func `so many questions a minute, each account and each address for itself`() throws {
        let stage = try ServeStage { $0.chatsPerMinute = 2 }, ada = try stage.account("ada"), eve = try stage.account("eve")
        for target in ["/api/chat/guest", "/chat"] { #expect(try stage.wire().post(target, #"{"message":"Hi"}"#)?.status == 200) }
        let refused = try #require(try stage.wire().post("/api/chat/guest", #"{"message":"Hi"}"#))
        #expect(refused.status == 429 && refused.error.code == "too_many_requests")
        let seconds = try #require(refused.headers["retry-after"].flatMap { Int($0) })
        #expect((1...30).contains(seconds))
        for _ in 0..<2 { try stage.chat(#"{"message":"Hi"}"#, as: ada) }
        #expect(try stage.wire().post("/api/chat", #"{"message":"Hi"}"#, ada)?.status == 429)
        #expect(try stage.chat(#"{"message":"Hi"}"#, as: eve).end.name == "done")
        // What is refused for another reason costs nothing.
        let bob = try stage.account("bob")
        for _ in 0..<5 { #expect(try stage.wire().post("/api/chat", #"{"message":""}"#, bob)?.status == 422) }
        #expect(try stage.chat(#"{"message":"Hi"}"#, as: bob).end.name == "done")
    }

    @Test func `so many attempts to sign in and to register`() throws {
        let stage = try ServeStage {
            $0.signInsPerMinute = 3
            $0.registrationsPerMinute = 2
        }
        func knock(_ target: String, _ name: String) throws -> RawHTTPConnection.Answer {
            try #require(try stage.wire().post(target, #"{"username":"\#(name)","password":"correct horse"}"#))
        }
        #expect(try (0..<3).map { try knock("/api/auth/register", "ada\($0)").status } == [201, 201, 429])
        #expect(try (0..<4).map { try knock("/api/auth/login", "ada\($0)").status } == [200, 200, 401, 429])
        #expect(try knock("/api/auth/login", "ada0").headers["retry-after"] != nil)
    }

    @Test func `many addresses together guess one account's password no faster than one`() throws {
        let stage = try ServeStage {
            $0.signInsPerMinute = 3
            $0.trustsProxy = true
        }
        #expect(try stage.wire().post("/api/auth/register", #"{"username":"ada","password":"correct horse"}"#)?.status == 201)
        func guess(_ password: String, from address: String, of name: String = "ada") throws -> Int? {
            try stage.wire().post(
                "/api/auth/login", #"{"username":"\#(name)","password":"\#(password)"}"#, ["X-Forwarded-For": "10.0.0.1, \(address)"])?
                .status
        }
        #expect(try (1...3).map { try guess("wrong", from: "192.0.2.\($0)") } == [401, 401, 401])
        // Now not even the right one is looked at, in whatever case the name is written.
        #expect(try guess("wrong", from: "192.0.2.4") == 429 && guess("correct horse", from: "192.0.2.5", of: "ADA") == 429)
        #expect(try guess("wrong", from: "192.0.2.6", of: "eve") == 401)
    }

    @Test func `an address guesses the owner's key so often`() throws {
        let stage = try ServeStage {
            $0.signInsPerMinute = 3
            $0.adminKey = "the owner's key"
        }
        func ask(_ key: String) throws -> Int? { try stage.wire().ask("GET", "/api/admin/stats", ["X-Admin-Key": key])?.status }
        #expect(try ask("the owner's key") == 200)
        #expect(try (0..<4).map { try ask("wrong \($0)") } == [401, 401, 401, 429] && ask("the owner's key") == 429)
    }

    @Test func `nobody shuts the owner's door by guessing at an account's`() throws {
        let stage = try ServeStage {
            $0.signInsPerMinute = 8
            $0.adminKey = "the owner's key"
        }
        for name in ["owner from 127.0.0.1", "admin from 127.0.0.1", "127.0.0.1"] {
            for _ in 0..<2 { _ = try stage.wire().post("/api/auth/login", #"{"username":"\#(name)","password":"wrong"}"#) }
        }
        #expect(try stage.wire().ask("GET", "/api/admin/stats", ["X-Admin-Key": "the owner's key"])?.status == 200)
    }

    @Test func `whoever hides where they are from the proxy is one person, and not the proxy`() throws {
        let stage = try ServeStage {
            $0.chatsPerMinute = 1
            $0.trustsProxy = true
        }
        func chat(_ lines: String...) throws -> Int? {
            let body = #"{"message":"Hi"}"#, wire = try stage.wire()
            wire.send(
                "POST /api/chat/guest HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    + lines.map { "X-Forwarded-For: \($0)\r\n" }.joined()
                    + "Content-Length: \(body.utf8.count)\r\n\r\n" + body)
            return wire.answer()?.status
        }
        #expect(
            try [chat("192.0.2.1"), chat("10.0.0.1", "192.0.2.1"), chat("192.0.2.2, 192.0.2.1:4711"), chat("9.9.9.9\u{0600}, 192.0.2.1")]
                == [200, 429, 429, 429])
        #expect(try [chat("[2001:db8::1]:80"), chat("2001:db8::1")] == [200, 429])
        #expect(try [chat("nobody"), chat("nobody else"), chat()] == [200, 429, 200])
    }

    @Test func `X-Forwarded-For is believed of a proxy only`() throws {
        let stage = try ServeStage { $0.chatsPerMinute = 1 }
        func chat(_ address: String) throws -> Int? {
            try stage.wire().post("/api/chat/guest", #"{"message":"Hi"}"#, ["X-Forwarded-For": address])?.status
        }
        #expect(try [chat("192.0.2.1"), chat("192.0.2.2")] == [200, 429])
    }

    @Test func `a full queue, and one person's share of it`() throws {
        let turnstile = Turnstile(before: 0), stage = try ServeStage(HeardBackend(at: turnstile)) {
            $0.places = 1
            $0.waiting = 2
            $0.perPerson = 2
        }
        let ada = try stage.account("ada"), bob = try stage.account("bob"), eve = try stage.account("eve")
        let first = try stage.listen("/api/chat", #"{"message":"a"}"#, ada),
            second = try stage.listen("/api/chat", #"{"message":"b"}"#, ada)
        let own = try stage.wire().post("/api/chat", #"{"message":"c"}"#, ada)
        #expect(own?.status == 429 && own?.error.code == "too_many_requests" && own?.headers["retry-after"] != nil)
        let third = try stage.listen("/api/chat", #"{"message":"d"}"#, bob)
        let full = try stage.wire().post("/api/chat", #"{"message":"e"}"#, eve)
        #expect(full?.status == 503 && full?.error.code == "busy" && full?.headers["retry-after"] != nil)
        turnstile.open()
        for listener in [first, second, third] { #expect(try listener.hears().last?.data["reason"]?.string == "stop") }
        // Of what was refused nothing is stored.
        #expect(try stage.store.admin.totals().messages == 6)
        #expect(try stage.chat(#"{"message":"e"}"#, as: eve).end.name == "done")
    }

    @Test func `who asks for one answer waits for nobody's five`() throws {
        let turnstile = Turnstile(before: 0), backend = HeardBackend(at: turnstile), stage = try ServeStage(backend) { $0.places = 1 }
        let ada = try stage.account("ada"), bob = try stage.account("bob")
        var listeners: [Listener] = []
        for i in 0..<5 { listeners.append(try stage.listen("/api/chat", #"{"message":"ada \#(i)"}"#, ada)) }
        listeners.append(try stage.listen("/api/chat", #"{"message":"bob"}"#, bob))
        #expect(try stage.waits(forRunning: 1, waiting: 5))
        turnstile.open()
        for listener in listeners { #expect(try listener.hears().last?.name == "done") }
        #expect(backend.prompts.prefix(3).map(\.first) == ["user: ada 0", "user: bob", "user: ada 1"])
    }

    @Test func `who waits and goes leaves the queue`() throws {
        let turnstile = Turnstile(before: 0), backend = HeardBackend(at: turnstile), stage = try ServeStage(backend) { $0.places = 1 }
        let first = try stage.listen("/api/chat/guest", #"{"message":"one"}"#)
        var second: Listener? = try stage.listen("/api/chat/guest", #"{"message":"two"}"#)
        #expect(try stage.waits(forRunning: 1, waiting: 1) && second != nil)
        second = nil
        #expect(try stage.waits(forRunning: 1, waiting: 0))
        turnstile.open()
        #expect(try first.hears().last?.name == "done" && backend.prompts == [["user: one"]])
    }

    @Test func `only by its own names, and only from its own pages`() throws {
        let stage = try ServeStage { ($0.hosts, $0.origins) = (["chat.example.org"], ["https://app.example"]) }, wire = try stage.wire(),
            port = stage.server.port
        for host in ["localhost", "localhost:\(port)", "127.0.0.1:1", "[::1]:80", "CHAT.example.org"] {
            #expect(wire.ask("GET", "/api/health", ["Host": host])?.status == 200, "\(host)")
        }
        for host in ["evil.example", "192.0.2.1", "localhost.evil.example", "", "chat.example.org.evil.example", "[::2]"] {
            #expect(wire.ask("GET", "/api/health", ["Host": host])?.status == 400, "\(host)")
        }
        for origin in ["http://evil.example", "null", "https://app.example.evil.example", "http://app.example", "http://localhost:1", ""] {
            let answer = wire.ask("GET", "/api/health", ["Origin": origin])
            #expect(answer?.status == 400 && answer?.headers["access-control-allow-origin"] == nil, "\(origin)")
        }
        #expect(wire.ask("GET", "/api/health", ["Host": "localhost:\(port)", "Origin": "http://localhost:\(port)"])?.status == 200)
        #expect(wire.ask("GET", "/api/health")?.headers["access-control-allow-origin"] == nil)
        let other = wire.ask("GET", "/api/health", ["Origin": "https://app.example"])
        #expect(
            other?.status == 200 && other?.headers["access-control-allow-origin"] == "https://app.example"
                && other?.headers["vary"] == "Origin")
        #expect(other?.headers["access-control-allow-credentials"] == nil)
    }

    @Test func `a browser may ask first, for pages that may ask`() throws {
        let stage = try ServeStage { $0.origins = ["https://app.example"] }, wire = try stage.wire()
        func preflight(_ origin: String) -> RawHTTPConnection.Answer? {
            wire.ask("OPTIONS", "/api/conversations/x", ["Origin": origin, "Access-Control-Request-Method": "PATCH"])
        }
        let answer = preflight("https://app.example")
        #expect(answer?.status == 204 && answer?.headers["access-control-allow-methods"]?.contains("PATCH") ?? false)
        #expect(
            answer?.headers["access-control-allow-headers"] == "Authorization, Content-Type, X-Admin-Key"
                && answer?.headers["access-control-allow-origin"] == "https://app.example")
        #expect(preflight("https://evil.example")?.status == 400)
        #expect(wire.ask("OPTIONS", "/api/conversations/x")?.status == 405)
        // A stream has them too, and so has an error.
        #expect(
            wire.post("/api/chat/guest", #"{"message":"Hi"}"#, ["Origin": "https://app.example"])?.headers["access-control-allow-origin"]
                == "https://app.example")
        #expect(
            wire.post("/api/chat/guest", "{}", ["Origin": "https://app.example"])?.headers["access-control-allow-origin"]
                == "https://app.example")
    }

    @Test func `no path leads out of the page's files`() throws {
        let stage = try ServeStage(), wire = try stage.wire()
        #expect(wire.ask("GET", "/web/main.js")?.status == 200)
        for path in [
            "..%2fmain.js", "%2e%2e%2fetc%2fpasswd", "%252e%252e%252fetc%252fpasswd", "../../etc/passwd", "../web/main.js", "/etc/passwd",
            "..\\..\\etc\\passwd", "%2fetc%2fpasswd",
            ".", "..", "", "main.js/", "./main.js", "main.js%00", "main.js%2f", "MAIN.JS", "main%2ejs%3fx", "index.html",
            "%c0%ae%c0%ae%c0%afetc%c0%afpasswd", ".git", "main.js;x",
        ] {
            let answer = wire.ask("GET", "/web/\(path)")
            #expect([400, 404].contains(answer?.status ?? 0), "\(path): \(answer?.status ?? 0)")
            #expect(!(answer?.text.contains("root:") ?? false))
        }
        #expect(wire.ask("GET", "/web/main%2Ejs")?.status == 200)                   // another way to write the same
    }

    @Test func `every answer tells browsers to be careful`() throws {
        let stage = try ServeStage(), wire = try stage.wire()
        for answer in [
            wire.ask("GET", "/"), wire.ask("GET", "/api/health"), wire.ask("GET", "/nothing"),
            wire.post("/api/chat/guest", #"{"message":"Hi"}"#), wire.ask("GET", "/%"),
        ] {
            let headers = try #require(answer?.headers)
            #expect(headers["content-security-policy"]?.hasPrefix("default-src 'none'; script-src 'self'; ") ?? false)
            #expect(
                headers["x-content-type-options"] == "nosniff" && headers["referrer-policy"] == "no-referrer"
                    && headers["cross-origin-opener-policy"] == "same-origin")
            #expect(headers["server"] == nil)
        }
        let page = wire.ask("GET", "/"), tag = page?.headers["etag"] ?? ""
        #expect(page?.headers["cache-control"] == "no-cache" && wire.ask("GET", "/", ["If-None-Match": tag])?.status == 304)
        #expect(
            wire.ask("GET", "/", ["Accept-Encoding": "gzip"])?.headers["content-encoding"] == "gzip"
                && page?.headers["content-encoding"] == nil)
    }
}
