import JSON
import Serve
import Store
import TestSupport
import Testing

/// Every field of the responses, with its value: a client relies on all of them.
@Suite struct ResponseFieldsTests {
    /// The text of a JSON value. Times, ids, codes and durations, which differ from run to run, are replaced by their kind.
    private func described(_ value: JSONElement, _ name: String = "") -> String {
        if let members = value.members {
            return "{" + members.map { "\($0.key.string ?? ""): \(described($0.value, $0.key.string ?? ""))" }.joined(separator: ", ") + "}"
        }
        if let elements = value.elements { return "[" + elements.map { described($0) }.joined(separator: ", ") + "]" }
        if ["seconds", "tokens_per_s", "first_token_seconds", "uptime_seconds", "created"].contains(name) {
            return (value.number ?? -1) >= 0 ? "number" : "no number"
        }
        if let text = value.string {
            if ["code", "key", "access_token"].contains(name), text.count >= 16 { return "secret" }
            if ConversationID(text) != nil { return "id" }
            return (try? /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/.wholeMatch(in: text)) != nil ? "time" : text
        }
        return value.isNull ? "null" : value.boolean.map { "\($0)" } ?? value.integer.map { "\($0)" } ?? "\(value.number ?? .nan)"
    }

    private let server: TestServer
    private let connection: RawHTTPConnection
    private let ada: [String: String]
    private let admin = ["X-Admin-Key": "the owner's key"]

    init() throws {
        server = try TestServer(collecting: true) { $0.adminKey = "the owner's key" }
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
}
