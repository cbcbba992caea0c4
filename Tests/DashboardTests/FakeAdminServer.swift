import AdminAPI
import Dashboard
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
            var parser = JSONParser()
            return .success(try AdminAnswer(to: query, parser.parse(json(query))))
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
        var parser = JSONParser()
        let json = try? parser.parse(#"{"code":"abcd-efgh","expires_at":"2026-11-28T12:00:00.000Z"}"#)
        if case .resetPassword = action { return .success(AdminOutcome(code: json.flatMap { IssuedCode($0) }, id: nil)) }
        return .success(AdminOutcome(code: nil, id: nil))
    }

    private func index(of id: String) -> Int? { people.firstIndex { "id-\($0.name)" == id } }

    private func json(_ query: AdminQuery) -> String {
        var writer = JSONWriter()
        writer.object { json in
            switch query {
            case .totals:
                for (key, number) in [
                    ("users", people.count), ("active_last_day", 3), ("conversations", 2 * people.count), ("messages", 1_234_567),
                    ("generations", 99), ("prompt_tokens", 1), ("tokens", 2), ("tokens_last_minute", 750),
                ] { json.key(key); json.integer(number) }
            case .server: Self.writeServer(to: &json)
            case .servers:
                json.key("servers")
                json.array { list in
                    for (number, name) in replicas.enumerated() {
                        list.object {
                            for (key, text) in [
                                ("id", "s\(number)"), ("name", name), ("version", "9.\(9 - number)"), ("model", "tiny"),
                                ("started_at", "2026-11-21T10:00:00.000Z"), ("heartbeat_at", "2026-11-21T11:59:5\(9 - number).000Z"),
                            ] { $0.key(key); $0.string(text) }
                            for (key, count) in [
                                ("running", 3 + number), ("slots", 4), ("waiting", 5), ("generated_tokens", 1_000),
                                ("memory_bytes", 512_000_000),
                            ] { $0.key(key); $0.integer(count) }
                        }
                    }
                }
            case .users(let list): writeUsers(list, to: &json)
            case .user(let id): if let index = index(of: id) { write(people[index], to: &json) }
            case .conversations(let user, let list): writeConversations(user, list, to: &json)
            case .messages(_, let offset):
                json.key("messages")
                json.array { list in
                    for (index, message) in messages.enumerated().dropFirst(offset).prefix(200) {
                        list.object {
                            $0["id"] = "m\(index)"
                            $0["role"] = message.0
                            $0["content"] = message.1
                        }
                    }
                }
                json["total"] = messages.count
            case .audit(let offset, let limit):
                json.key("entries")
                json.array { list in
                    for number in offset..<min(3, offset + limit) {
                        list.object { line in
                            for (key, text) in [
                                ("id", "a\(number)"), ("actor", "admin"), ("address", "127.0.0.1"), ("action", "user.disable"),
                                ("at", "2026-11-21T11:59:00.000Z"), ("target", "id-user1"), ("target_name", "user1"),
                            ] { line.key(key); line.string(text) }
                        }
                    }
                }
                json["total"] = 3
            case .invitations: json.key("invitations"); json.array { _ in }
            }
        }
        return writer.text
    }

    private func write(_ person: Person, to json: inout JSONWriter) {
        json["id"] = "id-\(person.name)"
        json["username"] = person.name
        json["joined"] = "2026-11-18T12:00:00.000Z"
        json["last_active"] = "2026-11-21T11:57:00.000Z"
        for (key, number) in [
            ("conversations", 2), ("messages", person.messages), ("generations", 5), ("tokens", 6), ("sessions", 1), ("api_keys", 4),
        ] { json.key(key); json.integer(number) }
        json["disabled"] = person.isDisabled
    }

    private func writeUsers(_ list: AdminList, to json: inout JSONWriter) {
        var found = people.filter { list.search.isEmpty || $0.name.contains(list.search) }
        if list.sort == "messages" { found.sort { ($0.messages < $1.messages) != list.isDescending } }
        json.key("users")
        json.array { array in for person in found.dropFirst(list.offset).prefix(list.limit) { array.object { write(person, to: &$0) } } }
        json["total"] = found.count
    }

    private func writeConversations(_ user: String?, _ list: AdminList, to json: inout JSONWriter) {
        let owners = people.filter { user == nil || "id-\($0.name)" == user }
        let all = owners.flatMap { owner in (0..<2).map { (owner.name, $0) } }
        json.key("conversations")
        json.array { array in
            for (owner, number) in all.dropFirst(list.offset).prefix(list.limit) {
                array.object {
                    $0["id"] = "c-\(owner)-\(number)"
                    $0["title"] = "\(title) \(number)"
                    $0["user_id"] = "id-\(owner)"
                    $0["username"] = owner
                    $0["messages"] = messages.count
                    $0["created_at"] = "2026-11-21T10:00:00.000Z"
                    $0["updated_at"] = "2026-11-21T11:58:00.000Z"
                }
            }
        }
        json["total"] = all.count
    }

    private static func writeServer(to json: inout JSONWriter) {
        json["version"] = "9.9"
        json["status"] = "ready"
        json["uptime_seconds"] = 7_200.0
        json.key("checks")
        json.object { for name in ["model", "engine"] { $0.key(name); $0.string("ok") }; $0.key("database"); $0.string("failing") }
        json.key("model")
        json.object { $0.key("name"); $0.string("tiny"); $0.key("context"); $0.integer(1_024); $0.key("remote"); $0.boolean(false) }
        json.key("queue")
        json.object {
            for (key, number) in [("running", 3), ("slots", 4), ("waiting", 5), ("max_waiting", 256)] { $0.key(key); $0.integer(number) }
        }
        json.key("process")
        json.object {
            $0["resident_bytes"] = 512_000_000
            $0["cpu_seconds"] = 3_600.0
            $0["open_files"] = 20
            $0["cores"] = 2
        }
        for (key, number) in [("tokens_generated", 12), ("prompt_tokens", 34), ("requests", 56)] { json.key(key); json.integer(number) }
        json.key("errors")
        json.array { list in
            list.object {
                $0["status"] = 500
                $0["method"] = "POST"
                $0["route"] = "/api/chat"
                $0["count"] = 7
            }
        }
        json.key("limits")
        json.object { $0.key("chats_per_minute"); $0.integer(0); $0.key("guests"); $0.boolean(true) }
    }
}

/// A dashboard with a fake server: sends keys, answers queries at once, and reads the screen.
struct DrivenDashboard {
    var state: DashboardState
    var server: FakeAdminServer
    /// 2026-11-21 12:00 UTC.
    var now = milliseconds("2026-11-21T12:00:00.000Z") ?? 0
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
