/// The text so far of an answer that is being generated.
package struct UnfinishedAnswer: Sendable, Equatable {
    /// The id that the message will have.
    package let id: MessageID
    package let content: String
    package let model: String
    package let tokens: Int
    package let seconds: Double

    package init(id: MessageID, content: String, model: String, tokens: Int, seconds: Double) {
        self.id = id
        self.content = content
        self.model = model
        self.tokens = tokens
        self.seconds = seconds
    }
}

extension Store {
    /// The finish reason of an answer whose server was killed.
    package static let interruptedReason = "interrupted"

    /// Saves the text so far of an answer, in case the server is killed. `append` with the same id replaces it.
    package func save(_ answer: UnfinishedAnswer, in conversation: ConversationID, of owner: UserID) throws(StoreError) {
        let now = options.now()
        _ = try database.transaction(.write) { connection throws(StoreError) in
            // The answer may have been stored, or the conversation deleted, in the meantime.
            try connection.execute("""
                INSERT INTO unfinished_answers (id, conversation_id, content, model, answer_tokens, seconds, saved_at)
                SELECT $1, id, $3, $4, $5, $6, $7 FROM conversations
                WHERE id = $2 AND owner_id = $8 AND deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM messages WHERE id = $1)
                ON CONFLICT (id) DO UPDATE SET content = excluded.content, answer_tokens = excluded.answer_tokens,
                    seconds = excluded.seconds, saved_at = excluded.saved_at
                """, [
                    .text(answer.id), .text(conversation), .text(answer.content), .text(answer.model), .integer(answer.tokens),
                    .real(answer.seconds), .integer(now), .text(owner),
                ])
        }
    }

    /// Makes a message of the saved text of an answer that was interrupted: nothing was saved for `time`, although a server that
    /// generates it saves every few seconds. Its finish reason is `interruptedReason`.
    package func recoverAnswers(in conversation: ConversationID, of owner: UserID, idleFor time: Duration) throws(StoreError) {
        let now = options.now()
        let sql = """
            SELECT id, content, model, answer_tokens, seconds FROM unfinished_answers
            WHERE conversation_id = $1 AND saved_at < $2 ORDER BY saved_at
            """
        let values: [SQLValue] = [.text(conversation), .integer(now.advanced(by: .zero - time))]
        let found = try database.transaction(.read) { connection throws(StoreError) in try connection.execute(sql, values).count }
        if found == 0 { return }
        _ = try database.transaction(.write) { connection throws(StoreError) in
            for row in try connection.execute(sql, values) {
                let id: MessageID = try row.id(0)
                let last = try Self.messages(of: conversation, on: connection).last
                if last?.role == .user {
                    let generation = Generation(
                        model: try row.text(2), promptTokens: 0, answerTokens: try row.integer(3), seconds: try row.real(4),
                        reason: Self.interruptedReason)
                    try Self.append(
                        NewMessage(.assistant, try row.text(1)), id: id, to: conversation, of: owner, generation: generation, options,
                        at: now, on: connection, database.dialect)
                }
                // Also if the user has asked again in the meantime.
                try Self.deleteUnfinished(id, on: connection)
            }
        }
    }

    static func deleteUnfinished(_ id: MessageID, on connection: any Connection) throws(StoreError) {
        try connection.execute("DELETE FROM unfinished_answers WHERE id = $1", [.text(id)])
    }
}
