import JSON
import Serve
import Store
import TestSupport
import Testing

/// Every field of the responses, with its value: a client relies on all of them.
@Suite struct ResponseFieldsTests {
    private let server: TestServer
    private let connection: RawHTTPConnection
    private let ada: [String: String]
    private let admin = ["X-Admin-Key": "the owner's key"]

    init() throws {
        server = try TestServer(collecting: true) {
            $0.adminKey = "the owner's key"
            $0.serverName = "one"
        }
        connection = try server.connect()
        let body = #"{"username":"ada","password":"correct horse","email":"ada@example.org"}"#
        let token = try #require(try connection.post("/api/auth/register", body)?.json()["access_token"]?.string)
        ada = ["Authorization": "Bearer \(token)"]
    }

    private func response(_ method: String, _ target: String, _ headers: [String: String] = [:], _ body: String? = nil) throws -> String {
        let answer = try server.ask(method, target, body, headers)
        return try "\(answer.status) \(described(answer.json()))"
    }

    private static let conversation = "id: id, title: Hi there, created_at: time, updated_at: time"
    private static let settings = "system_prompt: null, model: null, training: true, documents: []"
    private static func messages(with details: String) -> String {
        """
        [{id: id, role: user, content: Hi there, created_at: time}, \
        {id: id, role: assistant, content: Hi, you!é日, created_at: time, parent_id: id, reason: stop, \
        metrics: {answer_tokens: 10, seconds: number, tokens_per_s: number, first_token_seconds: number}\(details)}]
        """
    }
    private static let messages = messages(with: ", model: test-model")

    @Test func `an account and its conversations`() throws {
        let chat = try server.chat(#"{"message":"Hi there"}"#, as: ada)
        let id = try #require(chat.start["conversation_id"]?.string)
        #expect(described(chat.end.data) == """
            {reason: stop, prompt_tokens: 9, answer_tokens: 10, cached_tokens: 0, seconds: number, tokens_per_s: number, \
            first_token_seconds: number}
            """)
        #expect(try response("GET", "/api/me", ada) == """
            200 {username: ada, email: ada@example.org, created_at: time, role: user, model: test-model, context: 64, training: true}
            """)
        let session = "id: id, created_at: time, last_used_at: time, expires_at: time, address: 127.0.0.1, user_agent: "
        #expect(try response("GET", "/api/me/sessions", ada) == "200 {sessions: [{\(session), current: true}]}")
        #expect(try response("GET", "/api/conversations", ada) == "200 {conversations: [{\(Self.conversation)}], next_cursor: null}")
        #expect(try response("GET", "/api/conversations/\(id)", ada)
                == "200 {\(Self.conversation), \(Self.settings), answering: false, messages: \(Self.messages)}")
        #expect(try response("POST", "/api/keys", ada, #"{"name":"laptop"}"#)
                == "201 {id: id, name: laptop, created_at: time, last_used_at: null, key: secret}")
        let key = "{id: id, name: laptop, created_at: time, last_used_at: null"
        #expect(try response("GET", "/api/keys", ada) == "200 {keys: [\(key)}]}")
        #expect(try response("GET", "/api/me/export", ada) == """
            200 {exported_at: time, profile: {username: ada, email: ada@example.org, created_at: time, training: true, \
            last_active_at: time}, conversations: [{\(Self.conversation), \(Self.settings), messages: \(Self.messages), \
            alternatives: [], preferences: []}], responses: [], libraries: [], files: [], keys: [\(key), revoked_at: null}], \
            sessions: [{\(session)}]}
            """)
        #expect(connection.ask("GET", "/api/me/export", ada)?.text.hasSuffix("}\n") == true)
        #expect(try response("PATCH", "/api/conversations/\(id)", ada, #"{"title":"Rain"}"#)
                == "200 {id: id, title: Rain, created_at: time, updated_at: time, \(Self.settings)}")
        #expect(try response("PATCH", "/api/conversations/\(id)", ada, "{}").hasPrefix("422 {error: {code: "))
    }

    @Test func `administration`() throws {
        let chat = try server.chat(#"{"message":"Hi there"}"#, as: ada)
        let id = try #require(chat.start["conversation_id"]?.string)
        let user = try #require(try server.store.user(named: "ada")).id.description
        let activity = """
            {id: id, username: ada, email: ada@example.org, joined: time, last_active: time, conversations: 1, messages: 2, \
            generations: 1, tokens: 10, disabled: false, role: user}
            """
        #expect(try response("GET", "/api/admin/stats", admin) == """
            200 {users: 1, active_last_day: 1, conversations: 1, messages: 2, generations: 1, prompt_tokens: 9, tokens: 10, \
            tokens_last_minute: 10, servers: 1, running: 0, waiting: 0, top_users: [\(activity)]}
            """)
        #expect(try response("GET", "/api/admin/users", admin) == "200 {users: [\(activity)], total: 1}")
        let owned = "{\(Self.conversation), user_id: id, username: ada, messages: 2}"
        #expect(try response("GET", "/api/admin/conversations", admin) == "200 {conversations: [\(owned)], total: 1}")
        #expect(try response("GET", "/api/admin/users/\(user)/conversations", admin) == "200 {conversations: [\(owned)], total: 1}")
        let messages = Self.messages(with: "")
        #expect(try response("GET", "/api/admin/conversations/\(id)/messages", admin) == "200 {messages: \(messages), total: 2}")
        let invitation = "id: id, email: eve@example.org, created_at: time, expires_at: time, used_at: null, username: null"
        #expect(try response("POST", "/api/admin/users", admin, #"{"invite":true,"email":"eve@example.org"}"#)
                == "201 {\(invitation), code: secret}")
        #expect(try response("GET", "/api/admin/invitations", admin) == "200 {invitations: [{\(invitation)}]}")
        #expect(try response("POST", "/api/admin/users", admin, #"{"username":"bob"}"#)
                == "201 {id: id, username: bob, email: null, joined: time, disabled: false, code: secret, expires_at: time}")
        #expect(try response("POST", "/api/admin/users/\(user)/reset-password", admin, "{}") == "201 {code: secret, expires_at: time}")
        #expect(try response("PATCH", "/api/admin/users/\(user)", admin, #"{"disabled":true}"#)
                == "200 {id: id, username: ada, email: ada@example.org, joined: time, disabled: true}")
        let entry = "at: time, actor: admin, address: 127.0.0.1, action"
        #expect(try response("GET", "/api/admin/audit?limit=1", admin)
                == "200 {entries: [{id: id, \(entry): user.disable, target: id, target_name: ada, reason: null}], total: 8}")
        // A missing user is one in the path, not the sender.
        let missing = try response("PATCH", "/api/admin/users/\(UserID())", admin, #"{"disabled":true}"#)
        #expect(missing.hasPrefix("404 {error: {code: not_found"), "\(missing)")
        for (lifetime, isAccepted) in [(59, false), (60, true), (90 * 86_400, true), (90 * 86_400 + 1, false)] {
            let body = #"{"invite":true,"expires_in":\#(lifetime)}"#
            #expect(try response("POST", "/api/admin/users", admin, body).hasPrefix(isAccepted ? "201" : "422"), "\(lifetime)")
        }
    }

    @Test func `the server's state`() throws {
        #expect(try response("GET", "/api/health") == """
            200 {status: ready, model: test-model, models: [test-model], remote: true, context: 64, starter_questions: [], \
            sampling: {test-model: {temperature: 1.0, top_k: 0, top_p: 1.0}}, registration: open, training: true, \
            uptime_seconds: number, servers: 1, queue: {running: 0, waiting: 0}}
            """)
        // The first checks may still be running.
        try eventually { try response("GET", "/api/ready").hasPrefix("200") }
        #expect(try response("GET", "/api/ready") == "200 {status: ready, checks: {model: ok, engine: ok, database: ok}}")
        #expect(try response("GET", "/stats") == "200 {count: 0, ready: false, collecting: true, conversations: 0, file: true}")
        #expect(try response("POST", "/chat", [:], #"{"message":"Hi there"}"#) == "200 {response: Hi, you!é日, chat_count: 1}")
        let model = "{id: test-model, object: model, created: number, owned_by: slm, context_length: 64}"
        #expect(try response("GET", "/v1/models") == "200 {object: list, data: [\(model)]}")
        #expect(try response("GET", "/v1/models/test-model") == "200 \(model)")
    }

    @Test func `the server's state for the administrator`() throws {
        try server.chat(#"{"message":"Hi there"}"#, as: ada)
        #expect(connection.ask("GET", "/nothing")?.status == 404)
        func state() throws -> JSONElement { try #require(connection.ask("GET", "/api/admin/server", admin)).json() }
        try eventually { try state()["checks"].map { described($0) } == "{model: ok, engine: ok, database: ok}" }
        #expect(try described(state(), varying: ["requests"]) == """
            {version: test, name: one, status: ready, uptime_seconds: number, checks: {model: ok, engine: ok, database: ok}, \
            model: {name: test-model, context: 64, adapters: [], remote: true, loaded_at: number}, registry: null, \
            queue: {running: 0, slots: 64, waiting: 0, max_waiting: 256}, \
            process: {resident_bytes: number, cpu_seconds: number, open_files: number, max_files: number, cores: number}, \
            tokens_generated: 10, prompt_tokens: 9, requests: number, errors: [{status: 404, method: GET, route: other, count: 1}], \
            limits: {answers_per_client: 64, chats_per_minute: 0, sign_ins_per_minute: 0, changes_per_minute: 0, \
            searches_per_minute: 0, conversations: 10000, stored_characters: 20000000, api_keys: 25, session_seconds: 604800, \
            guests: true, registration: true, requires_api_key: false}}
            """)
        #expect(try response("GET", "/api/admin/servers", admin) == """
            200 {servers: [{id: id, name: one, version: test, started_at: time, heartbeat_at: time, model: test-model, slots: 64, \
            running: 0, waiting: 0, answer_tokens: 10, memory_bytes: number, current: true}]}
            """)
    }

    @Test func `one user for the administrator`() throws {
        let user = try #require(try server.store.user(named: "ada")).id.description
        func details(_ role: String) -> String {
            "200 {id: id, username: ada, email: ada@example.org, joined: time, last_active: time, conversations: 0, messages: 0, "
                + "generations: 0, tokens: 0, disabled: false, role: \(role), sessions: 1, api_keys: 0}"
        }
        #expect(try response("GET", "/api/admin/users/\(user)", admin) == details("user"))
        #expect(try response("PUT", "/api/admin/users/\(user)/role", admin, #"{"role":"owner"}"#) == details("owner"))
        let missing = "/api/admin/users/\(UserID())"
        #expect(try response("GET", missing, admin).hasPrefix("404 {error: {code: not_found, message: No such user."))
        #expect(try response("PUT", missing + "/role", admin, #"{"role":"owner"}"#).hasPrefix("404 "))
    }

    @Test func `libraries and their files`() throws {
        let library = "id: id, name: Garden, owner: ada, is_own: true, access: private, readers: [], file_count"
        let made = try #require(connection.post("/api/libraries", #"{"name":"Garden"}"#, ada)).json()
        #expect(described(made) == "{\(library): 0, waiting: 0, bytes: 0, passages: 0, created_at: time, updated_at: time}")
        let path = "/api/libraries/\(try #require(made["id"]?.string))", text = "Hold the red button.\n"
        let file = "id: id, name: notes/pump.md, bytes: 21, created_at: time, sha256: digest, state"
        #expect(try response("POST", "\(path)/files?name=notes%2Fpump.md", ada, text) == "201 {\(file): waiting}")
        func read() throws { try eventually { try server.ask("GET", path, nil, ada).json()["waiting"]?.integer == 0 } }
        try read()
        #expect(try response("GET", path, ada) == """
            200 {\(library): 1, waiting: 0, bytes: 21, passages: 1, created_at: time, updated_at: time, \
            files: [{\(file): ready, passages: 1}]}
            """)
        #expect(try response("GET", "/api/documents", ada) == """
            200 {documents: [{id: id, name: Garden, files: 1, passages: 1, waiting: 0, owner: ada, is_own: true}], \
            uploads: {bytes: 104857600, used_bytes: number, file_bytes: 50000000}}
            """)
        #expect(try response("POST", "\(path)/files?name=x.bin", ada, "\u{0}\u{1}").hasPrefix("201 "))
        try read()
        let skipped = "{id: id, name: x.bin, bytes: 2, created_at: time, sha256: digest, state: skipped, message: Not a text.}"
        #expect(try response("GET", path, ada).hasSuffix("files: [{\(file): ready, passages: 1}, \(skipped)]}"))
        // The names of all files and libraries have their limits.
        let name = Array(repeating: "x", count: 16).joined(separator: "/"), part = String(repeating: "x", count: 200)
        for (name, status) in [
            (name, "201"), (name + "/x", "422"), (part, "201"), ("\(part)x", "422"), ("a%7F", "422"), ("%1F", "422"), ("%20", "201"),
            (Array(repeating: part.dropLast(), count: 5).joined(separator: "/"), "201"),
            (Array(repeating: part, count: 5).joined(separator: "/"), "422"),
        ] { #expect(try response("POST", "\(path)/files?name=\(name)", ada, "x").hasPrefix(status), "\(name)") }
        for (count, status) in [(100, "201"), (101, "422")] {
            let body = #"{"name":"\#(String(repeating: "x", count: count))"}"#
            #expect(try response("POST", "/api/libraries", ada, body).hasPrefix(status))
        }
    }
}
