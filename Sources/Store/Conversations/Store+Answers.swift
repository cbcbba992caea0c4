/// What is answered.
package enum AnswerRequest: Sendable {
    /// A new message at the end, or in the place of one on the active path, which stays as an alternative.
    case newMessage(NewMessage, replacing: MessageID? = nil)
    /// A user message on the active path, once more. `append` with `replacingFrom` stores the answer.
    case storedMessage(MessageID)
}

/// A conversation that is created with its first message.
package struct NewConversation: Sendable {
    package let title: String
    package let settings: ConversationSettings

    package init(title: String, settings: ConversationSettings = ConversationSettings()) {
        self.title = title
        self.settings = settings
    }
}

/// What an answer is generated from.
package struct AnswerStart: Sendable {
    package let conversation: StoredConversation
    /// The messages of the active path up to the question.
    package let messages: [Message]
    /// The user's message that is answered.
    package let question: Message
    /// The corrected texts of answers.
    package let corrections: [MessageID: String]
    /// The answer whose place the new one takes.
    package let replacedAnswer: MessageID?
}

extension Store {
    /// Begins an answer: stores the user's message, or finds it, and reads the conversation, in one transaction.
    ///
    /// - Parameters:
    ///   - created: If set, creates the conversation first.
    ///   - lease: Taken for the answer. Throws `answering` if there is another answer in progress. Text of an answer that was interrupted
    ///     is stored first.
    ///   - model: If set, the model that answers in this conversation from now on.
    package func beginAnswer(
        to request: AnswerRequest, in conversation: ConversationID, of owner: UserID, creating created: NewConversation? = nil,
        model: String? = nil, taking lease: AnswerLease? = nil
    ) throws(StoreError) -> AnswerStart {
        let id = MessageID()
        let now = options.now()
        return try database.transaction(.write) { connection throws(StoreError) in
            if let created {
                try Self.insertConversation(conversation, created.title, for: owner, options, at: now, on: connection)
                try Self.set(created.settings, in: conversation, of: owner, at: now, on: connection)
            }
            if let lease {
                try take(lease, in: conversation, of: owner, on: connection)
                if created == nil { try recoverAnswers(in: conversation, of: owner, at: now, on: connection) }
            }
            if let model {
                try connection.execute("UPDATE conversations SET model = $3 WHERE id = $1 AND owner_id = $2", conversation, owner, model)
            }
            let question: MessageID
            switch request {
            case .newMessage(let message, let first):
                question = try Self.append(
                    message, id: id, to: conversation, of: owner, replacingFrom: first, options, at: now, on: connection).id
            case .storedMessage(let stored):
                _ = try Self.lock(conversation, of: owner, on: connection)
                try Self.recordActivity(of: owner, at: now, on: connection)
                try Self.checkSize(
                    Self.size(of: conversation, on: connection).characters, of: conversation, of: owner, options, on: connection)
                question = stored
            }
            let messages = try Self.messages(of: conversation, on: connection)
            guard let index = messages.firstIndex(where: { $0.id == question }), messages[index].role == .user else {
                throw .notFound(.message)
            }
            let next = index + 1 < messages.count ? messages[index + 1] : nil
            // Another user message follows if the question got no answer. It cannot be replaced by one.
            if let next, next.role != .assistant { throw .notFound(.message) }
            let details = try Self.details(of: conversation, on: connection)
            return AnswerStart(
                conversation: try Self.conversation(conversation, of: owner, on: connection),
                messages: Array(messages[...index]), question: messages[index],
                corrections: details.compactMapValues(\.correction), replacedAnswer: next?.id)
        }
    }
}

/// A conversation as it is shown.
package struct OpenConversation: Sendable {
    package let conversation: StoredConversation
    package let settings: ConversationSettings
    /// The messages of the active path.
    package let messages: [Message]
    /// What is stored beside messages. Messages without anything are missing.
    package let details: [MessageID: MessageDetails]
    /// Whether an answer is in progress, on any server.
    package let isAnswering: Bool
}

extension Store {
    /// Returns a conversation with its messages. Text of an answer that was interrupted becomes a message first.
    package func openConversation(_ id: ConversationID, of owner: UserID) throws(StoreError) -> OpenConversation {
        let (found, isInterrupted) = try read(id, of: owner)
        if !isInterrupted { return found }
        try recoverAnswers(in: id, of: owner)
        return try read(id, of: owner).0
    }

    private func read(_ id: ConversationID, of owner: UserID) throws(StoreError) -> (OpenConversation, isInterrupted: Bool) {
        try database.transaction(.read) { connection throws(StoreError) in
            let conversation = try Self.conversation(id, of: owner, on: connection)
            let lease = try connection.firstRow("SELECT answer_id FROM answer_leases WHERE conversation_id = $1 AND \(isLive)", id)
            let found = OpenConversation(
                conversation: conversation, settings: try Self.settings(of: id, on: connection),
                messages: try Self.messages(of: id, on: connection), details: try Self.details(of: id, on: connection),
                isAnswering: lease != nil)
            return (found, try !interruptedAnswers(in: id, on: connection).isEmpty)
        }
    }
}
