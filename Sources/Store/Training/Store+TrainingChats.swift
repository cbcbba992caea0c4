/// The chats that an owner reviews.
extension Store {
    /// A list shows changes of conversations unless they take longer than this to find.
    private static let refreshTime = Duration.milliseconds(500)

    /// Lists chats that may be used for training.
    ///
    /// - Parameter cursor: The `next` of the previous page; nil for the first one.
    package func trainingChats(
        _ filter: TrainingFilter = TrainingFilter(), sortedBy key: TrainingFilter.SortKey = .newest,
        after cursor: TrainingChatCursor? = nil, limit: Int = 50
    ) throws(StoreError) -> TrainingChatPage {
        let pending = try refreshTrainingChats(within: Self.refreshTime)
        return try database.transaction(filter.text == nil ? .read : .search) { connection throws(StoreError) in
            let usesIndex = try filter.text.map { text throws(StoreError) in try canUseIndex(for: text, on: connection) } ?? false
            let rows = try self.rows(filter, key, cursor, limit + 1, usesIndex: usesIndex, on: connection)
            var chats: [TrainingChat] = []
            for row in rows.prefix(limit) { chats.append(try TrainingChat(row, tags: [])) }
            let tags = try Self.tags(of: chats.map(\.id), on: connection)
            chats = chats.map { $0.with(tags: tags[$0.id] ?? []) }
            var counts = TrainingChatCounts()
            let condition = filter.condition(database.dialect, includesState: false, usesIndex: usesIndex)
            for row in try connection.execute(
                "SELECT state, held_out, count(*) FROM training_chats AS c WHERE \(condition.sql) GROUP BY state, held_out",
                condition.values) {
                let count = try row.integer(2)
                switch TrainingChat.State(rawValue: try row.text(0)) {
                case .new?: counts.new += count
                case .included?:
                    counts.included += count
                    if try row.integer(1) == 1 { counts.heldOut += count }
                case .excluded?: counts.excluded += count
                case nil: throw row.unexpected(0, "a state")
                }
            }
            let next = rows.count > limit ? chats.last.map { TrainingChatCursor(key.value(of: $0), $0.id) } : nil
            return TrainingChatPage(chats: chats, next: next, total: counts.total(of: filter.state), counts: counts, pending: pending)
        }
    }

    private func rows(
        _ filter: TrainingFilter, _ key: TrainingFilter.SortKey, _ cursor: TrainingChatCursor?, _ limit: Int, usesIndex: Bool,
        on connection: any Connection
    ) throws(StoreError) -> [Row] {
        let (sql, values) = Self.page(filter, key, cursor, limit, usesIndex: usesIndex, database.dialect)
        return try connection.execute(sql, values)
    }

    /// The query of a page. Its rows are chosen along an index; then their groups are counted.
    package static func page(
        _ filter: TrainingFilter, _ key: TrainingFilter.SortKey, _ cursor: TrainingChatCursor?, _ limit: Int, usesIndex: Bool,
        _ dialect: Dialect
    ) -> (sql: String, values: [SQLValue]) {
        var condition = filter.condition(dialect, usesIndex: usesIndex)
        if let cursor {
            let (value, id) = (condition.parameter(.integer(cursor.key)), condition.parameter(.text(cursor.id)))
            condition.add("(c.\(key.column), c.id) \(key.isDescending ? "<" : ">") (\(value), \(id))")
        }
        let direction = key.isDescending ? "DESC" : "ASC"
        func order(_ table: String) -> String { "ORDER BY \(table).\(key.column) \(direction), \(table).id \(direction)" }
        let count = condition.parameter(.integer(limit))
        // SQLite would read the rows in the order of the page, until as many of them match.
        let index = dialect == .sqlite && filter.isSelective(for: key) ? "INDEXED BY training_chats_filtered " : ""
        return ("""
            SELECT \(TrainingChat.columns) FROM (
                SELECT c.id AS page_id FROM training_chats AS c \(index)WHERE \(condition.sql) \(order("c")) LIMIT \(count)
            ) AS page JOIN training_chats AS c ON c.id = page_id \(order("c"))
            """, condition.values)
    }

    private static func tags(
        of chats: [TrainingChatID], on connection: any Connection
    ) throws(StoreError) -> [TrainingChatID: [String]] {
        var tags: [TrainingChatID: [String]] = [:]
        try forEachPart(of: chats) { parameters, values throws(StoreError) in
            for row in try connection.execute(
                "SELECT chat_id, tag FROM training_chat_tags WHERE chat_id IN (\(parameters)) ORDER BY chat_id, tag", values) {
                tags[try row.id(0), default: []].append(try row.text(1))
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
            let padding = [SQLValue](repeating: .text(""), count: partSize - part.count)
            try body(partParameters, part.map { .text($0) } + padding)
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
        guard let row = try connection.firstRow(sql, [.text(id)]) else { throw .notFound(.chat) }
        return try TrainingChat(row, tags: tags(of: [id], on: connection)[id] ?? [])
    }

    /// The messages of a chat, wherever they are stored.
    static func content(
        of chat: TrainingChatID, on connection: any Connection
    ) throws(StoreError) -> (ConversationSettings, [TrainingMessage], [AnswerPreference]) {
        let row = try connection.firstRow("SELECT conversation_id, system_prompt FROM training_chats WHERE id = $1", [.text(chat)])
        guard let row else { throw .notFound(.chat) }
        if let conversation: ConversationID = try row.optionalID(0) {
            let (messages, preferences) = try trainingMessages(of: conversation, on: connection)
            return (try settings(of: conversation, on: connection), messages, preferences)
        }
        let (messages, preferences) = try copiedMessages(of: chat, on: connection)
        return (ConversationSettings(systemPrompt: try row.optionalText(1)), messages, preferences)
    }

    /// All tags with the number of chats that have them.
    package func trainingTags() throws(StoreError) -> [(tag: String, chats: Int)] {
        try database.transaction(.read) { connection throws(StoreError) in
            try connection.execute("""
                SELECT tag, count(*) FROM training_chat_tags JOIN training_chats ON id = chat_id WHERE usable = 1 GROUP BY tag ORDER BY tag
                """, []).map { row throws(StoreError) in (try row.text(0), try row.integer(1)) }
        }
    }
}

extension TrainingChat {
    fileprivate func with(tags: [String]) -> TrainingChat {
        TrainingChat(
            id: id, source: source, state: state, title: title, person: person, model: model, createdAt: createdAt, updatedAt: updatedAt,
            turns: turns, characters: characters, good: good, bad: bad, corrections: corrections, ownerCorrections: ownerCorrections,
            preferences: preferences, tags: tags, duplicates: duplicates, duplicateOf: duplicateOf, personal: personal,
            isHeldOut: isHeldOut, reviewedAt: reviewedAt, reviewedBy: reviewedBy)
    }
}

extension TrainingChatCounts {
    fileprivate func total(of state: TrainingChat.State?) -> Int {
        switch state {
        case nil: new + included + excluded
        case .new?: new
        case .included?: included
        case .excluded?: excluded
        }
    }
}

extension TrainingFilter.SortKey {
    fileprivate var column: String {
        switch self {
        case .newest, .oldest: "updated_at"
        case .longest, .shortest: "characters"
        }
    }

    fileprivate var isDescending: Bool { self == .newest || self == .longest }

    fileprivate func value(of chat: TrainingChat) -> Int {
        switch self {
        case .newest, .oldest: Int(chat.updatedAt.milliseconds)
        case .longest, .shortest: chat.characters
        }
    }
}
