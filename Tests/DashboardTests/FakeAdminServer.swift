import AdminAPI
import Dashboard
import Files
import JSON
import Testing

/// A server in memory, which answers queries of the dashboard.
struct FakeAdminServer {
    struct Person {
        var name: String
        var isDisabled = false
        var messages = 0
    }

    var people: [Person] = []
    /// The messages of every conversation; every person has two conversations.
    var messages = [("user", "Why does it rain?"), ("assistant", "Because of clouds.")]
    var title = "Rain"
    /// The names of the servers that share the database.
    var replicas: [String] = []
    /// What every request fails with; nil if the server works.
    var error: AdminError?
    /// The queries and actions so far.
    private(set) var queries: [AdminQuery] = []
    private(set) var actions: [AdminAction] = []

    init(users: Int) { people = (0..<users).map { Person(name: "user\($0)", messages: $0) } }

    mutating func answer(to query: AdminQuery) -> Result<AdminAnswer, AdminError> {
        queries.append(query)
        if let error { return .failure(error) }
        if case .user(let id) = query, index(of: id) == nil { return .failure(.rejected(status: 404, message: "No such user.")) }
        do {
            return .success(try AdminAnswer(to: query, JSONElement(parsing: json(query))))
        } catch {
            Issue.record("\(error)")
            return .failure(.foreign(address: "fake", reason: "\(error)"))
        }
    }

    mutating func perform(_ action: AdminAction) -> Result<AdminOutcome, AdminError> {
        actions.append(action)
        if let error { return .failure(error) }
        if case .setDisabled(let isDisabled, let id, _) = action, let index = index(of: id) { people[index].isDisabled = isDisabled }
        if case .deleteUser(let id, _) = action, let index = index(of: id) { people.remove(at: index) }
        let json = try? JSONElement(parsing: #"{"code":"abcd-efgh","expires_at":"2026-11-28T12:00:00.000Z"}"#)
        if case .resetPassword = action { return .success(AdminOutcome(code: json.flatMap { IssuedCode($0) }, id: nil)) }
        return .success(AdminOutcome(code: nil, id: nil))
    }

    private func index(of id: String) -> Int? { people.firstIndex { "id-\($0.name)" == id } }

    private func json(_ query: AdminQuery) -> String {
        switch query {
        case .totals:
            return """
                {"users":\(people.count),"active_last_day":3,"conversations":\(2 * people.count),"messages":1234567,"generations":99,\
                "prompt_tokens":1,"tokens":2,"tokens_last_minute":750}
                """
        case .server: return Self.server
        case .servers:
            return page("servers", replicas.enumerated().map { number, name in
                """
                {"id":"s\(number)","name":\(quoted(name)),"version":"9.\(9 - number)","model":"tiny",\
                "started_at":"2026-11-21T10:00:00.000Z","heartbeat_at":"2026-11-21T11:59:5\(9 - number).000Z",\
                "running":\(3 + number),"slots":4,"waiting":5,"answer_tokens":1000,"memory_bytes":512000000}
                """
            })
        case .users(let list):
            var found = people.filter { list.search.isEmpty || $0.name.contains(list.search) }
            if list.sort == "messages" { found.sort { ($0.messages < $1.messages) != list.isDescending } }
            return page("users", found.dropFirst(list.offset).prefix(list.limit).map(json), total: found.count)
        case .user(let id): return index(of: id).map { json(people[$0]) } ?? "{}"
        case .conversations(let user, let list):
            let owners = people.filter { user == nil || "id-\($0.name)" == user }
            let all = owners.flatMap { owner in (0..<2).map { (owner.name, $0) } }
            return page("conversations", all.dropFirst(list.offset).prefix(list.limit).map { owner, number in
                JSONWriter.text {
                    $0["id"] = "c-\(owner)-\(number)"
                    $0["title"] = "\(title) \(number)"
                    $0["user_id"] = "id-\(owner)"
                    $0["username"] = owner
                    $0["messages"] = messages.count
                    $0["created_at"] = "2026-11-21T10:00:00.000Z"
                    $0["updated_at"] = "2026-11-21T11:58:00.000Z"
                }
            }, total: all.count)
        case .messages(_, let offset):
            return page("messages", messages.enumerated().dropFirst(offset).prefix(200).map { index, message in
                JSONWriter.text {
                    $0["id"] = "m\(index)"
                    $0["role"] = message.0
                    $0["content"] = message.1
                }
            }, total: messages.count)
        case .audit(let offset, let limit):
            return page("entries", (offset..<min(3, offset + limit)).map { number in
                """
                {"id":"a\(number)","actor":"admin","address":"127.0.0.1","action":"user.disable","at":"2026-11-21T11:59:00.000Z",\
                "target":"id-user1","target_name":"user1"}
                """
            }, total: 3)
        case .invitations: return page("invitations", [])
        }
    }

    private func quoted(_ text: String) -> String {
        var writer = JSONWriter()
        writer.string(text)
        return writer.text
    }

    private func page(_ name: String, _ items: [String], total: Int? = nil) -> String {
        "{\"\(name)\":[\(items.joined(separator: ","))]\(total.map { ",\"total\":\($0)" } ?? "")}"
    }

    private func json(_ person: Person) -> String {
        """
        {"id":\(quoted("id-" + person.name)),"username":\(quoted(person.name)),"joined":"2026-11-18T12:00:00.000Z",\
        "last_active":"2026-11-21T11:57:00.000Z","conversations":2,"messages":\(person.messages),"generations":5,"tokens":6,\
        "sessions":1,"api_keys":4,"disabled":\(person.isDisabled)}
        """
    }

    private static let server = """
        {"version":"9.9","status":"ready","uptime_seconds":7200,"checks":{"model":"ok","engine":"ok","database":"failing"},
         "model":{"name":"tiny","context":1024,"remote":false},"queue":{"running":3,"slots":4,"waiting":5,"max_waiting":256},
         "process":{"resident_bytes":512000000,"cpu_seconds":3600,"open_files":20,"cores":2},
         "tokens_generated":12,"prompt_tokens":34,"requests":56,
         "errors":[{"status":500,"method":"POST","route":"/api/chat","count":7}],"limits":{"chats_per_minute":0,"guests":true}}
        """
}

/// A dashboard with a fake server: sends keys, answers queries at once, and reads the screen.
struct DrivenDashboard {
    var state: DashboardState
    var server: FakeAdminServer
    /// 2026-11-21 12:00 UTC.
    var now = UTCTime.milliseconds("2026-11-21T12:00:00.000Z") ?? 0
    /// Whether queries are answered.
    var isAnswering = true
    private(set) var unanswered: [AdminQuery] = []
    private(set) var hasQuit = false
    private(set) var otherEffects: [DashboardEffect] = []

    init(users: Int = 5, rows: Int = 24, columns: Int = 80, server: FakeAdminServer? = nil) {
        state = DashboardState(host: "127.0.0.1:8000", rows: rows, columns: columns)
        self.server = server ?? FakeAdminServer(users: users)
        send(.tick)
    }

    mutating func send(_ event: DashboardEvent) {
        var events = [event]
        while !events.isEmpty {
            for effect in state.handle(events.removeFirst(), at: now) {
                switch effect {
                case .load(let query):
                    if isAnswering { events.append(.loaded(query, server.answer(to: query))) } else { unanswered.append(query) }
                case .perform(let action): events.append(.acted(action, server.perform(action)))
                case .quit: hasQuit = true
                case .redraw, .useMouse: otherEffects.append(effect)
                }
            }
        }
    }

    mutating func press(_ keys: DashboardKey...) { for key in keys { send(.key(key)) } }
    mutating func type(_ text: String) { for character in text { send(.key(.text(String(character)))) } }

    mutating func wait(seconds: Double) {
        now += Int(seconds * 1_000)
        send(.tick)
    }

    /// Answers the queries that were held back.
    mutating func answerHeldBack() {
        isAnswering = true
        let queries = unanswered
        unanswered = []
        for query in queries { send(.loaded(query, server.answer(to: query))) }
    }

    var screen: String { state.grid().text }
    func line(_ row: Int) -> String { state.grid().text(ofRow: row) }
    func shows(_ text: String) -> Bool { screen.contains(text) }

    /// The text of the selected row; nil if there is none.
    var selected: String? {
        let grid = state.grid()
        let row = (2..<grid.rows - 1).first { grid.cells[$0 * grid.columns].style.tone == .selection }
        return row.map { grid.text(ofRow: $0) }
    }
}

extension CellGrid {
    /// The text of a row, without spaces at its end.
    func text(ofRow row: Int) -> String {
        var text = cells[row * columns..<(row + 1) * columns].map(\.text).joined()
        while text.last == " " { text.removeLast() }
        return text
    }

    var text: String { (0..<rows).map { text(ofRow: $0) }.joined(separator: "\n") }
}
