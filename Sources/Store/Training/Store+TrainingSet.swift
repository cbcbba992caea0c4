/// What may be trained on.
extension Store {
    /// Returns included chats in the order of their ids, in pages. Consent is looked up now: chats that are left out, deleted, or whose
    /// account is left out are missing, and so are chats that have changed since they were included.
    ///
    ///     var after: TrainingChatID?
    ///     repeat {
    ///         let page = try store.trainingSet(filter, heldOut: false, after: after)
    ///         for chat in page.chats { … }
    ///         after = page.next
    ///     } while after != nil
    ///
    /// - Parameters:
    ///   - filter: Its `state` does not matter.
    ///   - heldOut: Whether to return the chats that are never trained on, for comparing models, instead of those to train on.
    ///   - last: The `next` of the previous page; nil for the first one.
    /// - Returns: `next` is nil on the last page. A page may have fewer chats than `limit`.
    package func trainingSet(
        _ filter: TrainingFilter = TrainingFilter(), heldOut: Bool, after last: TrainingChatID? = nil, limit: Int = 100
    ) throws(StoreError) -> (chats: [ReviewedChat], next: TrainingChatID?) {
        if last == nil { try refreshTrainingChats() }
        return try database.transaction(.read) { connection throws(StoreError) in
            let condition = try trainingCondition(filter, heldOut: heldOut, on: connection)
            return try Self.reviewedChats(condition, after: last, limit, onlyAsReviewed: true, on: connection)
        }
    }

    /// Calls `body` for all chats of a training set, in the order of their ids.
    package func forEachTrainingChat(
        _ filter: TrainingFilter = TrainingFilter(), heldOut: Bool = false, _ body: (ReviewedChat) throws -> Void
    ) throws {
        var last: TrainingChatID?
        repeat {
            let (chats, next) = try trainingSet(filter, heldOut: heldOut, after: last, limit: 200)
            for chat in chats { try body(chat) }
            last = next
        } while last != nil
    }

    /// Returns chats in any state for an export, in the order of their ids. Consent is looked up as for a training set.
    package func trainingExport(
        _ filter: TrainingFilter, after last: TrainingChatID? = nil, limit: Int = 100
    ) throws(StoreError) -> (chats: [ReviewedChat], next: TrainingChatID?) {
        if last == nil { try refreshTrainingChats() }
        return try database.transaction(.read) { connection throws(StoreError) in
            var condition = try self.condition(filter, on: connection)
            Self.addConsent(to: &condition)
            return try Self.reviewedChats(condition, after: last, limit, onlyAsReviewed: false, on: connection)
        }
    }

    /// - Parameter onlyAsReviewed: Without chats that have changed since their rows were made.
    private static func reviewedChats(
        _ condition: SQLCondition, after last: TrainingChatID?, _ limit: Int, onlyAsReviewed: Bool, on connection: any Connection
    ) throws(StoreError) -> (chats: [ReviewedChat], next: TrainingChatID?) {
        var condition = condition
        condition.add("c.id > #", last?.description ?? "")
        let count = condition.parameter(limit)
        let rows = try connection.execute(
            "SELECT c.id, c.title, c.digest, c.held_out FROM training_chats AS c WHERE \(condition.sql) ORDER BY c.id LIMIT \(count)",
            values: condition.values)
        var chats: [ReviewedChat] = []
        for row in rows {
            let id: TrainingChatID = try row["id"], digest: String = try row["digest"]
            let (settings, messages, preferences) = try content(of: id, on: connection)
            let content = TrainingContent(systemPrompt: settings.systemPrompt, messages, preferences)
            if onlyAsReviewed, content.digest != digest { continue }
            chats.append(ReviewedChat(
                id: id, title: try row["title"], isHeldOut: try row["held_out"], settings: settings, messages: messages,
                preferences: preferences))
        }
        return (chats, rows.count == limit ? try rows.last?["id"] : nil)
    }

    /// What the training set of a filter has, without reading its texts.
    package func trainingSetCounts(_ filter: TrainingFilter = TrainingFilter()) throws(StoreError) -> TrainingSetCounts {
        try refreshTrainingChats()
        return try database.transaction(.read) { connection throws(StoreError) in
            let used = try trainingCondition(filter, heldOut: false, on: connection)
            let heldOut = try trainingCondition(filter, heldOut: true, on: connection)
            func sum(_ columns: String) -> String { "CAST(coalesce(sum(\(columns)), 0) AS BIGINT)" }
            let row = try connection.execute("""
                SELECT count(*) AS chats, \(sum("c.preferences + c.corrections + c.owner_corrections")) AS preferences,
                    \(sum("c.good + c.bad")) AS ratings, \(sum("c.characters")) AS characters
                FROM training_chats AS c WHERE \(used.sql)
                """, values: used.values)[0]
            return try TrainingSetCounts(
                chats: row["chats"], heldOut: Self.count(heldOut, on: connection), preferences: row["preferences"],
                ratings: row["ratings"], characters: row["characters"])
        }
    }

    /// The number of chats to train on that were included after a time.
    package func includedChatCount(since time: Timestamp) throws(StoreError) -> Int {
        try refreshTrainingChats()
        return try database.transaction(.read) { connection throws(StoreError) in
            var condition = try trainingCondition(TrainingFilter(), heldOut: false, on: connection)
            condition.add("c.reviewed_at > #", time)
            return try Self.count(condition, on: connection)
        }
    }

    private static func count(_ condition: SQLCondition, on connection: any Connection) throws(StoreError) -> Int {
        let sql = "SELECT count(*) AS chats FROM training_chats AS c WHERE \(condition.sql)"
        return try connection.execute(sql, values: condition.values)[0]["chats"]
    }

    /// A chat that became similar to a held-out one after it was included is not used.
    private func trainingCondition(
        _ filter: TrainingFilter, heldOut: Bool, on connection: any Connection
    ) throws(StoreError) -> SQLCondition {
        var filter = filter
        filter.state = .included
        var condition = try self.condition(filter, on: connection)
        condition.add("c.held_out = #", heldOut)
        if !heldOut {
            condition.add("""
                NOT EXISTS (
                    SELECT 1 FROM training_chats AS o
                    WHERE o.group_id = c.group_id AND o.held_out = 1 AND o.is_split = 1 AND o.usable = 1)
                """)
        }
        Self.addConsent(to: &condition)
        return condition
    }

    func condition(_ filter: TrainingFilter, on connection: any Connection) throws(StoreError) -> SQLCondition {
        filter.condition(database.dialect, usesIndex: try canUseIndex(for: filter, on: connection))
    }

    /// Consent as it is now, whatever the rows of `training_chats` say.
    private static func addConsent(to condition: inout SQLCondition) {
        condition.add("NOT EXISTS (SELECT 1 FROM users WHERE id = c.user_id AND training_excluded_at IS NOT NULL)")
        condition.add("""
            (c.conversation_id IS NULL OR EXISTS (
                SELECT 1 FROM conversations AS v WHERE v.id = c.conversation_id AND v.deleted_at IS NULL
                AND v.training_excluded_at IS NULL) AND NOT EXISTS (
                SELECT 1 FROM messages AS m
                WHERE m.conversation_id = c.conversation_id AND m.training_notice IS NULL))
            """)
    }
}
