/// The statements of the list of chats.
///
/// 100,000 chats are counted, and a page of them is read, in less than 300 ms: along an index that has what filters compare. A text that
/// the first chats of the list contain often is compared with those only, because its index has too many chats; then the counts are lower
/// bounds. Counts and pages each compare, since they are of other chats: the counts of all states, a page of one state after a cursor.
package struct TrainingChatList {
    let filter: TrainingFilter
    let key: TrainingFilter.SortKey
    /// Whether the database has the full-text index and the text a trigram.
    let usesIndex: Bool
    let dialect: Dialect

    package init(
        _ filter: TrainingFilter, sortedBy key: TrainingFilter.SortKey = .newest, usesIndex: Bool = true, _ dialect: Dialect
    ) {
        self.filter = filter
        self.key = key
        self.usesIndex = usesIndex
        self.dialect = dialect
    }

    /// The chats that are compared with a text one by one, and the number of them from which on it is common.
    static let comparedFirst = 1_000, commonMatches = 50

    // MARK: Counts

    /// - Returns: The numbers of chats in each state, and whether these are all.
    func counts(on connection: any Connection) throws(StoreError) -> (counts: TrainingChatCounts, isExact: Bool) {
        if let text = filter.text {
            let (compared, values) = self.compared(with: text, after: nil, includesState: false)
            let groups = """
                SELECT c.state, c.held_out, sum(c.hit) AS chats, count(*) AS compared FROM compared AS c GROUP BY c.state, c.held_out
                """
            let rows = try connection.execute("WITH compared AS MATERIALIZED (\(compared)) \(groups)", values: values)
            let counts = try TrainingChatCounts(rows)
            var all = 0
            for row in rows { all += try row["compared"] as Int }
            if all < Self.comparedFirst || counts.total(of: nil) >= Self.commonMatches { return (counts, all < Self.comparedFirst) }
        }
        let (sql, values) = countQuery()
        return (try TrainingChatCounts(connection.execute(sql, values: values)), true)
    }

    /// The query of the numbers of chats by state and by whether they are held out.
    package func countQuery() -> (sql: String, values: [SQLValue]) {
        let condition = filter.condition(dialect, includesState: false, usesIndex: usesIndex)
        let isNarrow = filter.tag == nil && filter.from == nil && filter.to == nil
        let walked = filter.comparesLength ? Self.byLength : isNarrow ? "training_chats_filtered" : Self.byTime
        let index = filter.findsSet ? "" : hint(walked)
        let groups = "SELECT c.state, c.held_out, count(*) AS chats FROM training_chats AS c"
        return ("\(groups) \(index)WHERE \(condition.sql) GROUP BY c.state, c.held_out", condition.values)
    }

    /// The indexes for pages. Both have what filters compare, and only the second one has lengths.
    fileprivate static let byTime = "training_chats_by_time", byLength = "training_chats_by_length"

    /// SQLite has no statistics by which it could choose the index.
    private func hint(_ index: String) -> String { dialect == .sqlite ? "INDEXED BY \(index) " : "" }

    // MARK: Pages

    func page(after cursor: TrainingChatCursor?, limit: Int, on connection: any Connection) throws(StoreError) -> [Row] {
        if let text = filter.text {
            let (compared, values) = self.compared(with: text, after: cursor, includesState: true)
            let rows = try connection.execute("""
                WITH compared AS MATERIALIZED (\(compared))
                SELECT \(TrainingChat.columns), (SELECT count(*) FROM compared) AS compared
                FROM (SELECT id AS page_id FROM compared WHERE hit = 1 ORDER BY sort_key \(direction), id \(direction) LIMIT \(limit))
                AS page JOIN training_chats AS c ON c.id = page_id \(order)
                """, values: values)
            if let first = rows.first {
                let compared: Int = try first["compared"]
                if rows.count == limit || compared < Self.comparedFirst { return rows }
            }
        }
        let (sql, values) = pageQuery(after: cursor, limit: limit)
        return try connection.execute(sql, values: values)
    }

    /// The query of a page. Its rows are chosen in an index; then their groups are counted.
    package func pageQuery(after cursor: TrainingChatCursor?, limit: Int) -> (sql: String, values: [SQLValue]) {
        var condition = filter.condition(dialect, usesIndex: usesIndex)
        add(cursor, to: &condition)
        let index = filter.findsSet ? "" : hint(filter.comparesLength ? Self.byLength : key.index)
        return ("""
            SELECT \(TrainingChat.columns) FROM (
                SELECT c.id AS page_id FROM training_chats AS c \(index)WHERE \(condition.sql) \(order) LIMIT \(limit)
            ) AS page JOIN training_chats AS c ON c.id = page_id \(order)
            """, condition.values)
    }

    private var direction: String { key.isDescending ? "DESC" : "ASC" }
    private var order: String { "ORDER BY c.\(key.column) \(direction), c.id \(direction)" }

    private func add(_ cursor: TrainingChatCursor?, to condition: inout SQLCondition) {
        guard let cursor else { return }
        let (value, id) = (condition.parameter(cursor.key), condition.parameter(cursor.id))
        condition.add("(c.\(key.column), c.id) \(key.isDescending ? "<" : ">") (\(value), \(id))")
    }

    /// A query that compares a text with the first chats that match the rest of the filter.
    private func compared(
        with text: String, after cursor: TrainingChatCursor?, includesState: Bool
    ) -> (sql: String, values: [SQLValue]) {
        var condition = filter.conditionWithoutText(dialect, includesState: includesState)
        add(cursor, to: &condition)
        let first = """
            SELECT c.id, c.state, c.held_out, c.title, c.conversation_id, c.\(key.column) FROM training_chats AS c \(hint(key.index))
            WHERE \(condition.sql) \(order) LIMIT \(Self.comparedFirst)
            """
        let contains = TrainingFilter.contains(text, &condition, dialect)
        return ("""
            SELECT c.id, c.state, c.held_out, c.\(key.column) AS sort_key, CASE WHEN \(contains) THEN 1 ELSE 0 END AS hit
            FROM (\(first)) AS c
            """, condition.values)
    }
}

extension Store {
    /// Lists chats that may be used for training.
    ///
    /// - Parameter cursor: The `next` of the previous page; nil for the first one.
    package func trainingChats(
        _ filter: TrainingFilter = TrainingFilter(), sortedBy key: TrainingFilter.SortKey = .newest,
        after cursor: TrainingChatCursor? = nil, limit: Int = 50
    ) throws(StoreError) -> TrainingChatPage {
        let pending = try refreshTrainingChats(within: Self.refreshTime)
        return try database.transaction(filter.text == nil ? .read : .search) { connection throws(StoreError) in
            let list = TrainingChatList(filter, sortedBy: key, usesIndex: try canUseIndex(for: filter, on: connection), database.dialect)
            var (counts, isExact) = try list.counts(on: connection)
            let rows = try list.page(after: cursor, limit: limit + 1, on: connection)
            // The chats of a state may be none of those that were compared for the counts.
            if let state = filter.state, !isExact { counts.raise(state, to: rows.count) }
            var chats: [TrainingChat] = []
            for row in rows.prefix(limit) { chats.append(try TrainingChat(row, tags: [])) }
            let tags = try Self.tags(of: chats.map(\.id), on: connection)
            for i in chats.indices { chats[i].tags = tags[chats[i].id] ?? [] }
            let next = rows.count > limit ? chats.last.map { TrainingChatCursor(key.value(of: $0), $0.id) } : nil
            return TrainingChatPage(
                chats: chats, next: next, total: counts.total(of: filter.state), counts: counts, isExact: isExact, pending: pending)
        }
    }

    /// Whether the full-text index finds the text of a filter.
    func canUseIndex(for filter: TrainingFilter, on connection: any Connection) throws(StoreError) -> Bool {
        guard let text = filter.text else { return false }
        guard try canUseIndex(for: text, on: connection) else { return false }
        return try canUseIndex(for: text, named: "training_messages_search", on: connection)
    }
}

extension TrainingChatCounts {
    fileprivate mutating func raise(_ state: TrainingChat.State, to least: Int) {
        switch state {
        case .new: new = max(new, least)
        case .included: included = max(included, least)
        case .excluded: excluded = max(excluded, least)
        }
    }

    /// - Parameter rows: A state, whether the chats are held out, and their number, for each.
    fileprivate init(_ rows: [Row]) throws(StoreError) {
        self.init()
        for row in rows {
            let count: Int = try row["chats"]
            switch try row["state"] as TrainingChat.State {
            case .new: new += count
            case .included:
                included += count
                if try row["held_out"] { heldOut += count }
            case .excluded: excluded += count
            }
        }
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

    /// The index that has the column and what filters compare.
    fileprivate var index: String {
        switch self {
        case .newest, .oldest: TrainingChatList.byTime
        case .longest, .shortest: TrainingChatList.byLength
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
