/// Consent: whether the chats of an account may be used for training.
extension Store {
    package func isExcludedFromTraining(_ user: UserID) throws(StoreError) -> Bool {
        try !database.find(.user, "SELECT training_excluded_at FROM users WHERE id = $1", user).isNull("training_excluded_at")
    }

    /// Leaves all chats of an account out of training, or lets them be used again.
    package func setExcludedFromTraining(_ user: UserID, to isExcluded: Bool) throws(StoreError) {
        let changed = try isExcluded
            ? database.write(
                "UPDATE users SET training_excluded_at = COALESCE(training_excluded_at, $2) WHERE id = $1 RETURNING id",
                user, options.now())
            : database.write("UPDATE users SET training_excluded_at = NULL WHERE id = $1 RETURNING id", user)
        if changed.isEmpty { throw .notFound(.user) }
    }
}

/// A conversation that may be used for training.
package struct TrainingConversation: Sendable, Equatable {
    package let conversation: StoredConversation
    package let owner: UserID
    package let settings: ConversationSettings
    /// All messages, also alternatives, each after the one that it follows.
    package let messages: [TrainingMessage]
    /// What the user has chosen, in the order of the questions.
    package let preferences: [AnswerPreference]
}

package struct TrainingMessage: Sendable, Equatable {
    package let message: Message
    /// The message that this one follows; nil for a first one.
    package let previous: MessageID?
    /// Whether it is on the active path.
    package let isActive: Bool
    package let details: MessageDetails
    /// Whether an answer is only the context of later ones, as the history of a collected chat is.
    package var isContext = false

    /// The text to train on: an owner's correction, else the user's, else what the model has answered.
    package var text: String { details.ownerCorrection ?? details.correction ?? message.content }
}

extension Store {
    /// Returns conversations of all accounts that may be used for training: all their messages were stored while the page
    /// said so (`StoreOptions.showsTrainingNotice`), neither the conversation nor the account is left out or deleted, and no owner has
    /// excluded them. An owner need not have included them: `trainingSet` returns only those.
    ///
    /// - Parameters:
    ///   - last: The `next` of the previous page; nil for the first one.
    ///   - limit: The page size.
    /// - Returns: The conversations in the order of their ids; `next` is nil on the last page.
    package func trainingConversations(
        after last: ConversationID? = nil, limit: Int = 100
    ) throws(StoreError) -> (conversations: [TrainingConversation], next: ConversationID?) {
        try database.transaction(.read) { connection throws(StoreError) in
            let rows = try connection.execute("""
                SELECT conversations.id, conversations.title, conversations.created_at, updated_at, message_count, owner_id
                FROM conversations JOIN users ON users.id = owner_id
                WHERE conversations.id > $1 AND deleted_at IS NULL AND message_count > 0 AND conversations.training_excluded_at IS NULL
                AND users.training_excluded_at IS NULL AND NOT EXISTS (
                    SELECT 1 FROM training_chats AS c WHERE c.id = conversations.id AND c.state = 'excluded') AND NOT EXISTS (
                    SELECT 1 FROM messages WHERE conversation_id = conversations.id AND training_notice IS NULL)
                ORDER BY conversations.id LIMIT $2
                """, last?.description ?? "", limit)
            let found = try rows.map { row throws(StoreError) in
                let conversation = try StoredConversation(row)
                let (messages, preferences) = try Self.trainingMessages(of: conversation.id, on: connection)
                return try TrainingConversation(
                    conversation: conversation, owner: row["owner_id"], settings: try Self.settings(of: conversation.id, on: connection),
                    messages: messages, preferences: preferences)
            }
            return (found, found.count == limit ? found.last?.conversation.id : nil)
        }
    }

    /// The messages of a conversation, also alternatives, with what is stored beside them.
    package func messagesWithAlternatives(
        of conversation: ConversationID, of owner: UserID
    ) throws(StoreError) -> (messages: [TrainingMessage], preferences: [AnswerPreference]) {
        try database.transaction(.read) { connection throws(StoreError) in
            _ = try Self.conversation(conversation, of: owner, on: connection)
            return try Self.trainingMessages(of: conversation, on: connection)
        }
    }

    static func trainingMessages(
        of conversation: ConversationID, on connection: any Connection
    ) throws(StoreError) -> ([TrainingMessage], [AnswerPreference]) {
        let tree = try tree(of: conversation, on: connection)
        let columns = Message.columns.split(separator: ", ").map { "messages.\($0)" }.joined(separator: ", ")
        let rows = try connection.execute("""
            SELECT \(columns), messages.model, sources, rating, ratings.reason AS rating_reason, comment,
                corrections.content AS correction, owner_corrections.content AS owner_correction
            FROM messages
            LEFT JOIN ratings ON ratings.message_id = messages.id
            LEFT JOIN corrections ON corrections.message_id = messages.id
            LEFT JOIN owner_corrections ON owner_corrections.message_id = messages.id
            WHERE messages.conversation_id = $1
            """, conversation)
        var messages: [MessageID: TrainingMessage] = [:]
        for row in rows {
            let message = try Message(row)
            guard let node = tree.nodes[message.id] else { continue }
            let alternatives = tree.alternatives(of: message.id)
            let details = MessageDetails(
                alternatives: alternatives.count > 1 ? alternatives : [], rating: try Rating(row),
                correction: try row["correction"], ownerCorrection: try row["owner_correction"], model: try row["model"],
                sources: try row["sources"])
            messages[message.id] = TrainingMessage(
                message: message, previous: node.previous, isActive: node.position != nil, details: details)
        }
        let order = tree.all
        let chosen = try connection.execute("""
            SELECT question_id, chosen_id, user_id, chosen_at FROM preferences
            WHERE question_id IN (SELECT id FROM messages WHERE conversation_id = $1)
            """, conversation)
        var preferences: [MessageID: AnswerPreference] = [:]
        for row in chosen {
            let question: MessageID = try row["question_id"], answer: MessageID = try row["chosen_id"]
            let time: Timestamp = try row["chosen_at"]
            let rejected = tree.alternatives(of: answer).filter { other in
                guard other != answer, let message = messages[other]?.message else { return false }
                return message.role == .assistant && message.createdAt <= time
            }
            if rejected.isEmpty { continue }
            preferences[question] = AnswerPreference(
                question: question, chosen: answer, rejected: rejected, user: try row["user_id"], chosenAt: time)
        }
        return (order.compactMap { messages[$0] }, order.compactMap { preferences[$0] })
    }
}
