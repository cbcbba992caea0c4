import ChatAnalysis

/// Chats by their ids, or all that match a filter.
package enum TrainingSelection: Sendable {
    case chats([TrainingChatID])
    case filter(TrainingFilter)
}

/// What an owner changes. Each change writes a line of the audit log in the same transaction.
extension Store {
    package struct Review: Sendable, Equatable {
        package var state: TrainingChat.State?
        /// The tags that a chat gets besides those that it has, and those that it loses.
        package var addedTags: [String] = [], removedTags: [String] = []
        /// The tags that a chat has afterwards.
        package var tags: [String]?

        package init() {}
    }

    package static let maxTagBytes = 100

    /// Changes the state and the tags of chats.
    ///
    /// - Returns: The number of chats that were not so before.
    @discardableResult
    package func review(_ selection: TrainingSelection, _ review: Review, by request: AdminRequest) throws(StoreError) -> Int {
        for tag in review.addedTags + (review.tags ?? []) where tag.utf8.count > Self.maxTagBytes {
            throw .tooLong(what: "the tag", limit: Self.maxTagBytes)
        }
        try refreshTrainingChats(within: .seconds(2))
        return try admin.change(.reviewChats, by: request) { connection, entry throws(StoreError) in
            let chats = try self.chats(selection, on: connection)
            var changed: Set<String> = []
            func execute(_ sql: String, _ chats: [TrainingChatID], _ values: [any ColumnValue]) throws(StoreError) {
                try Self.forEachPart(of: chats) { parameters, ids throws(StoreError) in
                    var sql = sql.replacing("(IDS)", with: "(\(parameters))")
                    for i in values.indices.reversed() { sql = sql.replacing("#\(i + 1)", with: "$\(ids.count + i + 1)") }
                    for row in try connection.execute(sql, values: ids + values.map(\.sql)) { changed.insert(try row.value(at: 0)) }
                }
            }
            if let state = review.state {
                // From the first inclusion on, it is fixed whether a chat is held out.
                let split = state == .included ? ", is_split = 1" : ""
                try execute("""
                    UPDATE training_chats SET state = #1, reviewed_at = #2, reviewed_by = #3\(split)
                    WHERE id IN (IDS) AND state <> #1 RETURNING id
                    """, chats, [state, entry.time, request.actor])
            }
            if let tags = review.tags {
                for (i, tag) in tags.enumerated() where tags.firstIndex(of: tag) == i {
                    try execute(Self.addTag, chats, [tag])
                }
                let others = tags.indices.map { " AND tag <> #\($0 + 1)" }.joined()
                try execute("DELETE FROM training_chat_tags WHERE chat_id IN (IDS)\(others) RETURNING chat_id", chats, tags)
            }
            for tag in review.addedTags { try execute(Self.addTag, chats, [tag]) }
            for tag in review.removedTags {
                try execute("DELETE FROM training_chat_tags WHERE chat_id IN (IDS) AND tag = #1 RETURNING chat_id", chats, [tag])
            }
            if !changed.isEmpty {
                try entry.write(chats.count == 1 ? chats.first : nil, review.summary(ofChanges: changed.count), on: connection)
            }
            return changed.count
        }
    }

    private static let addTag = """
        INSERT INTO training_chat_tags (chat_id, tag) SELECT id, #1 FROM training_chats WHERE id IN (IDS)
        ON CONFLICT DO NOTHING RETURNING chat_id
        """

    /// - Throws: `notFound` if a chat of a list may not be used.
    private func chats(_ selection: TrainingSelection, on connection: any Connection) throws(StoreError) -> [TrainingChatID] {
        switch selection {
        case .chats(let ids):
            var found: Set<TrainingChatID> = []
            try Self.forEachPart(of: ids) { parameters, values throws(StoreError) in
                let sql = "SELECT id FROM training_chats WHERE id IN (\(parameters)) AND usable = 1"
                for row in try connection.execute(sql, values: values) { found.insert(try row["id"]) }
            }
            guard ids.allSatisfy({ found.contains($0) }) else { throw .notFound(.chat) }
            return found.sorted { $0.description < $1.description }
        case .filter(let filter):
            let condition = try self.condition(filter, on: connection)
            let sql = "SELECT c.id FROM training_chats AS c WHERE \(condition.sql) ORDER BY c.id"
            return try connection.execute(sql, values: condition.values).map { row throws(StoreError) in try row["id"] }
        }
    }

    /// Stores an owner's text beside a message, or removes it. The text of the message itself removes it, too.
    package func correct(
        _ message: MessageID, in chat: TrainingChatID, to text: String?, by request: AdminRequest
    ) throws(StoreError) {
        try refreshTrainingChats(within: .seconds(2))
        let text = text?.storable
        try admin.change(.correctChat, by: request) { connection, entry throws(StoreError) in
            try connection.find(.chat, "SELECT id FROM training_chats WHERE id = $1 AND usable = 1 \(connection.dialect.rowLock)", chat)
            let before = try Self.content(of: chat, on: connection)
            guard let original = before.1.first(where: { $0.message.id == message }) else { throw .notFound(.message) }
            if let text, text != original.message.content || original.details.correction != nil {
                try connection.execute("""
                    INSERT INTO owner_corrections (message_id, chat_id, content, corrected_at, corrected_by) VALUES ($1, $2, $3, $4, $5)
                    ON CONFLICT (message_id) DO UPDATE
                    SET content = excluded.content, corrected_at = excluded.corrected_at, corrected_by = excluded.corrected_by
                    """, message, chat, text, entry.time, request.actor)
            } else {
                try connection.execute("DELETE FROM owner_corrections WHERE message_id = $1", message)
            }
            let (settings, messages, preferences) = try Self.content(of: chat, on: connection)
            let content = TrainingContent(systemPrompt: settings.systemPrompt, messages, preferences)
            try connection.execute(
                "UPDATE training_chats SET owner_corrections = $2, personal = $3 WHERE id = $1",
                chat, messages.count { $0.details.ownerCorrection != nil }, PersonalData.Kind.bits(of: content.personalKinds))
            try entry.write(chat, nil, on: connection)
        }
    }
}

extension Store.Review {
    /// For the audit log: "included 12, tagged colors".
    fileprivate func summary(ofChanges count: Int) -> String {
        var parts: [String] = []
        if let state { parts.append(state == .new ? "marked as new" : state.rawValue) }
        if let tags { parts.append("set tags: \(tags.joined(separator: ", "))") }
        if !addedTags.isEmpty { parts.append("tagged: \(addedTags.joined(separator: ", "))") }
        if !removedTags.isEmpty { parts.append("untagged: \(removedTags.joined(separator: ", "))") }
        return "\(count) \(count == 1 ? "chat" : "chats") \(parts.joined(separator: "; "))"
    }
}
