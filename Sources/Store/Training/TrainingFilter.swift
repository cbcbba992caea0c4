/// Which chats a list, a bulk change, an export or a training run has. Members that are nil match all chats.
///
///     var filter = TrainingFilter()
///     filter.rating = .corrected
///     filter.tag = "colors"
package struct TrainingFilter: Sendable, Equatable {
    package enum Rating: String, Sendable, CaseIterable {
        case good, bad
        /// By the user or an owner.
        case corrected
        /// Neither rated nor corrected.
        case none
    }

    package enum Flag: String, Sendable, CaseIterable {
        case duplicate, personal
    }

    package enum SortKey: String, Sendable, CaseIterable { case newest, oldest, longest, shortest }

    /// The title or a message contains it, ignoring case.
    package var text: String?
    package var state: TrainingChat.State?
    package var rating: Rating?
    package var tag: String?
    package var model: String?
    package var source: TrainingChat.Source?
    package var person: String?
    package var flag: Flag?
    /// The time of the last message: from the first one on, before the second one.
    package var from, to: Timestamp?
    package var minTurns, maxTurns: Int?
    /// The characters of all messages that are shown, as the list says.
    package var minCharacters, maxCharacters: Int?

    package init() {}
}

/// A condition of SQL with its values, whose parameters have numbers.
struct SQLCondition {
    private(set) var sql: String
    private(set) var values: [SQLValue]

    /// - Parameter values: Those of the parameters that the rest of the statement has.
    init(_ sql: String, _ values: [SQLValue] = []) {
        self.sql = sql
        self.values = values
    }

    /// Adds a condition. `#` in it is the parameter of the value.
    mutating func add(_ condition: String, _ value: (any ColumnValue)? = nil) {
        if let value { values.append(value.sql) }
        sql += " AND " + condition.replacing("#", with: "$\(values.count)")
    }

    /// The next parameter, such as "$4".
    mutating func parameter(_ value: any ColumnValue) -> String {
        values.append(value.sql)
        return "$\(values.count)"
    }
}

extension TrainingFilter {
    /// Whether the chats of the filter are first found as a set, in an index of texts or of groups.
    var findsSet: Bool { flag == .duplicate || text != nil }

    /// Whether the filter compares a column that only the index of lengths has.
    var comparesLength: Bool { minCharacters != nil || maxCharacters != nil }

    /// The condition on rows of `training_chats AS c`, apart from `text`. Only chats that may be used match.
    ///
    /// - Parameter includesState: Whether `state` counts.
    func conditionWithoutText(_ dialect: Dialect, includesState: Bool) -> SQLCondition {
        var all = SQLCondition("c.usable = 1")
        if includesState, let state { all.add("c.state = #", state) }
        switch rating {
        case .good: all.add("c.good > 0")
        case .bad: all.add("c.bad > 0")
        case .corrected: all.add("c.corrections + c.owner_corrections > 0")
        case .some(.none): all.add("c.good = 0 AND c.bad = 0 AND c.corrections + c.owner_corrections = 0")
        case nil: break
        }
        if let model { all.add("c.model = #", model) }
        if let source { all.add("c.source = #", source) }
        if let person { all.add("c.person = #", person) }
        if flag == .personal { all.add("c.personal <> 0") }
        if let from { all.add("c.updated_at >= #", from) }
        if let to { all.add("c.updated_at < #", to) }
        if let minTurns { all.add("c.turns >= #", minTurns) }
        if let maxTurns { all.add("c.turns <= #", maxTurns) }
        if let minCharacters { all.add("c.characters >= #", minCharacters) }
        if let maxCharacters { all.add("c.characters <= #", maxCharacters) }
        if let tag {
            all.add("c.id IN (SELECT chat_id FROM training_chat_tags WHERE tag = #)", tag)
        }
        if flag == .duplicate {
            // `1 = (SELECT 1 …)` instead of EXISTS keeps PostgreSQL from reading all chats first.
            let index = dialect == .sqlite ? "INDEXED BY training_chats_grouped " : ""
            all.add("""
                c.group_id IN (
                    SELECT g.group_id FROM training_chats AS g \(index)
                    WHERE g.usable = 1 AND \(Schema.laterInGroup("g.")) > '' AND 1 = (
                        SELECT 1 FROM training_chats AS o WHERE o.group_id = g.group_id AND o.usable = 1 AND o.id <> g.id LIMIT 1))
                """)
        }
        return all
    }

    /// The condition on rows of `training_chats AS c`.
    ///
    /// - Parameter usesIndex: Whether the full-text index finds the text; otherwise the chats are compared one by one.
    func condition(_ dialect: Dialect, includesState: Bool = true, usesIndex: Bool) -> SQLCondition {
        var all = conditionWithoutText(dialect, includesState: includesState)
        guard let text else { return all }
        if usesIndex { addIndexedSearch(for: text.storable, to: &all, dialect) } else { all.add(Self.contains(text, &all, dialect)) }
        return all
    }

    /// Whether the title or a message of a row of `training_chats AS c` contains a text.
    static func contains(_ text: String, _ all: inout SQLCondition, _ dialect: Dialect) -> String {
        let part = all.parameter(text)
        return """
            (\(dialect.contains("c.title", part)) OR EXISTS (
                SELECT 1 FROM messages AS m
                WHERE m.conversation_id = c.conversation_id AND \(dialect.contains("m.content", part))
            ) OR c.conversation_id IS NULL AND EXISTS (
                SELECT 1 FROM training_messages AS m WHERE m.chat_id = c.id AND \(dialect.contains("m.content", part))))
            """
    }

    /// The index yields the titles and messages that contain all trigrams of the text; these are compared.
    private func addIndexedSearch(for text: String, to all: inout SQLCondition, _ dialect: Dialect) {
        let copied: String, titles: String, messages: String
        switch dialect {
        case .sqlite:
            let part = all.parameter(text), query = all.parameter(Store.trigramQuery(text))
            func found(_ row: String, _ column: String, in ids: Range<Int>) -> String {
                """
                \(row).search_id IN (
                    SELECT rowid FROM message_search
                    WHERE message_search MATCH \(query) AND rowid >= \(ids.lowerBound) AND rowid < \(ids.upperBound)
                    UNION ALL SELECT search_id FROM search_changes WHERE is_new = 1
                ) AND \(dialect.contains("\(row).\(column)", part))
                """
            }
            let (first, second) = (Schema.titleSearchIDs, Schema.messageSearchIDs)
            copied = found("m", "content", in: 0..<first)
            titles = found("t", "title", in: first..<second)
            messages = found("m", "content", in: second..<Int.max)
        case .postgresql:
            let pattern = all.parameter(Store.likePattern(text))
            func found(_ column: String) -> String { "lower(\(column)) LIKE lower(\(pattern))" }
            copied = found("m.content")
            titles = found("t.title")
            messages = found("m.content")
        }
        all.add("""
            c.id IN (
                SELECT m.chat_id FROM training_messages AS m WHERE \(copied)
                UNION SELECT t.id FROM training_chats AS t WHERE \(titles)
                UNION SELECT m.conversation_id FROM messages AS m WHERE \(messages))
            """)
    }
}
