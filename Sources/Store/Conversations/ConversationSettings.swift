/// What a user has set for all answers of a conversation.
package struct ConversationSettings: Sendable, Equatable {
    /// The first message of each prompt; nil for none.
    package var systemPrompt: String?
    /// The name of the model that answers; nil for the server's default.
    package var model: String?
    /// Whether the conversation is left out of training.
    package var isExcludedFromTraining: Bool
    /// The names of the documents that its answers are from. A name is one line.
    package var documents: [String]

    package init(
        systemPrompt: String? = nil, model: String? = nil, isExcludedFromTraining: Bool = false, documents: [String] = []
    ) {
        self.systemPrompt = systemPrompt?.storable
        self.model = model?.storable
        self.isExcludedFromTraining = isExcludedFromTraining
        self.documents = documents.map(\.storable)
    }
}

extension Store {
    package func settings(of conversation: ConversationID, of owner: UserID) throws(StoreError) -> ConversationSettings {
        try database.transaction(.read) { connection throws(StoreError) in
            _ = try Self.conversation(conversation, of: owner, on: connection)
            return try Self.settings(of: conversation, on: connection)
        }
    }

    /// Changes the title and the settings of a conversation.
    ///
    /// - Parameter change: Gets the current settings.
    package func update(
        _ conversation: ConversationID, of owner: UserID, title: String? = nil, change: (inout ConversationSettings) -> Void
    ) throws(StoreError) -> (StoredConversation, ConversationSettings) {
        let now = options.now()
        return try database.transaction(.write) { connection throws(StoreError) in
            _ = try Self.lock(conversation, of: owner, on: connection)
            if let title {
                try connection.execute("UPDATE conversations SET title = $2 WHERE id = $1", conversation, title)
            }
            var settings = try Self.settings(of: conversation, on: connection)
            change(&settings)
            try Self.set(settings, in: conversation, of: owner, at: now, on: connection)
            return (try Self.conversation(conversation, of: owner, on: connection), settings)
        }
    }

    static func settings(of conversation: ConversationID, on connection: any Connection) throws(StoreError) -> ConversationSettings {
        let row = try connection.find(
            .conversation, "SELECT system_prompt, model, training_excluded_at, documents FROM conversations WHERE id = $1", conversation)
        let documents: String? = try row["documents"]
        return try ConversationSettings(
            systemPrompt: row["system_prompt"], model: row["model"],
            isExcludedFromTraining: !row.isNull("training_excluded_at"),
            documents: documents?.split(separator: "\n").map(String.init) ?? [])
    }

    static func set(
        _ settings: ConversationSettings, in conversation: ConversationID, of owner: UserID, at now: Timestamp,
        on connection: any Connection
    ) throws(StoreError) {
        try connection.execute("""
            UPDATE conversations SET system_prompt = $3, model = $4, documents = $7,
                training_excluded_at = CASE WHEN $5 = 0 THEN NULL ELSE COALESCE(training_excluded_at, $6) END
            WHERE id = $1 AND owner_id = $2
            """, conversation, owner, settings.systemPrompt, settings.model, settings.isExcludedFromTraining, now,
                settings.documents.isEmpty ? nil : settings.documents.joined(separator: "\n"))
    }
}
