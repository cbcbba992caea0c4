import Glibc
import JSON
import Secrets
import Serve
import Store
import TestSupport
import Testing

/// Who may ask at OpenAI's paths: keys, names of the server, pages of other sites.
@Suite("Who may ask at OpenAI's paths")
struct ProgramAccessTests {
    private static let paths = [
        ("GET", "/v1/models"), ("GET", "/v1/models/test-model"), ("POST", "/v1/chat/completions"), ("POST", "/v1/completions"),
    ]
    private static let body = #"{"messages":[{"role":"user","content":"Hello"}],"prompt":"Hello","max_tokens":1}"#

    private func status(_ wire: RawHTTPConnection, _ path: (String, String), _ headers: [String: String]) throws -> Int {
        let answer = try #require(
            wire.ask(path.0, path.1, headers.merging(["Content-Type": "application/json"]) { $1 }, body: path.0 == "POST" ? Self.body : nil)
        )
        if answer.status == 401 {
            #expect(answer.headers["www-authenticate"] != nil && answer.error("type") == "authentication_error")
        }
        return answer.status
    }

    /// What a thief or a fool would try, and what is right.
    private func keys(_ stage: ServeStage) throws -> (right: [String], wrong: [String]) {
        let token = try stage.signedIn("ada"), header = ["Authorization": "Bearer " + token], wire = try stage.wire()
        func key() throws -> (text: String, id: String) {
            let made = try #require(try wire.post("/api/keys", #"{"name":"laptop"}"#, header)?.json())
            return (try #require(made["key"]?.string), try #require(made["id"]?.string))
        }
        let kept = try key(), revoked = try key()
        #expect(wire.ask("DELETE", "/api/keys/\(revoked.id)", header)?.status == 204)
        let ada = try #require(try stage.store.user(named: "ada")).id.description
        let foreign = SessionTokenSigner(try Secret(validating: Secret.generate(), source: "another")),
            ours = SessionTokenSigner(stage.secret)
        let parts = token.split(separator: ".")
        let wrong = [
            "", "nonsense", "sk-1234", "slm_", "slm_" + String(repeating: "A", count: 43),
            String(kept.text.dropLast()) + (kept.text.hasSuffix("A") ? "E" : "A"), kept.text + "A", revoked.text,
            foreign.text(of: SessionToken(for: ada, at: time(nil), lifetime: 600)),
            ours.text(of: SessionToken(for: ada, at: time(nil) - 1_000, lifetime: 900)),
            ours.text(of: SessionToken(for: "nobody", at: time(nil), lifetime: 600)),
            "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.\(parts[1]).", "\(parts[0]).\(parts[1]).",
            "\(parts[0]).\(parts[1]).\(parts[2].reversed().map(String.init).joined())",
        ]
        return ([token, kept.text], wrong)
    }

    @Test("a server that asks for keys takes those that are right, and no other")
    func required() throws {
        for settings in [true, false] {
            // Who lets no guests in asks programs for a key as well.
            let stage = try ServeStage { if settings { $0.needsKey = true } else { $0.letsGuestsIn = false } }, wire = try stage.wire(),
                keys = try keys(stage)
            for path in Self.paths {
                #expect(try status(wire, path, [:]) == 401)
                for key in keys.wrong {
                    #expect(try status(wire, path, ["Authorization": "Bearer " + key]) == 401, "\(path) \(key)")
                    #expect(try status(wire, path, ["Authorization": key]) == 401, "\(path) \(key)")
                }
                for key in keys.right {
                    #expect(try status(wire, path, ["Authorization": "Bearer " + key]) == 200, "\(path)")
                    #expect(try status(wire, path, ["Authorization": "Basic " + key]) == 401, "\(path)")
                }
            }
        }
    }

    @Test("a server that asks for none takes any: clients cannot but send one")
    func open() throws {
        let stage = try ServeStage(), wire = try stage.wire(), keys = try keys(stage)
        for key in keys.right + keys.wrong { #expect(try status(wire, Self.paths[2], ["Authorization": "Bearer " + key]) == 200) }
    }

    @Test("another's name for this server, and pages of other sites, get nothing")
    func strangers() throws {
        let stage = try ServeStage { $0.origins = ["https://app.example"] }, wire = try stage.wire()
        for path in Self.paths {
            for headers in [
                ["Host": "evil.example"], ["Host": "127.0.0.1.evil.example"], ["Host": ""], ["Origin": "https://evil.example"],
                ["Origin": "null"],
                ["Host": "localhost:\(stage.server.port)", "Origin": "http://localhost.evil.example"],
            ] {
                let answer = try #require(
                    wire.ask(
                        path.0, path.1, headers.merging(["Content-Type": "application/json"]) { $1 },
                        body: path.0 == "POST" ? Self.body : nil))
                #expect(answer.status == 400 && answer.error("type") == "invalid_request_error", "\(path) \(headers)")
                #expect(answer.headers["access-control-allow-origin"] == nil)
            }
            for host in ["localhost", "LOCALHOST:1", "127.0.0.1:\(stage.server.port)", "[::1]:80"] {
                #expect(try status(wire, path, ["Host": host]) == 200)
            }
        }
        let friend = try #require(wire.post("/v1/completions", Self.body, ["Origin": "https://app.example"]))
        #expect(
            friend.status == 200 && friend.headers["access-control-allow-origin"] == "https://app.example"
                && friend.headers["vary"] == "Origin")
        let before = try #require(
            wire.ask("OPTIONS", "/v1/completions", ["Origin": "https://app.example", "Access-Control-Request-Method": "POST"]))
        #expect(before.status == 204 && before.headers["access-control-allow-methods"] == "POST")
        #expect(
            wire.ask("OPTIONS", "/v1/completions", ["Origin": "https://evil.example", "Access-Control-Request-Method": "POST"])?.status
                == 400)
    }

    @Test("what is asked too often, wrongly or of no path is said in OpenAI's form")
    func form() throws {
        let stage = try ServeStage { $0.chatsPerMinute = 1 }, wire = try stage.wire()
        #expect(wire.post("/v1/completions", Self.body)?.status == 200)
        let late = try #require(wire.post("/v1/completions", Self.body))
        #expect(late.status == 429 && (Int(late.headers["retry-after"] ?? "") ?? 0) > 0 && late.error("type") == "rate_limit_error")
        for (answer, status) in [
            (wire.ask("GET", "/v1/nothing"), 404), (wire.ask("GET", "/v1/completions"), 405),
            (wire.ask("POST", "/v1/completions", body: "{}"), 415),
            (wire.post("/v1/completions", "{"), 400), (wire.post("/v1/completions", "[]"), 400),
        ] {
            #expect(answer?.status == status && answer?.error("type") == "invalid_request_error", "\(answer?.text ?? "")")
        }
    }
}
