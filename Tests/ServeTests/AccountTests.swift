import Glibc
import JSON
import Secrets
import Serve
import Store
import TestSupport
import Testing
import Threads

/// Accounts and their API keys.
@Suite struct AccountTests {
    private func register(
        _ server: TestServer, _ name: String, _ password: String = "correct horse", _ rest: String = ""
    ) throws -> RawHTTPConnection.Answer? {
        try server.connect().post("/api/auth/register", #"{"username":"\#(name)","password":"\#(password)"\#(rest)}"#)
    }

    private func signIn(_ server: TestServer, _ name: String, _ password: String = "correct horse") throws -> RawHTTPConnection.Answer? {
        try server.connect().post("/api/auth/login", #"{"username":"\#(name)","password":"\#(password)"}"#)
    }

    @Test func `an account can be registered, signed in to and shown`() throws {
        let server = try TestServer()
        let made = try register(server, "Ada", "correct horse", #","email":"ada@example.org""#)
        #expect(made?.status == 201)
        let answer = try #require(try signIn(server, "ada")), token = try answer.json()
        #expect(answer.status == 200 && token["token_type"]?.string == "bearer" && token["expires_in"]?.integer == 7 * 86_400)
        let me = try server.connect().ask("GET", "/api/me", ["Authorization": "bEARER  \(token["access_token"]?.string ?? "")"])
        let shown = try #require(try me?.json())
        #expect(
            shown["username"]?.string == "Ada" && shown["email"]?.string == "ada@example.org" && shown["model"]?.string == "test-model"
                && shown["context"]?.integer == 64)
        #expect(!(me?.text.contains("$2b$") ?? true))
    }

    @Test func `usernames are unique ignoring case, and consist of letters and digits`() throws {
        let server = try TestServer()
        #expect(try register(server, "Zoë.ß-9_日本")?.status == 201)
        let taken = try register(server, "zOË.ß-9_日本")
        #expect(taken?.status == 409 && taken?.error.code == "taken" && taken?.error.field == "username")
        // 64 characters and 255 bytes.
        #expect(try register(server, String(repeating: "𐐨", count: 63) + "日")?.status == 201)
        let tooLong = [String(repeating: "a", count: 65), String(repeating: "𐐨", count: 64)]
        for name in ["", " ", "a b", "a/b", "a\\nb", "<b>", "a\\u0000", "a@b"] + tooLong {
            let answer = try register(server, name)
            #expect(answer?.status == 422 && answer?.error.field == "username", "\(name)")
        }
    }

    @Test func `an unknown username and a wrong password give the same response`() throws {
        let costs = Mailbox<String>()
        let server = try TestServer { $0.onPasswordHash = { costs.put($0) } }
        #expect(try register(server, "ada")?.status == 201)
        #expect(costs.take(within: .zero) == "04")
        let wrong = try #require(try signIn(server, "ada", "wrong horse"))
        #expect(costs.take(within: .zero) == "04" && costs.take(within: .zero) == nil)
        let unknown = try #require(try signIn(server, "eve", "wrong horse"))
        // Both compute one hash of the same cost, so they take the same time.
        #expect(costs.take(within: .zero) == "04" && costs.take(within: .zero) == nil)
        #expect(
            wrong.status == 401 && wrong.error.code == "wrong_credentials" && unknown.status == 401
                && unknown.error.code == "wrong_credentials" && wrong.error("message") == unknown.error("message"))
        #expect(Set(wrong.headers.keys) == Set(unknown.headers.keys))
    }

    @Test func `every byte of a password counts, also after the 72nd`() throws {
        let server = try TestServer(), long = String(repeating: "é", count: 36)
        #expect(try register(server, "ada", long + "a")?.status == 201)
        #expect(try signIn(server, "ada", long + "a")?.status == 200)
        #expect(try signIn(server, "ada", long + "b")?.status == 401 && signIn(server, "ada", long)?.status == 401)
        #expect(try register(server, "bob", "nul\\u0000here1")?.status == 201 && signIn(server, "bob", "nul\\u0000here2")?.status == 401)
        for password in ["", "seven77", String(repeating: "a", count: 1_025), String(repeating: "é", count: 600)] {
            let answer = try register(server, "eve", password)
            #expect(answer?.status == 422 && answer?.error.field == "password")
            #expect(!(answer?.text.contains("seven77") ?? true))
        }
    }

    @Test func `invalid email addresses are rejected`() throws {
        let server = try TestServer()
        for (i, email) in [
            "x", "a@b", "@example.org", "a@", "a@@b.c", "a b@c.d", "a@b.c\\n", "a@.c", "a@c.", "a@b.c\\u001f", "a\\u007f@b.c",
        ].enumerated() {
            let answer = try register(server, "a\(i)", "correct horse", #","email":"\#(email)""#)
            #expect(answer?.status == 422 && answer?.error.field == "email", "\(email)")
        }
        #expect(
            try register(server, "b", "correct horse", #","email":null"#)?.status == 201
                && register(server, "c", "correct horse", #","email":"""#)?.status == 201)
        #expect(try register(server, "d", "correct horse", #","phone":"5""#)?.error.field == "phone")
    }

    @Test func `registration and guests can be disabled`() throws {
        let server = try TestServer {
            $0.allowsRegistration = false
            $0.allowsGuests = false
        }
        #expect(try register(server, "ada")?.status == 403)
        #expect(
            try server.connect().post("/api/chat/guest", #"{"message":"Hi"}"#)?.status == 401
                && server.connect().post("/chat", #"{"message":"Hi"}"#)?.status == 401)
    }

    @Test func `an API key is valid under v1 until it is revoked`() throws {
        let server = try TestServer { $0.requiresAPIKey = true }
        let ada = try server.account("ada")
        let connection = try server.connect()
        let made = try #require(connection.post("/api/keys", #"{"name":"laptop"}"#, ada))
        let key = try #require(try made.json()["key"]?.string)
        let id = try #require(try made.json()["id"]?.string)
        #expect(made.status == 201 && key.hasPrefix("slm_"))
        let withKey = ["Authorization": "Bearer \(key)"]
        #expect(connection.ask("GET", "/v1/models", withKey)?.status == 200)
        let list = try #require(connection.ask("GET", "/api/keys", ada))
        let named = try #require(try list.json()["keys"]?.list?.first)
        #expect(named["name"]?.string == "laptop" && named["id"]?.string == id && named["last_used_at"]?.string != nil)
        #expect(!list.text.contains(key) && !list.text.contains("hash"))
        #expect(connection.ask("DELETE", "/api/keys/\(id)", ada)?.status == 204)
        #expect(connection.ask("GET", "/v1/models", withKey)?.status == 401)
        #expect(try connection.ask("GET", "/api/keys", ada)?.json()["keys"]?.list?.count == 0)
        for wrong in ["slm_", "slm_" + String(repeating: "A", count: 43), String(key.dropLast()), key + "A"] {
            #expect(connection.ask("GET", "/v1/models", ["Authorization": "Bearer \(wrong)"])?.status == 401)
        }
        #expect(
            connection.post("/api/keys", #"{"name":""}"#, ada)?.error.field == "name"
                && connection.post("/api/keys", "{}", ada)?.error.field == "name")
    }
}
