import JSON
import Serve
import Store
import TestSupport
import Testing

/// Administration of accounts, invitations, and the audit log.
@Suite struct AdminUserTests {
    private let key = ["X-Admin-Key": "the owner's key"]

    private func server(_ change: (inout ServeSettings) -> Void = { _ in }, clock: ManualClock = ManualClock()) throws -> TestServer {
        try TestServer(clock: clock) { settings in
            settings.adminKey = "the owner's key"
            change(&settings)
        }
    }

    private func id(_ server: TestServer, _ name: String) throws -> String {
        try #require(try server.store.user(named: name)).id.description
    }

    private func post(
        _ server: TestServer, _ target: String, _ body: String, _ headers: [String: String] = [:]
    ) throws -> RawHTTPConnection.Answer {
        try #require(try server.connect().post(target, body, headers))
    }

    private func send(_ server: TestServer, _ method: String, _ target: String, _ body: String? = nil) throws -> RawHTTPConnection.Answer {
        try server.ask(method, target, body, key)
    }

    private func signIn(
        _ server: TestServer, _ name: String, _ password: String = "correct horse", by field: String = "username"
    ) throws -> Int {
        try post(server, "/api/auth/login", #"{"\#(field)":"\#(name)","password":"\#(password)"}"#).status
    }

    private func audit(_ server: TestServer) throws -> [String] {
        let entries = try send(server, "GET", "/api/admin/audit").json()["entries"]?.elements
        return try #require(entries).map { entry in
            "\(entry["actor"]?.string ?? "") \(entry["action"]?.string ?? "") \(entry["target_name"]?.string ?? "-")"
        }
    }

    @Test func `a disabled user has no access, and is back when enabled`() throws {
        let gate = GenerationGate(beforeCharacter: 1), backend = RecordingBackend(gate: gate)
        let server = try TestServer(backend) {
            $0.adminKey = "the owner's key"
            $0.requiresAPIKey = true
        }
        let ada = try server.account("ada"), target = "/api/admin/users/\(try id(server, "ada"))", connection = try server.connect()
        let made = try post(server, "/api/keys", #"{"name":"laptop"}"#, ada).json()
        let apiKey = ["Authorization": "Bearer \(try #require(made["key"]?.string))"]
        let stream = try server.openStream("/api/chat", #"{"message":"one"}"#, ada)
        try eventually { backend.prompts.count == 1 }
        let disabled = try send(server, "PATCH", target, #"{"disabled":true}"#)
        #expect(try disabled.status == 200 && disabled.json()["disabled"]?.boolean == true)
        try eventually { backend.cancellations.value > 0 }
        gate.open()
        #expect(try stream.read().last?.data["reason"]?.string == "cancelled")
        #expect(connection.ask("GET", "/api/me", ada)?.status == 401 && connection.ask("GET", "/v1/models", apiKey)?.status == 401)
        // The right password is answered with the reason, a wrong one is not.
        let refused = try post(server, "/api/auth/login", #"{"username":"ada","password":"correct horse"}"#)
        #expect(refused.status == 403 && refused.error.code == "disabled")
        #expect(try signIn(server, "ada", "wrong horse") == 401)
        let list = try send(server, "GET", "/api/admin/users").json()["users"]?.elements
        #expect(try #require(list).map { $0["disabled"]?.boolean } == [true])
        #expect(try send(server, "PATCH", target, #"{"disabled":false}"#).json()["disabled"]?.boolean == false)
        #expect(try signIn(server, "ada") == 200 && connection.ask("GET", "/v1/models", apiKey)?.status == 200)
        #expect(connection.ask("GET", "/api/me", ada)?.status == 401)
        #expect(try send(server, "PATCH", target, "{}").error.field == "disabled")
        #expect(try audit(server) == ["admin user.enable ada", "admin user.disable ada"])
    }

    @Test func `a new password is set once with the code of the admin`() throws {
        let clock = ManualClock(), server = try server(clock: clock)
        let ada = try server.account("ada"), target = "/api/admin/users/\(try id(server, "ada"))/reset-password"
        func reset(_ code: String, _ name: String = "ada") throws -> RawHTTPConnection.Answer {
            try post(server, "/api/auth/reset-password", #"{"username":"\#(name)","code":"\#(code)","new_password":"battery staple"}"#)
        }
        func code(_ body: String = "{}") throws -> String {
            let made = try send(server, "POST", target, body)
            #expect(made.status == 201)
            return try #require(try made.json()["code"]?.string)
        }
        let first = try code(), second = try code()
        // The current password stays valid until a code is used; an earlier code is replaced by a later one.
        #expect(try signIn(server, "ada") == 200 && reset(first).error.code == "wrong_code")
        _ = try server.account("eve")
        #expect(try reset(second, "eve").error.code == "wrong_code" && reset("0000-0000-0000-0000").error.field == "code")
        #expect(try reset(second, "unknown").error.code == "wrong_code" && reset("x").error.code == "wrong_code")
        let done = try reset(second.lowercased().replacing("-", with: " "))
        #expect(try done.status == 200 && done.json()["access_token"]?.string != nil)
        #expect(try reset(second).error.code == "wrong_code" && signIn(server, "ada") == 401)
        #expect(try signIn(server, "ada", "battery staple") == 200)
        #expect(try server.connect().ask("GET", "/api/me", ada)?.status == 401)
        let third = try code(#"{"expires_in":60}"#)
        clock.advance(60_000)
        #expect(try reset(third).error.code == "wrong_code")
        for wrong in ["59", "7776001", #""x""#] {
            #expect(try send(server, "POST", target, #"{"expires_in":\#(wrong)}"#).error.field == "expires_in")
        }
        // Without a time, a code is valid for a week.
        for (days, status) in [(6, 200), (7, 403)] {
            let code = try code()
            clock.advance(days * 86_400_000)
            #expect(try reset(code).status == status)
        }
        #expect(try code(#"{"expires_in":7776000}"#) != "")
        #expect(try audit(server) == Array(repeating: "admin user.reset_password ada", count: 6))
    }

    @Test func `guessing codes is limited like guessing passwords`() throws {
        let server = try server { $0.signInsPerMinute = 3 }
        _ = try server.account("ada")
        let body = #"{"username":"ada","code":"0000-0000-0000-0000","new_password":"battery staple"}"#
        #expect(try (0..<4).map { _ in try post(server, "/api/auth/reset-password", body).status } == [403, 403, 403, 429])
    }

    @Test func `an account without a password gets a code, and no password opens it`() throws {
        let server = try server { $0.allowsRegistration = false }
        let made = try send(server, "POST", "/api/admin/users", #"{"username":"ada","email":"ada@example.org"}"#)
        let code = try #require(try made.json()["code"]?.string)
        #expect(made.status == 201)
        for password in ["!", "", "correct horse"] { #expect(try signIn(server, "ada", password) != 200) }
        let body = #"{"email":"ADA@example.org","code":"\#(code)","new_password":"correct horse"}"#
        #expect(try post(server, "/api/auth/reset-password", body).status == 200 && signIn(server, "ada") == 200)
        let bob = try send(server, "POST", "/api/admin/users", #"{"username":"bob","password":"battery staple"}"#)
        #expect(try bob.status == 201 && bob.json()["code"] == nil && signIn(server, "bob", "battery staple") == 200)
        #expect(try send(server, "POST", "/api/admin/users", #"{"username":"BOB"}"#).error.code == "taken")
        #expect(try send(server, "POST", "/api/admin/users", #"{"username":"cid","password":"short"}"#).error.field == "password")
        #expect(try send(server, "POST", "/api/admin/users", "{}").error.field == "username")
        #expect(try audit(server) == ["admin user.create bob", "admin user.reset_password ada", "admin user.create ada"])
    }

    @Test func `an invitation opens closed registration once`() throws {
        let clock = ManualClock(), server = try server({ $0.allowsRegistration = false }, clock: clock)
        func invite(_ body: String = #"{"invite":true,"email":"ada@example.org","expires_in":60}"#) throws -> JSONElement {
            try send(server, "POST", "/api/admin/users", body).json()
        }
        func register(_ name: String, _ invitation: String?) throws -> RawHTTPConnection.Answer {
            let field = invitation.map { #","invitation":"\#($0)""# } ?? ""
            return try post(server, "/api/auth/register", #"{"username":"\#(name)","password":"correct horse"\#(field)}"#)
        }
        let code = try #require(try invite()["code"]?.string)
        #expect(try register("ada", nil).error.code == "closed" && register("ada", "").error.code == "closed")
        #expect(try register("ada", "0000-0000-0000-0000").error.code == "wrong_code" && register("ada", "x").error.field == "invitation")
        _ = try send(server, "POST", "/api/admin/users", #"{"username":"bob","password":"correct horse"}"#)
        // A rejected registration does not use the code.
        #expect(try register("bob", code).error.code == "taken" && register("ada", code.lowercased()).status == 201)
        #expect(try register("eve", code).error.code == "wrong_code")
        let late = try invite(), gone = try invite()
        #expect(try send(server, "DELETE", "/api/admin/invitations/\(try #require(gone["id"]?.string))").status == 204)
        #expect(try register("eve", try #require(gone["code"]?.string)).error.code == "wrong_code")
        let list = try #require(try send(server, "GET", "/api/admin/invitations").json()["invitations"]?.elements)
        let names: [String?] = list.map { $0["username"]?.string }
        #expect(names.contains("ada"))
        #expect(list.allSatisfy { $0["code"] == nil && $0["email"]?.string == "ada@example.org" })
        clock.advance(60_000)
        #expect(try register("eve", try #require(late["code"]?.string)).error.code == "wrong_code")
        #expect(try invite(#"{"invite":true,"username":"ada"}"#)["error"]?["field"]?.string == "username")
        #expect(try audit(server).filter { $0.contains("invitation") } == [
            "admin invitation.delete ada@example.org", "admin invitation.create ada@example.org",
            "admin invitation.create ada@example.org", "admin invitation.create ada@example.org",
        ])
    }

    @Test func `the admin deletes users, ends sessions and revokes keys`() throws {
        let server = try server { $0.requiresAPIKey = true }
        let ada = try server.account("ada"), target = "/api/admin/users/\(try id(server, "ada"))", connection = try server.connect()
        let apiKey = ["Authorization": "Bearer \(try #require(try post(server, "/api/keys", #"{"name":"x"}"#, ada).json()["key"]?.string))"]
        #expect(try send(server, "DELETE", target + "/keys").status == 204)
        #expect(connection.ask("GET", "/v1/models", apiKey)?.status == 401 && connection.ask("GET", "/api/me", ada)?.status == 200)
        #expect(try send(server, "DELETE", target + "/sessions").status == 204)
        #expect(try connection.ask("GET", "/api/me", ada)?.status == 401 && signIn(server, "ada") == 200)
        #expect(try send(server, "DELETE", target).status == 204 && signIn(server, "ada") == 401)
        for (method, path) in [("DELETE", ""), ("DELETE", "/keys"), ("DELETE", "/sessions"), ("POST", "/reset-password"), ("PATCH", "")] {
            let answer = try send(server, method, target + path, method == "PATCH" ? #"{"disabled":true}"# : nil)
            #expect(answer.status == 404 && answer.error.code == "not_found", "\(method) \(path)")
        }
        #expect(try audit(server) == ["admin user.delete ada", "admin user.end_sessions ada", "admin user.revoke_keys ada"])
    }

    @Test func `the audit log has the reader of messages, the time and the address`() throws {
        let server = try server { $0.trustsProxy = true }
        let ada = try server.account("ada")
        let conversation = try #require(try server.chat(#"{"message":"Hi"}"#, as: ada).start["conversation_id"]?.string)
        let headers = key.merging(["X-Forwarded-For": "192.0.2.7"]) { $1 }, connection = try server.connect()
        for path in ["conversations/\(conversation)/messages", "users/\(try id(server, "ada"))/conversations", "conversations"] {
            #expect(connection.ask("GET", "/api/admin/\(path)", headers)?.status == 200)
        }
        #expect(try audit(server) == ["admin conversations.list -", "admin conversations.list ada", "admin messages.read ada"])
        let page = try #require(connection.ask("GET", "/api/admin/audit?limit=1&offset=2", headers)).json()
        let entry = try #require(page["entries"]?.list?.first)
        #expect(page["total"]?.integer == 3 && entry["address"]?.string == "192.0.2.7" && entry["target"]?.string == conversation)
        #expect(entry["at"]?.string?.hasSuffix("Z") == true)
        #expect(connection.ask("GET", "/api/admin/audit?limit=0", headers)?.error.field == "limit")
    }

    @Test func `users sign in with the email address of their account`() throws {
        let server = try server()
        let register = #"{"username":"ada","password":"correct horse","email":"Ada@Example.org"}"#
        #expect(try post(server, "/api/auth/register", register).status == 201)
        #expect(try signIn(server, "aDA@example.org", by: "email") == 200 && signIn(server, "eve@example.org", by: "email") == 401)
        #expect(try signIn(server, "Ada@Example.org") == 401)                    // not a username
        let again = try post(server, "/api/auth/register", #"{"username":"eve","password":"correct horse","email":"ada@example.ORG"}"#)
        #expect(again.status == 409 && again.error.code == "taken" && again.error.field == "email")
        #expect(try post(server, "/api/auth/login", #"{"password":"correct horse"}"#).error.field == "username")
        let both = try post(server, "/api/auth/login", #"{"username":"ada","email":"ada@example.org","password":"correct horse"}"#)
        #expect(both.error.field == "email")
    }

    @Test func `the email address and the username share one lockout`() throws {
        let server = try server {
            $0.signInsPerMinute = 3
            $0.trustsProxy = true
        }
        let register = #"{"username":"ada","password":"correct horse","email":"ada@example.org"}"#
        #expect(try post(server, "/api/auth/register", register).status == 201)
        func guess(_ field: String, _ name: String, _ address: String) throws -> Int {
            try post(server, "/api/auth/login", #"{"\#(field)":"\#(name)","password":"wrong"}"#, ["X-Forwarded-For": address]).status
        }
        #expect(try guess("username", "ada", "192.0.2.1") == 401 && guess("email", "ada@example.org", "192.0.2.2") == 401)
        #expect(try guess("username", "ada", "192.0.2.3") == 401 && guess("email", "ADA@example.org", "192.0.2.4") == 429)
    }
}
