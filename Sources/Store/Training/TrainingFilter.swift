/// Which chats a list, a bulk change, an export or a training run has. Members that are nil match all chats.
///
///     var filter = TrainingFilter()
///     filter.rating = .corrected
///     filter.tag = "colours"
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
    mutating func add(_ condition: String, _ value: SQLValue? = nil) {
        if let value { values.append(value) }
        sql += " AND " + condition.replacing("#", with: "$\(values.count)")
    }

    /// The next parameter, such as "$4".
    mutating func parameter(_ value: SQLValue) -> String {
        values.append(value)
        return "$\(values.count)"
    }
}

extension TrainingFilter {
    /// Whether few of the rows along the index of a sort key may match.
    func isSelective(for key: SortKey) -> Bool {
        if text != nil || tag != nil || flag == .duplicate { return false }
        if state != nil, key == .longest || key == .shortest { return true }
        return rating != nil || model != nil || source != nil || person != nil || flag != nil || minTurns != nil || maxTurns != nil
    }

    /// The condition on rows of `training_chats AS c`. Only chats that may be used match.
    ///
    /// - Parameters:
    ///   - includesState: Whether `state` counts.
    ///   - usesIndex: Whether the full-text index of messages exists.
    func condition(_ dialect: Dialect, includesState: Bool = true, usesIndex: Bool = true) -> SQLCondition {
        var all = SQLCondition("c.usable = 1")
        if includesState, let state { all.add("c.state = #", .text(state.rawValue)) }
        switch rating {
        case .good: all.add("c.good > 0")
        case .bad: all.add("c.bad > 0")
        case .corrected: all.add("c.corrections + c.owner_corrections > 0")
        case .some(.none): all.add("c.good = 0 AND c.bad = 0 AND c.corrections + c.owner_corrections = 0")
        case nil: break
        }
        if let tag { all.add("c.id IN (SELECT chat_id FROM training_chat_tags WHERE tag = #)", .text(tag.storable)) }
        if let model { all.add("c.model = #", .text(model.storable)) }
        if let source { all.add("c.source = #", .text(source.rawValue)) }
        if let person { all.add("c.person = #", .text(person.storable)) }
        switch flag {
        case .duplicate:
            all.add("c.group_id IN (SELECT group_id FROM training_chats WHERE usable = 1 GROUP BY group_id HAVING count(*) > 1)")
        case .personal: all.add("c.personal <> 0")
        case nil: break
        }
        if let from { all.add("c.updated_at >= #", .integer(from)) }
        if let to { all.add("c.updated_at < #", .integer(to)) }
        if let minTurns { all.add("c.turns >= #", .integer(minTurns)) }
        if let maxTurns { all.add("c.turns <= #", .integer(maxTurns)) }
        if let text, !text.isEmpty { addSearch(for: text.storable, to: &all, dialect, usesIndex: usesIndex) }
        return all
    }

    /// The index yields the conversations whose messages contain all trigrams of the text; then their messages are compared. Guests' and
    /// imported chats are compared one by one.
    private func addSearch(for text: String, to all: inout SQLCondition, _ dialect: Dialect, usesIndex: Bool) {
        let part = all.parameter(.text(text))
        func contains(_ column: String) -> String { dialect.contains(column, part) }
        let hasMessage = """
            EXISTS (SELECT 1 FROM messages AS m WHERE m.conversation_id = c.id AND m.replaced_at IS NULL AND \(contains("m.content")))
            """
        let copied = "EXISTS (SELECT 1 FROM training_messages AS m WHERE m.chat_id = c.id AND \(contains("m.content")))"
        let candidates: String
        if usesIndex, text.unicodeScalars.count >= 3 {
            switch dialect {
            case .sqlite:
                let query = all.parameter(.text(Store.trigramQuery(text)))
                candidates = """
                    c.conversation_id IN (
                        SELECT conversation_id FROM messages WHERE search_id IN (
                            SELECT rowid FROM message_search WHERE message_search MATCH \(query)
                            UNION ALL SELECT search_id FROM search_changes WHERE is_new = 1)
                    ) AND \(hasMessage)
                    """
            case .postgresql:
                let pattern = all.parameter(.text(Store.likePattern(text)))
                candidates = """
                    c.conversation_id IN (
                        SELECT conversation_id FROM messages WHERE lower(content) LIKE lower(\(pattern)) AND replaced_at IS NULL)
                    """
            }
        } else {
            candidates = "c.source = 'account' AND \(hasMessage)"
        }
        all.add("(\(contains("c.title")) OR (\(candidates)) OR (c.conversation_id IS NULL AND \(copied)))")
    }
}
