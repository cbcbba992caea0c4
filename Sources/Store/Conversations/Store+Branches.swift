/// Alternatives: another answer to the same question, and another question after the same answer.
extension Store {
    /// Makes a message part of the active path, with the messages that followed it when it was last active. If it is an answer, the user
    /// has chosen it over its alternatives, which is stored as a preference.
    ///
    /// - Throws: `answering` while an answer in the conversation is generated, on any server.
    package func activate(_ message: MessageID, in conversation: ConversationID, of owner: UserID) throws(StoreError) {
        let now = options.now()
        try database.transaction(.write) { connection throws(StoreError) in
            _ = try Self.conversation(conversation, of: owner, on: connection)
            // The lease before the conversation, in the same order as in `beginAnswer`. The rest of a dead lease is of no use.
            try connection.execute("DELETE FROM answer_leases WHERE conversation_id = $1 AND NOT \(isLive)", conversation)
            try recoverAnswers(in: conversation, of: owner, at: now, on: connection)
            _ = try Self.lock(conversation, of: owner, on: connection)
            if try connection.firstRow("SELECT 1 FROM answer_leases WHERE conversation_id = $1", conversation) != nil {
                throw .answering
            }
            let tree = try Self.tree(of: conversation, on: connection)
            guard let path = tree.path(through: message) else { throw .notFound(.message) }
            let unchanged = zip(path, tree.path).prefix { $0 == $1 }.count
            if unchanged < tree.path.count { try Self.leaveActivePath(from: unchanged, in: conversation, on: connection) }
            for position in unchanged..<max(unchanged, path.count) {
                let previous = position == 0 ? nil : path[position - 1]
                try connection.execute(
                    "UPDATE messages SET position = $2, previous_id = $3 WHERE id = $1", path[position], position, previous)
            }
            try connection.execute("UPDATE conversations SET message_count = $2 WHERE id = $1", conversation, path.count)
            try Self.prefer(message, by: owner, at: now, on: connection)
        }
    }

    /// Locks a conversation until the end of the transaction: the row lock serializes writers of one conversation.
    ///
    /// - Returns: The number of messages on its active path.
    static func lock(
        _ conversation: ConversationID, of owner: UserID, on connection: any Connection
    ) throws(StoreError) -> Int {
        let row = try connection.find(.conversation, """
            SELECT message_count FROM conversations WHERE id = $1 AND owner_id = $2 AND deleted_at IS NULL \(connection.dialect.rowLock)
            """, conversation, owner)
        return try row["message_count"]
    }

    static func tree(of conversation: ConversationID, on connection: any Connection) throws(StoreError) -> MessageTree {
        let rows = try connection.execute("SELECT \(MessageTree.Node.columns) FROM messages WHERE conversation_id = $1", conversation)
        return MessageTree(try rows.map(MessageTree.Node.init))
    }

    /// Takes the messages from a position on off the active path, where they stay as alternatives.
    static func leaveActivePath(from position: Int, in conversation: ConversationID, on connection: any Connection) throws(StoreError) {
        try connection.execute("""
            UPDATE messages SET next_id = (
                SELECT id FROM messages AS later WHERE later.conversation_id = $1 AND later.position = messages.position + 1)
            WHERE conversation_id = $1 AND position >= $2
            """, conversation, position)
        try connection.execute("UPDATE messages SET position = NULL WHERE conversation_id = $1 AND position >= $2", conversation, position)
    }

    /// Stores that the user has chosen an answer over the other answers to the same question, if there are any.
    static func prefer(_ message: MessageID, by user: UserID, at now: Timestamp, on connection: any Connection) throws(StoreError) {
        try connection.execute("""
            INSERT INTO preferences (question_id, chosen_id, user_id, chosen_at)
            SELECT previous_id, id, $2, $3 FROM messages WHERE id = $1 AND role = 'assistant' AND previous_id IS NOT NULL AND EXISTS (
                SELECT 1 FROM messages AS others WHERE others.conversation_id = messages.conversation_id AND others.position IS NULL
                AND others.previous_id = messages.previous_id AND others.id <> $1 AND others.role = 'assistant')
            ON CONFLICT (question_id) DO UPDATE
            SET chosen_id = excluded.chosen_id, user_id = excluded.user_id, chosen_at = excluded.chosen_at
            """, message, user, now)
    }
}
