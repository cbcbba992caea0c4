import Glibc
import JSON
import Secrets
import Serve
import Store
import TestSupport
import Testing

/// Accounts and the keys of their programs.
@Suite struct AccountTests {
    private func register(
        _ stage: ServeStage, _ name: String, _ password: String = "correct horse", _ rest: String = ""
    ) throws -> RawHTTPConnection.Answer? {
        try stage.wire().post("/api/auth/register", #"{"username":"\#(name)","password":"\#(password)"\#(rest)}"#)
    }

    private func signIn(_ stage: ServeStage, _ name: String, _ password: String = "correct horse") throws -> RawHTTPConnection.Answer? {
        try stage.wire().post("/api/auth/login", #"{"username":"\#(name)","password":"\#(password)"}"#)
    }

    @Test func `an account is made, signed in to and shown`() throws {
        let stage = try ServeStage(), made = try register(stage, "Ada", "correct horse", #","email":"ada@example.org""#)
        #expect(made?.status == 201)
        let answer = try #require(try signIn(stage, "ada")), token = try answer.json()
        #expect(answer.status == 200 && token["token_type"]?.string == "bearer" && token["expires_in"]?.integer == 7 * 86_400)
        let me = try stage.wire().ask("GET", "/api/me", ["Authorization": "bEARER  \(token["access_token"]?.string ?? "")"])
        let shown = try #require(try me?.json())
        #expect(
            shown["username"]?.string == "Ada" && shown["email"]?.string == "ada@example.org" && shown["model"]?.string == "test-model"
                && shown["context"]?.integer == 64)
        #expect(!(me?.text.contains("$2b$") ?? true))
    }

    @Test func `a name is taken whatever its case, and names are of letters and digits`() throws {
        let stage = try ServeStage()
        #expect(try register(stage, "Zoë.ß-9_日本")?.status == 201)
        let taken = try register(stage, "zOË.ß-9_日本")
        #expect(taken?.status == 409 && taken?.error.code == "taken" && taken?.error.field == "username")
        for name in ["", " ", "a b", "a/b", "a\\nb", "<b>", "a\\u0000", "a@b", String(repeating: "a", count: 65)] {
            let answer = try register(stage, name)
            #expect(answer?.status == 422 && answer?.error.field == "username", "\(name)")
        }
    }

    @Test func `an unknown name and a wrong password say the same`() throws {
        let stage = try ServeStage()
        #expect(try register(stage, "ada")?.status == 201)
        let wrong = try #require(try signIn(stage, "ada", "wrong horse")), nobody = try #require(try signIn(stage, "eve", "wrong horse"))
        #expect(
            wrong.status == 401 && wrong.error.code == "wrong_credentials" && wrong.text == nobody.text && wrong.status == nobody.status)
        #expect(Set(wrong.headers.keys) == Set(nobody.headers.keys))
    }

    @Test func `every byte of a password counts, also behind the 72nd`() throws {
        let stage = try ServeStage(), long = String(repeating: "é", count: 36)
        #expect(try register(stage, "ada", long + "a")?.status == 201)
        #expect(try signIn(stage, "ada", long + "a")?.status == 200)
        #expect(try signIn(stage, "ada", long + "b")?.status == 401 && signIn(stage, "ada", long)?.status == 401)
        #expect(try register(stage, "bob", "nul\\u0000here1")?.status == 201 && signIn(stage, "bob", "nul\\u0000here2")?.status == 401)
        for password in ["", "seven77", String(repeating: "a", count: 1_025), String(repeating: "é", count: 600)] {
            let answer = try register(stage, "eve", password)
            #expect(answer?.status == 422 && answer?.error.field == "password")
            #expect(!(answer?.text.contains("seven77") ?? true))
        }
    }

    @Test func `an e-mail address looks like one`() throws {
        let stage = try ServeStage()
        for (i, email) in ["x", "a@b", "@example.org", "a@", "a@@b.c", "a b@c.d", "a@b.c\\n", "a@.c", "a@c."].enumerated() {
            let answer = try register(stage, "a\(i)", "correct horse", #","email":"\#(email)""#)
            #expect(answer?.status == 422 && answer?.error.field == "email", "\(email)")
        }
        #expect(
            try register(stage, "b", "correct horse", #","email":null"#)?.status == 201
                && register(stage, "c", "correct horse", #","email":"""#)?.status == 201)
        #expect(try register(stage, "d", "correct horse", #","phone":"5""#)?.error.field == "phone")
    }

    @Test func `a server that takes no accounts, and one without guests`() throws {
        let stage = try ServeStage {
            $0.letsPeopleRegister = false
            $0.letsGuestsIn = false
        }
        #expect(try register(stage, "ada")?.status == 403)
        #expect(
            try stage.wire().post("/api/chat/guest", #"{"message":"Hi"}"#)?.status == 401
                && stage.wire().post("/chat", #"{"message":"Hi"}"#)?.status == 401)
    }

    @Test func `a key speaks for its account until it is taken back`() throws {
        let stage = try ServeStage(), ada = try stage.account("ada"), wire = try stage.wire()
        let made = try #require(wire.post("/api/keys", #"{"name":"laptop"}"#, ada)), key = try #require(try made.json()["key"]?.string),
            id = try #require(try made.json()["id"]?.string)
        #expect(made.status == 201 && key.hasPrefix("slm_"))
        let withKey = ["Authorization": "Bearer \(key)"]
        #expect(try wire.ask("GET", "/api/me", withKey)?.json()["username"]?.string == "ada")
        let list = try #require(wire.ask("GET", "/api/keys", ada))
        let named = try #require(try list.json()["keys"]?.elements.flatMap { Array($0).first })
        #expect(named["name"]?.string == "laptop" && named["id"]?.string == id && named["last_used_at"]?.string != nil)
        #expect(!list.text.contains(key) && !list.text.contains("hash"))
        #expect(wire.ask("DELETE", "/api/keys/\(id)", ada)?.status == 204)
        #expect(wire.ask("GET", "/api/me", withKey)?.status == 401)
        #expect(try wire.ask("GET", "/api/keys", ada)?.json()["keys"]?.elements.map { Array($0).count } == 0)
        for wrong in ["slm_", "slm_" + String(repeating: "A", count: 43), String(key.dropLast()), key + "A"] {
            #expect(wire.ask("GET", "/api/me", ["Authorization": "Bearer \(wrong)"])?.status == 401)
        }
        #expect(
            wire.post("/api/keys", #"{"name":""}"#, ada)?.error.field == "name" && wire.post("/api/keys", "{}", ada)?.error.field == "name")
    }
}
