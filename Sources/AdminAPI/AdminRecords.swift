import Files
package import JSON

/// What the admin routes return. Times are milliseconds since 1970.
package struct AdminTotals: Sendable, Equatable {
    package let users, activeLastDay, conversations, messages, generations, promptTokens, tokens, tokensLastMinute: Int
    /// The record as the server sent it.
    package let json: [UInt8]

    init(_ json: JSONElement) throws(JSONError) {
        users = try json.integer("users")
        activeLastDay = try json.integer("active_last_day")
        conversations = try json.integer("conversations")
        messages = try json.integer("messages")
        generations = try json.integer("generations")
        promptTokens = try json.integer("prompt_tokens")
        tokens = try json.integer("tokens")
        tokensLastMinute = try json.integer("tokens_last_minute", default: 0)
        self.json = json.json
    }
}

package struct UserRecord: Sendable, Equatable {
    package let id, username: String
    package let email: String?
    package let joined, lastActive: Int?
    package let conversations, messages, generations, tokens: Int
    package let isDisabled: Bool
    /// Only of a single user.
    package let sessions, apiKeys: Int?
    /// The record as the server sent it.
    package let json: [UInt8]

    init(_ json: JSONElement) throws(JSONError) {
        id = try json.string("id")
        username = try json.string("username")
        email = json["email"]?.string
        joined = json["joined"]?.string.flatMap(UTCTime.milliseconds)
        lastActive = json["last_active"]?.string.flatMap(UTCTime.milliseconds)
        conversations = try json.integer("conversations")
        messages = try json.integer("messages")
        generations = try json.integer("generations")
        tokens = try json.integer("tokens")
        isDisabled = try json.boolean("disabled")
        sessions = json["sessions"]?.integer
        apiKeys = json["api_keys"]?.integer
        self.json = json.json
    }
}

package struct ConversationRecord: Sendable, Equatable {
    package let id, title, user, username: String
    package let created, updated: Int?
    package let messages: Int
    /// The record as the server sent it.
    package let json: [UInt8]

    init(_ json: JSONElement) throws(JSONError) {
        id = try json.string("id")
        title = try json.string("title")
        user = try json.string("user_id")
        username = try json.string("username")
        created = json["created_at"]?.string.flatMap(UTCTime.milliseconds)
        updated = json["updated_at"]?.string.flatMap(UTCTime.milliseconds)
        messages = try json.integer("messages")
        self.json = json.json
    }
}

package struct MessageRecord: Sendable, Equatable {
    package let role, content: String
    package let created: Int?
    /// The figures of an answer.
    package let tokens: Int?
    package let seconds: Double?

    init(_ json: JSONElement) throws(JSONError) {
        role = try json.string("role")
        content = try json.string("content")
        created = json["created_at"]?.string.flatMap(UTCTime.milliseconds)
        tokens = json["metrics"]?["answer_tokens"]?.integer
        seconds = json["metrics"]?["seconds"]?.number
    }
}

package struct AuditRecord: Sendable, Equatable {
    package let id, actor, address, action: String
    package let time: Int?
    package let target, targetName, reason: String?
    /// The record as the server sent it.
    package let json: [UInt8]

    init(_ json: JSONElement) throws(JSONError) {
        id = try json.string("id")
        actor = try json.string("actor")
        address = try json.string("address")
        action = try json.string("action")
        time = json["at"]?.string.flatMap(UTCTime.milliseconds)
        target = json["target"]?.string
        targetName = json["target_name"]?.string
        reason = json["reason"]?.string
        self.json = json.json
    }
}

package struct InvitationRecord: Sendable, Equatable {
    package let id: String
    package let email, username: String?
    package let created, expires, used: Int?
    /// The record as the server sent it.
    package let json: [UInt8]

    init(_ json: JSONElement) throws(JSONError) {
        id = try json.string("id")
        email = json["email"]?.string
        username = json["username"]?.string
        created = json["created_at"]?.string.flatMap(UTCTime.milliseconds)
        expires = json["expires_at"]?.string.flatMap(UTCTime.milliseconds)
        used = json["used_at"]?.string.flatMap(UTCTime.milliseconds)
        self.json = json.json
    }
}

/// One of the servers that share the database.
package struct ReplicaRecord: Sendable, Equatable {
    package let name, version: String
    package let model: String?
    /// Milliseconds since 1970.
    package let started, heartbeat: Int?
    package let running, slots, waiting, tokens, memoryBytes: Int
    /// The record as the server sent it.
    package let json: [UInt8]

    init(_ json: JSONElement) throws(JSONError) {
        name = try json.string("name")
        version = try json.string("version")
        model = json["model"]?.string
        started = json["started_at"]?.string.flatMap(UTCTime.milliseconds)
        heartbeat = json["heartbeat_at"]?.string.flatMap(UTCTime.milliseconds)
        running = try json.integer("running")
        slots = try json.integer("slots")
        waiting = try json.integer("waiting")
        tokens = try json.integer("answer_tokens")
        memoryBytes = try json.integer("memory_bytes")
        self.json = json.json
    }
}

extension [ReplicaRecord] {
    /// How long ago a server sent its last heartbeat, by the clock of the server that has answered: its own heartbeat is the newest one.
    package func heartbeatAge(of server: ReplicaRecord) -> String {
        guard let newest = compactMap(\.heartbeat).max(), let heartbeat = server.heartbeat else { return "-" }
        return "\((newest - heartbeat) / 1_000) s ago"
    }
}

/// The state of the server's process.
package struct ProcessRecord: Sendable, Equatable {
    package struct ErrorCount: Sendable, Equatable {
        package let status, count: Int
        package let method, route: String
    }

    package let version, status: String
    /// nil if the server is of a version that does not tell.
    package let name: String?
    package let uptime: Double
    package let modelCheck, engineCheck, databaseCheck: String
    package let model: String?
    package let context: Int?
    package let isRemote: Bool
    /// Milliseconds since 1970.
    package let loaded: Int?
    package let running, slots, waiting, maxWaiting: Int
    package let residentBytes, openFiles, cores: Int
    package let maxFiles: Int?
    package let cpuSeconds: Double
    package let tokensGenerated, promptTokens, requests: Int
    package let errors: [ErrorCount]
    /// Numbers and switches in the order of the server.
    package let limits: [Limit]
    /// The record as the server sent it.
    package let json: [UInt8]

    package struct Limit: Sendable, Equatable {
        package let name: String
        package let value: Value

        package enum Value: Sendable, Equatable {
            case number(Int), flag(Bool)
        }
    }

    init(_ json: JSONElement) throws(JSONError) {
        version = try json.string("version")
        status = try json.string("status")
        name = json["name"]?.string
        uptime = try json.number("uptime_seconds")
        let checks = try json.object("checks")
        modelCheck = try checks.string("model")
        engineCheck = try checks.string("engine")
        databaseCheck = try checks.string("database")
        let model = try json.object("model")
        self.model = model["name"]?.string
        context = model["context"]?.integer
        isRemote = try model.boolean("remote", default: false)
        loaded = model["loaded_at"]?.integer.map { $0.multipliedReportingOverflow(by: 1_000).partialValue }
        let queue = try json.object("queue")
        running = try queue.integer("running")
        slots = try queue.integer("slots")
        waiting = try queue.integer("waiting")
        maxWaiting = try queue.integer("max_waiting")
        let process = try json.object("process")
        residentBytes = try process.integer("resident_bytes")
        cpuSeconds = try process.number("cpu_seconds")
        openFiles = try process.integer("open_files")
        maxFiles = process["max_files"]?.integer
        cores = try process.integer("cores")
        tokensGenerated = try json.integer("tokens_generated")
        promptTokens = try json.integer("prompt_tokens")
        requests = try json.integer("requests")
        errors = try json.array("errors").map { error throws(JSONError) in
            ErrorCount(
                status: try error.integer("status"), count: try error.integer("count"), method: try error.string("method"),
                route: try error.string("route"))
        }
        limits = (try json.object("limits").members.map(Array.init) ?? []).compactMap { key, value in
            guard let name = key.string else { return nil }
            if let number = value.integer { return Limit(name: name, value: .number(number)) }
            return value.boolean.map { Limit(name: name, value: .flag($0)) }
        }
        self.json = json.json
    }
}

/// A code with which a user sets a password or registers. The server shows it once.
package struct IssuedCode: Sendable, Equatable {
    package let code: String
    /// A time such as 2026-11-21T13:00:00.123Z.
    package let expires: String?

    package init?(_ json: JSONElement) {
        guard let code = json["code"]?.string else { return nil }
        self.code = code
        expires = json["expires_at"]?.string
    }
}
