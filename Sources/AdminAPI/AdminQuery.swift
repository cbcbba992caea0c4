package import JSON

/// A request that only reads. Equal queries have equal responses, until something changes on the server.
package enum AdminQuery: Sendable, Hashable {
    case totals
    /// The server that answers.
    case server
    /// All servers that share the database.
    case servers
    case users(AdminList)
    case user(id: String)
    /// The conversations of one user, or of all if `user` is nil. The server writes a line into its audit log.
    case conversations(user: String?, AdminList)
    /// The server writes a line into its audit log.
    case messages(conversation: String, offset: Int)
    case audit(offset: Int, limit: Int)
    case invitations

    /// The rows that one request for messages returns at most.
    static let messagesPerRequest = 200
}

/// Which rows of a list to return, in which order.
package struct AdminList: Sendable, Hashable {
    /// A value of the query parameter `sort`.
    package var sort: String
    package var isDescending: Bool
    package var search: String
    package var offset: Int
    package var limit: Int

    package init(sort: String, isDescending: Bool, search: String = "", offset: Int = 0, limit: Int) {
        self.sort = sort
        self.isDescending = isDescending
        self.search = search
        self.offset = offset
        self.limit = limit
    }

    var parameters: [(name: String, value: String)] {
        [("sort", sort), ("order", isDescending ? "desc" : "asc"), ("limit", "\(limit)"), ("offset", "\(offset)")]
            + (search.isEmpty ? [] : [("search", search)])
    }
}

/// One row of a table.
package enum AdminRow: Sendable, Equatable {
    case user(UserRecord), conversation(ConversationRecord), audit(AuditRecord)

    package var id: String {
        switch self {
        case .user(let user): user.id
        case .conversation(let conversation): conversation.id
        case .audit(let line): line.id
        }
    }

    /// The row as the server sent it.
    package var json: [UInt8] {
        switch self {
        case .user(let user): user.json
        case .conversation(let conversation): conversation.json
        case .audit(let line): line.json
        }
    }
}

/// The response to an `AdminQuery`.
package enum AdminAnswer: Sendable, Equatable {
    case totals(AdminTotals)
    case server(ProcessRecord)
    /// Empty if the server is of a version without this list.
    case servers([ReplicaRecord])
    case user(UserRecord)
    case rows([AdminRow], total: Int)
    case messages([MessageRecord], total: Int)
    case invitations([InvitationRecord])

    package init(to query: AdminQuery, _ json: JSONElement) throws(JSONError) {
        switch query {
        case .totals: self = .totals(try AdminTotals(json))
        case .server: self = .server(try ProcessRecord(json))
        case .servers:
            self = .servers(try json.array("servers").map { server throws(JSONError) in try ReplicaRecord(server) })
        case .user: self = .user(try UserRecord(json))
        case .users:
            let rows = try Self.rows(json, "users") { row throws(JSONError) in .user(try UserRecord(row)) }
            self = .rows(rows, total: try json.integer("total"))
        case .conversations:
            let rows = try Self.rows(json, "conversations") { row throws(JSONError) in .conversation(try ConversationRecord(row)) }
            self = .rows(rows, total: try json.integer("total"))
        case .audit:
            let rows = try Self.rows(json, "entries") { row throws(JSONError) in .audit(try AuditRecord(row)) }
            self = .rows(rows, total: try json.integer("total"))
        case .messages:
            let messages = try json.array("messages").map { message throws(JSONError) in try MessageRecord(message) }
            self = .messages(messages, total: try json.integer("total"))
        case .invitations:
            self = .invitations(try json.array("invitations").map { row throws(JSONError) in try InvitationRecord(row) })
        }
    }

    private static func rows(
        _ json: JSONElement, _ key: String, _ row: (JSONElement) throws(JSONError) -> AdminRow
    ) throws(JSONError) -> [AdminRow] {
        try json.array(key).map { element throws(JSONError) in try row(element) }
    }
}

/// A request that changes something.
package enum AdminAction: Sendable, Hashable {
    case setDisabled(Bool, id: String, name: String)
    case resetPassword(id: String, name: String)
    case endSessions(id: String, name: String)
    case revokeKeys(id: String, name: String)
    case deleteUser(id: String, name: String)
    /// Without a password, the response has a code with which the user sets one.
    case createUser(name: String, email: String?, password: String?)
    case invite(email: String?, lifetime: Int?)
    case deleteInvitation(id: String)
}

/// The response to an `AdminAction`.
package struct AdminOutcome: Sendable, Equatable {
    /// For the user, shown once.
    package let code: IssuedCode?
    /// The id of what was created.
    package let id: String?

    package init(code: IssuedCode?, id: String?) {
        self.code = code
        self.id = id
    }
}
