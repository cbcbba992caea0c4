/// What a new database gets: tables with their indexes, and the search index and triggers of its kind.
enum Schema {
    static func statements(_ dialect: Dialect) -> [String] {
        split(tables(dialect)) + split(dialect == .sqlite ? sqliteTriggers : postgresTriggers)
    }

    /// The functions that triggers call, which are not dropped with the tables.
    static let postgresFunctions = [
        "set_message_owner", "add_user_counts", "count_conversations", "count_generations", "note_training_change",
    ]

    /// The tables with triggers that count their rows.
    static let countedTables = ["conversations", "generations"]

    /// A statement ends with a semicolon in a line that is not indented.
    static func split(_ script: String) -> [String] {
        var statements: [String] = [], lines: [Substring] = []
        for line in script.split(separator: "\n") {
            lines.append(line)
            guard line.last == ";", line.first != " " else { continue }
            statements.append(lines.joined(separator: "\n"))
            lines = []
        }
        return statements
    }

    /// Lines in the middle of a statement, for `split`.
    static func part(_ sql: String) -> String { sql.replacing("\n", with: "\n    ") }
}

/// Expressions that statements and indexes share.
extension Schema {
    /// The sort key of titles.
    static let titleKey = "substr(lower(title), 1, 200)"
    /// The sort key of the time of the last message.
    static let updateKey = "updated_at + 0"

    /// The group of a chat that is not the one that the group began with; NULL for others.
    ///
    /// - Parameter row: The name of the row with a dot, or nothing.
    static func laterInGroup(_ row: String) -> String { "CASE WHEN \(row)group_id <> \(row)id THEN \(row)group_id END" }

    /// The search ids of titles begin here, and those of the messages of the first owner (`search_owners`) after them. Below are those of
    /// copied messages.
    static let titleSearchIDs = 1 << 31, messageSearchIDs = 1 << 32
}
