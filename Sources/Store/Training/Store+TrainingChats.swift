/// The chats that an owner reviews.
extension Store {
    /// A list shows changes of conversations unless they take longer than this to find.
    static let refreshTime = Duration.milliseconds(500)

    static func tags(
        of chats: [TrainingChatID], on connection: any Connection
    ) throws(StoreError) -> [TrainingChatID: [String]] {
        var tags: [TrainingChatID: [String]] = [:]
        try forEachPart(of: chats) { parameters, values throws(StoreError) in
            for row in try connection.execute(
                "SELECT chat_id, tag FROM training_chat_tags WHERE chat_id IN (\(parameters)) ORDER BY chat_id, tag", values: values) {
                tags[try row["chat_id"], default: []].append(try row["tag"])
            }
        }
        return tags
    }

    /// Calls `body` with the parameters and the values of a list of ids, in parts of the same size, so that the statement is the same.
    static func forEachPart(
        of chats: [TrainingChatID], _ body: (_ parameters: String, _ values: [SQLValue]) throws(StoreError) -> Void
    ) throws(StoreError) {
        var start = 0
        while start < chats.count {
            let part = chats[start..<min(chats.count, start + partSize)]
            let padding = [SQLValue](repeating: "".sql, count: partSize - part.count)
            try body(partParameters, part.map(\.sql) + padding)
            start += partSize
        }
    }

    private static let partSize = 200
    private static let partParameters = (1...partSize).map { "$\($0)" }.joined(separator: ", ")

    /// A chat with its messages.
    package func trainingChat(_ id: TrainingChatID) throws(StoreError) -> TrainingChatDetails {
        try refreshTrainingChats(within: Self.refreshTime)
        return try database.transaction(.read) { connection throws(StoreError) in
            let chat = try Self.trainingChat(id, on: connection)
            let (settings, messages, preferences) = try Self.content(of: id, on: connection)
            return TrainingChatDetails(chat: chat, settings: settings, messages: messages, preferences: preferences)
        }
    }

    static func trainingChat(_ id: TrainingChatID, on connection: any Connection) throws(StoreError) -> TrainingChat {
        let sql = "SELECT \(TrainingChat.columns) FROM training_chats AS c WHERE c.id = $1 AND c.usable = 1"
        guard let row = try connection.firstRow(sql, id) else { throw .notFound(.chat) }
        return try TrainingChat(row, tags: tags(of: [id], on: connection)[id] ?? [])
    }

    /// The messages of a chat, wherever they are stored.
    static func content(
        of chat: TrainingChatID, on connection: any Connection
    ) throws(StoreError) -> (ConversationSettings, [TrainingMessage], [AnswerPreference]) {
        let row = try connection.find(.chat, "SELECT conversation_id, system_prompt FROM training_chats WHERE id = $1", chat)
        if let conversation: ConversationID = try row["conversation_id"] {
            let (messages, preferences) = try trainingMessages(of: conversation, on: connection)
            return (try settings(of: conversation, on: connection), messages, preferences)
        }
        let (messages, preferences) = try copiedMessages(of: chat, on: connection)
        return (ConversationSettings(systemPrompt: try row["system_prompt"]), messages, preferences)
    }

    /// All tags with the number of chats that have them.
    package func trainingTags() throws(StoreError) -> [(tag: String, chats: Int)] {
        try database.read("""
            SELECT tag, count(*) AS chats FROM training_chat_tags JOIN training_chats ON id = chat_id WHERE usable = 1
            GROUP BY tag ORDER BY tag
            """).map { row throws(StoreError) in (try row["tag"], try row["chats"]) }
    }
}
