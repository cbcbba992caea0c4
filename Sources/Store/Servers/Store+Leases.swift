/// The right of one server to store the answer that it is generating in a conversation. There is one at a time for each conversation.
///
/// A lease is valid as long as its server sends heartbeats (`StoreOptions.leaseTime`), so one heartbeat renews all leases of a server.
package struct AnswerLease: Sendable, Equatable {
    /// The id that the answer will have.
    package let answer: MessageID
    package let server: ServerID

    package init(answer: MessageID, server: ServerID) {
        self.answer = answer
        self.server = server
    }
}

extension Store {
    /// A condition: the server of the row of `answer_leases` is alive.
    var isLive: String {
        "EXISTS (SELECT 1 FROM servers WHERE servers.id = answer_leases.server_id AND \(isAlive(within: options.leaseTime)))"
    }

    /// Takes the lease of a conversation that has none, or whose server is dead.
    func take(
        _ lease: AnswerLease, in conversation: ConversationID, of owner: UserID, on connection: any Connection
    ) throws(StoreError) {
        // A server that has a lease of its own without knowing it, after a failure of the database, may take it again.
        let taken = try connection.firstRow("""
            INSERT INTO answer_leases (conversation_id, answer_id, server_id, taken_at)
            SELECT id, $3, $4, \(database.dialect.clock) / 1000 FROM conversations
            WHERE id = $1 AND owner_id = $2 AND deleted_at IS NULL
            ON CONFLICT (conversation_id) DO UPDATE SET answer_id = excluded.answer_id, server_id = excluded.server_id,
                taken_at = excluded.taken_at, stop_requested_at = NULL
            WHERE answer_leases.server_id = excluded.server_id OR NOT \(isLive)
            RETURNING answer_id
            """, conversation, owner, lease.answer, lease.server)
        if taken != nil { return }
        _ = try Self.conversation(conversation, of: owner, on: connection)
        throw .answering
    }

    /// - Returns: false if another server has taken the lease.
    static func end(_ lease: AnswerLease, in conversation: ConversationID, on connection: any Connection) throws(StoreError) -> Bool {
        let sql = "DELETE FROM answer_leases WHERE conversation_id = $1 AND answer_id = $2 RETURNING answer_id"
        return try connection.firstRow(sql, conversation, lease.answer) != nil
    }

    /// Ends the lease of an answer that could not be stored.
    package func end(_ lease: AnswerLease, in conversation: ConversationID) throws(StoreError) {
        try database.transaction(.write) { connection throws(StoreError) in
            _ = try Self.end(lease, in: conversation, on: connection)
        }
    }
}

/// Answers that other servers must stop.
extension Store {
    /// The answers of a server that may continue: their leases are valid, there is no request to stop them, and their conversations and
    /// users have not been deleted or disabled.
    package func answersInProgress(on server: ServerID) throws(StoreError) -> Set<MessageID> {
        try database.transaction(.read) { connection throws(StoreError) in
            Set(try connection.values("""
                SELECT answer_id FROM answer_leases JOIN conversations ON conversations.id = conversation_id
                JOIN users ON users.id = owner_id
                WHERE server_id = $1 AND stop_requested_at IS NULL AND deleted_at IS NULL AND disabled_at IS NULL
                """, server))
        }
    }

    /// Asks the server that generates an answer in a conversation to stop.
    ///
    /// - Returns: Whether there is an answer.
    @discardableResult
    package func requestStop(in conversation: ConversationID, of owner: UserID) throws(StoreError) -> Bool {
        try database.transaction(.write) { connection throws(StoreError) in
            _ = try Self.conversation(conversation, of: owner, on: connection)
            return try requestStop(in: conversation, of: owner, on: connection)
        }
    }

    func requestStop(in conversation: ConversationID, of owner: UserID, on connection: any Connection) throws(StoreError) -> Bool {
        let row = try connection.firstRow("""
            UPDATE answer_leases SET stop_requested_at = \(database.dialect.clock) / 1000
            WHERE conversation_id IN (SELECT id FROM conversations WHERE id = $1 AND owner_id = $2) RETURNING answer_id
            """, conversation, owner)
        if row != nil { try Self.notifyServers(on: connection) }
        return row != nil
    }

    static func requestStop(ofAnswersOf user: UserID, on connection: any Connection) throws(StoreError) {
        let rows = try connection.execute("""
            UPDATE answer_leases SET stop_requested_at = \(connection.dialect.clock) / 1000
            WHERE conversation_id IN (SELECT id FROM conversations WHERE owner_id = $1) RETURNING answer_id
            """, user)
        if !rows.isEmpty { try notifyServers(on: connection) }
    }

    /// Makes all servers look for changes when the transaction commits. Without notifications they look every half second.
    static func notifyServers(on connection: any Connection) throws(StoreError) {
        if let notify = connection.dialect.notify { try connection.execute(notify) }
    }
}
