/// The audit log: what administrators did. Lines are only added.
extension AdminQueries {
    /// Raw values are stored and are part of the API.
    package enum Action: String, ColumnValue, CaseIterable {
        case createUser = "user.create", disableUser = "user.disable", enableUser = "user.enable", deleteUser = "user.delete"
        case resetPassword = "user.reset_password", endSessions = "user.end_sessions", revokeAPIKeys = "user.revoke_keys"
        case setRole = "user.set_role"
        case addInvitation = "invitation.create", deleteInvitation = "invitation.delete"
        case listConversations = "conversations.list", readMessages = "messages.read"
        case reloadModel = "model.reload", exportChats = "chats.export"
        case registerModel = "model.register", promoteModel = "model.promote", forcePromoteModel = "model.force_promote"
        case rollBackModel = "model.roll_back", archiveModel = "model.archive", deleteModel = "model.delete"
        case cleanUpModels = "model.clean_up", setCanary = "canary.set", endCanary = "canary.end", setKeyModel = "key.set_model"
        case createRun = "run.create", stopRun = "run.stop", resumeRun = "run.resume", deleteRun = "run.delete"
        case setSchedule = "schedule.set"
        case compareModels = "comparison.create", vote = "comparison.vote"
        case setGate = "gate.set", addQuestion = "question.create", deleteQuestion = "question.delete"
        case reviewChats = "chats.review", correctChat = "chats.correct", importChats = "chats.import"
        case deleteImport = "chats.delete_import"
        /// By the server itself (`StoreOptions.unusedAccountRetention`).
        case warnUnusedUser = "user.warn_unused", deleteUnusedUser = "user.delete_unused"

        /// What owners do in the training area, and what makes an account an owner.
        package static let ofTraining = allCases.filter { action in
            let areas = ["model.", "canary.", "key.", "run.", "runs.", "schedule.", "chat.", "chats.", "comparison.", "question.", "gate."]
            return action == .setRole || areas.contains { action.rawValue.hasPrefix($0) }
        }
    }

    package struct AuditEntry: Sendable, Equatable {
        package let id: AuditID
        package let time: Timestamp
        /// Who did it, and from which address.
        package let actor, address: String
        package let action: Action
        /// The id and the name of the user, or of another object, that it was done to. They stay when the object is deleted.
        package let target, targetName: String?
        /// Why, if it had to be said.
        package let reason: String?
    }

    /// A line that is not written yet. Its id makes writing idempotent.
    struct NewAuditEntry: Sendable {
        let id = AuditID()
        let time: Timestamp
        let action: Action
        let request: AdminRequest

        func write(
            _ target: any ColumnValue = SQLValue.null, _ name: String? = nil, because reason: String? = nil, on connection: any Connection
        ) throws(StoreError) {
            try connection.execute("""
                INSERT INTO audit_log (id, created_at, actor, address, action, target, target_name, reason)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                ON CONFLICT (id) DO NOTHING
                """, id, time, request.actor, request.address, action, target, name, reason)
        }

        /// Whether it was written before, by a transaction that runs again because the connection was lost.
        func isWritten(on connection: any Connection) throws(StoreError) -> Bool {
            try connection.firstRow("SELECT id FROM audit_log WHERE id = $1", id) != nil
        }
    }

    func entry(_ action: Action, _ request: AdminRequest) -> NewAuditEntry {
        NewAuditEntry(time: now(), action: action, request: request)
    }

    /// Runs a change by an administrator in a transaction, which writes the entry.
    func change<Result>(
        _ action: Action, by request: AdminRequest,
        _ body: (any Connection, NewAuditEntry) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        let entry = entry(action, request)
        return try database.transaction(.write) { connection throws(StoreError) in try body(connection, entry) }
    }

    /// Records that an administrator read the conversations of a user, or of all users if `user` is nil.
    package func recordConversationsRead(of user: UserID?, by request: AdminRequest) throws(StoreError) {
        try change(.listConversations, by: request) { connection, entry throws(StoreError) in
            let name = try user.map { user throws(StoreError) in try Self.username(of: user, on: connection) }
            try entry.write(user, name, on: connection)
        }
    }

    /// Records that an administrator read the messages of a conversation.
    package func recordMessagesRead(of conversation: ConversationID, by request: AdminRequest) throws(StoreError) {
        try change(.readMessages, by: request) { connection, entry throws(StoreError) in
            let row = try connection.find(.conversation, """
                SELECT username FROM users JOIN conversations ON owner_id = users.id WHERE conversations.id = $1
                """, conversation)
            try entry.write(conversation, try row["username"], on: connection)
        }
    }

    /// Records that an administrator exported the collected chats.
    package func recordChatsExported(by request: AdminRequest) throws(StoreError) {
        try change(.exportChats, by: request) { connection, entry throws(StoreError) in
            try entry.write(on: connection)
        }
    }

    /// Lists the audit log, newest line first.
    ///
    /// - Parameter actions: Only these; nil for all.
    package func auditLog(_ actions: [Action]? = nil, limit: Int = 50, offset: Int = 0) throws(StoreError) -> Page<AuditEntry> {
        // Raw values need no quoting.
        let filter = actions.map { "WHERE action IN (\($0.map { "'\($0.rawValue)'" }.joined(separator: ", ")))" } ?? ""
        return try database.transaction(.read) { connection throws(StoreError) in
            let rows = try connection.execute("""
                SELECT id, created_at, actor, address, action, target, target_name, reason FROM audit_log \(filter)
                ORDER BY number DESC LIMIT $1 OFFSET $2
                """, limit, offset)
            let items = try rows.map { row throws(StoreError) in
                try AuditEntry(
                    id: row["id"], time: row["created_at"], actor: row["actor"], address: row["address"], action: row["action"],
                    target: row["target"], targetName: row["target_name"], reason: row["reason"])
            }
            return Page(items: items, total: try connection.value("SELECT count(*) FROM audit_log \(filter)") ?? 0)
        }
    }

    static func username(of user: UserID, on connection: any Connection) throws(StoreError) -> String {
        try connection.find(.user, "SELECT username FROM users WHERE id = $1", user)["username"]
    }
}
