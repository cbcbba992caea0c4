import Glibc
import JSON
import Secrets
import Serve
import Store
import TestSupport
import Testing

/// Access to the OpenAI routes: API keys, Host and Origin headers.
@Suite("Access to the OpenAI routes")
struct OpenAIAccessTests {
    private static let paths = [
        ("GET", "/v1/models"), ("GET", "/v1/models/test-model"), ("POST", "/v1/chat/completions"), ("POST", "/v1/completions"),
    ]
    private static let body = #"{"messages":[{"role":"user","content":"Hello"}],"prompt":"Hello","max_tokens":1}"#

    private func status(_ connection: RawHTTPConnection, _ path: (String, String), _ headers: [String: String]) throws -> Int {
        let answer = try #require(
            connection.ask(
                path.0, path.1, headers.merging(["Content-Type": "application/json"]) { $1 }, body: path.0 == "POST" ? Self.body : nil)
        )
        if answer.status == 401 {
            #expect(answer.headers["www-authenticate"] != nil && answer.error("type") == "authentication_error")
        }
        return answer.status
    }

    /// Valid and invalid keys.
    private func keys(_ server: TestServer) throws -> (right: [String], wrong: [String]) {
        let token = try server.sessionToken("ada")
        let header = ["Authorization": "Bearer " + token]
        let connection = try server.connect()
        func key() throws -> (text: String, id: String) {
            let made = try #require(try connection.post("/api/keys", #"{"name":"laptop"}"#, header)?.json())
            return (try #require(made["key"]?.string), try #require(made["id"]?.string))
        }
        let kept = try key(), revoked = try key()
        #expect(connection.ask("DELETE", "/api/keys/\(revoked.id)", header)?.status == 204)
        let ada = try #require(try server.store.user(named: "ada")).id.description
        let foreign = try SigningKey(validating: SigningKey.generate(), source: "another")
        let ours = server.signingKey
        let parts = token.split(separator: ".")
        let wrong = [
            "", "nonsense", "sk-1234", "slm_", "slm_" + String(repeating: "A", count: 43),
            String(kept.text.dropLast()) + (kept.text.hasSuffix("A") ? "E" : "A"), kept.text + "A", revoked.text,
            foreign.text(of: SessionToken(for: ada, at: time(nil), lifetime: 600)),
            ours.text(of: SessionToken(for: ada, at: time(nil) - 1_000, lifetime: 900)),
            ours.text(of: SessionToken(for: "unknown", at: time(nil), lifetime: 600)),
            "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.\(parts[1]).", "\(parts[0]).\(parts[1]).",
            "\(parts[0]).\(parts[1]).\(parts[2].reversed().map(String.init).joined())",
        ]
        return ([token, kept.text], wrong)
    }

    @Test("a server that requires keys accepts only valid ones")
    func required() throws {
        for settings in [true, false] {
            // A server without guests requires a key, too.
            let server = try TestServer { if settings { $0.requiresAPIKey = true } else { $0.allowsGuests = false } }
            let connection = try server.connect()
            let keys = try keys(server)
            for path in Self.paths {
                #expect(try status(connection, path, [:]) == 401)
                for key in keys.wrong {
                    #expect(try status(connection, path, ["Authorization": "Bearer " + key]) == 401, "\(path) \(key)")
                    #expect(try status(connection, path, ["Authorization": key]) == 401, "\(path) \(key)")
                }
                for key in keys.right {
                    #expect(try status(connection, path, ["Authorization": "Bearer " + key]) == 200, "\(path)")
                    #expect(try status(connection, path, ["Authorization": "Basic " + key]) == 401, "\(path)")
                }
            }
        }
    }

    @Test("a server that requires no key accepts any placeholder, because OpenAI clients always send one, but no invalid key of its own")
    func open() throws {
        let server = try TestServer()
        let connection = try server.connect()
        let keys = try keys(server)
        for key in keys.right + keys.wrong + ["none", "sk-xxx", "slm_test"] {
            let isOwn = APIKeyToken(key) != nil && !keys.right.contains(key)
            let found = try status(connection, Self.paths[2], ["Authorization": "Bearer " + key])
            #expect(found == (isOwn ? 401 : 200), "\(key)")
        }
        #expect(keys.wrong.count { APIKeyToken($0) != nil } == 3)             // unknown, changed, revoked
        let ada = try #require(try server.store.user(named: "ada")).id
        _ = try server.store.admin.setDisabled(true, user: ada, by: AdminRequest(actor: "admin", address: ""))
        #expect(try status(connection, Self.paths[2], ["Authorization": "Bearer " + keys.right[1]]) == 401)
    }

    @Test("unknown Host and Origin headers are rejected")
    func unknownHosts() throws {
        let server = try TestServer { $0.origins = ["https://app.example"] }, connection = try server.connect()
        for path in Self.paths {
            for headers in [
                ["Host": "evil.example"], ["Host": "127.0.0.1.evil.example"], ["Host": ""], ["Origin": "https://evil.example"],
                ["Origin": "null"],
                ["Host": "localhost:\(server.port)", "Origin": "http://localhost.evil.example"],
            ] {
                let answer = try #require(
                    connection.ask(
                        path.0, path.1, headers.merging(["Content-Type": "application/json"]) { $1 },
                        body: path.0 == "POST" ? Self.body : nil))
                #expect(answer.status == 400 && answer.error("type") == "invalid_request_error", "\(path) \(headers)")
                #expect(answer.headers["access-control-allow-origin"] == nil)
            }
            for host in ["localhost", "LOCALHOST:1", "127.0.0.1:\(server.port)", "[::1]:80"] {
                #expect(try status(connection, path, ["Host": host]) == 200)
            }
        }
        let friend = try #require(connection.post("/v1/completions", Self.body, ["Origin": "https://app.example"]))
        #expect(
            friend.status == 200 && friend.headers["access-control-allow-origin"] == "https://app.example"
                && friend.headers["vary"] == "Origin")
        let before = try #require(
            connection.ask("OPTIONS", "/v1/completions", ["Origin": "https://app.example", "Access-Control-Request-Method": "POST"]))
        #expect(before.status == 204 && before.headers["access-control-allow-methods"] == "POST")
        // The clients of OpenAI and Anthropic send their keys, and headers of their own.
        let allowed = before.headers["access-control-allow-headers"]?.split(separator: ", ") ?? []
        #expect(["Authorization", "X-API-Key", "Anthropic-Version", "*"].allSatisfy(allowed.contains))
        #expect(
            connection.ask(
                "OPTIONS", "/v1/completions", ["Origin": "https://evil.example", "Access-Control-Request-Method": "POST"])?.status
                == 400)
    }

    @Test("errors have OpenAI's format")
    func form() throws {
        let server = try TestServer { $0.chatsPerMinute = 1 }, connection = try server.connect()
        #expect(connection.post("/v1/completions", Self.body)?.status == 200)
        let late = try #require(connection.post("/v1/completions", Self.body))
        #expect(late.status == 429 && (Int(late.headers["retry-after"] ?? "") ?? 0) > 0 && late.error("type") == "rate_limit_error")
        for (answer, status) in [
            (connection.ask("GET", "/v1/nothing"), 404), (connection.ask("GET", "/v1/completions"), 405),
            (connection.ask("POST", "/v1/completions", body: "{}"), 415),
            (connection.post("/v1/completions", "{"), 400), (connection.post("/v1/completions", "[]"), 400),
        ] {
            #expect(answer?.status == status && answer?.error("type") == "invalid_request_error", "\(answer?.text ?? "")")
        }
    }
}
