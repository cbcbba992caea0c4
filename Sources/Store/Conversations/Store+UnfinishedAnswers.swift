/// The text so far of an answer that is being generated.
package struct UnfinishedAnswer: Sendable, Equatable {
    /// The id that the message will have.
    package let id: MessageID
    /// The user's message that it answers.
    package let question: MessageID
    package let content: String
    /// Those of the message.
    package let sources: String?
    package let model: String
    package let tokens: Int
    package let seconds: Double

    package init(
        id: MessageID, to question: MessageID, content: String, sources: String? = nil, model: String, tokens: Int, seconds: Double
    ) {
        self.id = id
        self.question = question
        self.content = content
        self.sources = sources
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
            // The answer may have been stored, the conversation deleted, or its lease taken by another server, in the meantime.
            try connection.execute("""
                INSERT INTO unfinished_answers (id, conversation_id, content, model, answer_tokens, seconds, saved_at, question_id, sources)
                SELECT $1, id, $3, $4, $5, $6, $7, $9, $10 FROM conversations
                WHERE id = $2 AND owner_id = $8 AND deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM messages WHERE id = $1)
                AND NOT EXISTS (SELECT 1 FROM answer_leases WHERE conversation_id = $2 AND answer_id <> $1)
                ON CONFLICT (id) DO UPDATE SET content = excluded.content, answer_tokens = excluded.answer_tokens,
                    seconds = excluded.seconds, saved_at = excluded.saved_at
                """, answer.id, conversation, answer.content, answer.model, answer.tokens, answer.seconds, now, owner, answer.question,
                    answer.sources)
        }
    }

    /// Makes messages of the saved text of answers that were interrupted, because their server is dead. Their finish reason is
    /// `interruptedReason`.
    package func recoverAnswers(in conversation: ConversationID, of owner: UserID) throws(StoreError) {
        let now = options.now()
        try database.transaction(.write) { connection throws(StoreError) in
            // The lease before the conversation, in the same order as in `beginAnswer`. The rest of a dead lease is of no use.
            try connection.execute("DELETE FROM answer_leases WHERE conversation_id = $1 AND NOT \(isLive)", conversation)
            try recoverAnswers(in: conversation, of: owner, at: now, on: connection)
        }
    }

    func recoverAnswers(
        in conversation: ConversationID, of owner: UserID, at now: Timestamp, on connection: any Connection
    ) throws(StoreError) {
        for (answer, place) in try interruptedAnswers(in: conversation, on: connection) {
            if place != .none {
                let generation = Generation(
                    model: answer.model, promptTokens: 0, answerTokens: answer.tokens, seconds: answer.seconds,
                    reason: Self.interruptedReason)
                try Self.append(
                    NewMessage(.assistant, answer.content, sources: answer.sources), id: answer.id, to: conversation, of: owner,
                    replacingFrom: place.replaced, answering: answer.question, generation: generation, options, at: now,
                    on: connection)
            }
            try Self.deleteUnfinished(answer.id, on: connection)
        }
    }

    /// Where the text of an interrupted answer is stored.
    enum InterruptedPlace: Equatable {
        /// After the last message.
        case last
        /// In the place of the answer that it was to replace.
        case replacing(MessageID)
        /// Nowhere: the user has sent another message in the meantime.
        case none

        var replaced: MessageID? { if case .replacing(let message) = self { message } else { nil } }
    }

    /// The interrupted answers in a conversation.
    func interruptedAnswers(
        in conversation: ConversationID, on connection: any Connection
    ) throws(StoreError) -> [(UnfinishedAnswer, InterruptedPlace)] {
        let rows = try connection.execute("""
            SELECT id, question_id, content, sources, model, answer_tokens, seconds FROM unfinished_answers
            WHERE conversation_id = $1 AND NOT EXISTS (
                SELECT 1 FROM answer_leases WHERE conversation_id = $1 AND answer_id = unfinished_answers.id AND \(isLive))
            ORDER BY saved_at
            """, conversation)
        if rows.isEmpty { return [] }
        let last = try connection.firstRow(
            "SELECT id, role FROM messages WHERE conversation_id = $1 AND position >= 0 ORDER BY position DESC LIMIT 1", conversation)
        return try rows.map { row throws(StoreError) in
            let question: MessageID = try row["question_id"]
            let answer = try UnfinishedAnswer(
                id: row["id"], to: question, content: row["content"], sources: row["sources"],
                model: row["model"], tokens: row["answer_tokens"], seconds: row["seconds"])
            if let last, try last["role"] == Message.Role.user, try last["id"] == question { return (answer, .last) }
            let next: MessageID? = try connection.value("""
                SELECT later.id FROM messages AS later JOIN messages AS question
                ON later.conversation_id = question.conversation_id AND later.position = question.position + 1
                WHERE question.id = $1 AND question.conversation_id = $2 AND later.role = 'assistant'
                """, question, conversation)
            return (answer, next.map { .replacing($0) } ?? .none)
        }
    }

    static func deleteUnfinished(_ id: MessageID, on connection: any Connection) throws(StoreError) {
        try connection.execute("DELETE FROM unfinished_answers WHERE id = $1", id)
    }

    /// Recovers the answers of servers that have been dead for longer than their leases last, in conversations that no user has opened.
    package func recoverAnswersOfDeadServers() throws(StoreError) {
        let clock = database.dialect.clock
        let found = try database.read("""
            SELECT conversation_id, owner_id FROM answer_leases JOIN conversations ON conversations.id = conversation_id
            WHERE deleted_at IS NULL AND taken_at < \(clock) / 1000 - $1 AND NOT EXISTS (
                SELECT 1 FROM servers WHERE servers.id = server_id AND \(isAlive(within: options.leaseTime * 2)))
            """, Int(options.leaseTime.milliseconds)).map { row throws(StoreError) in
                let conversation: ConversationID = try row["conversation_id"], owner: UserID = try row["owner_id"]
                return (conversation, owner)
            }
        for (conversation, owner) in found {
            do { try recoverAnswers(in: conversation, of: owner) } catch {
                if error != .notFound(.conversation) { throw error }         // else deleted in the meantime
            }
        }
    }
}
