/// The tables of a backup. A test compares both lists with the tables of a new database.
package enum BackupTables {
    /// The tables that a backup has, each after those it refers to.
    package static let all = [
        "users", "settings", "sessions", "conversations", "messages", "generations", "api_keys", "one_time_codes", "audit_log",
        "unfinished_answers", "responses", "collected_chats", "ratings", "corrections", "preferences",
        "training_chats", "training_chat_tags", "training_messages", "owner_corrections", "training_chat_sketches", "training_chat_bands",
        "training_runs", "training_run_output", "training_schedule",
        "models", "command_line_models", "comparisons", "gate_questions",
        "uploads", "upload_parts", "libraries", "library_readers", "library_files",
    ]

    /// Tables that a backup does not have: the search index and the counts of users, which are made from other rows, the changes of chats,
    /// which triggers list again, the versions of the schema, and what belongs to running servers. Each comes after those that refer to it.
    package static let omitted = [
        "message_search", "search_changes", "search_owners", "user_counts", "training_chat_changes",
        "rate_limits", "answer_leases", "servers", "slm_additions", "slm_schema",
    ]

    /// Columns that triggers set.
    private static let derivedColumns = [
        "messages": ["search_id", "owner_id"], "training_chats": ["search_id"], "training_messages": ["search_id"],
    ]

    /// Rows that a backup does not have: the state of the search index.
    private static let condition = ["settings": "name <> 'search_index_deletions'"]

    /// The tables that exist: a backup may be of a schema version before the latest.
    static func existing(on connection: any Connection) throws(StoreError) -> [String] {
        var found: [String] = []
        for table in all where try Migration.has(table, on: connection) { found.append(table) }
        return found
    }

    static func rowCount(of table: String, on connection: any Connection) throws(StoreError) -> Int {
        try connection.value("SELECT count(*) FROM \(source(table))") ?? 0
    }

    static func selection(of columns: [Column], from table: String) -> String {
        "SELECT \(columns.map(\.name).joined(separator: ", ")) FROM \(source(table))"
    }

    private static func source(_ table: String) -> String { table + (condition[table].map { " WHERE \($0)" } ?? "") }

    struct Column: Equatable {
        enum Kind { case text, integer, real }

        let name: String
        let kind: Kind
        /// Whether PostgreSQL sets it to increasing numbers.
        let isIdentity: Bool
    }

    /// The columns of a table that a backup has.
    static func columns(of table: String, on connection: any Connection) throws(StoreError) -> [Column] {
        let sql = switch connection.dialect {
        case .sqlite: "SELECT name AS column_name, type AS data_type, 'NO' AS is_identity FROM pragma_table_info($1) ORDER BY cid"
        case .postgresql: """
            SELECT column_name, data_type, is_identity FROM information_schema.columns
            WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position
            """
        }
        let derived = derivedColumns[table] ?? []
        return try connection.execute(sql, table).map { row throws(StoreError) in
            let kind: Column.Kind = switch try row["data_type"] as String {
            case "INTEGER", "bigint": .integer
            case "REAL", "double precision": .real
            default: .text
            }
            return try Column(name: row["column_name"], kind: kind, isIdentity: row["is_identity"] == "YES")
        }.filter { !derived.contains($0.name) }
    }

    /// What the tables have, apart from settings and models, which a server writes at its start: "3 rows in users, 12 in messages"; nil if
    /// they are empty.
    static func contents(on connection: any Connection) throws(StoreError) -> String? {
        var found: [String] = []
        let written = ["settings", "models", "command_line_models"]
        for table in try existing(on: connection) where !written.contains(table) {
            let rows = try rowCount(of: table, on: connection)
            if rows > 0 { found.append("\(rows) \(found.isEmpty ? rows == 1 ? "row " : "rows " : "")in \(table)") }
        }
        return found.isEmpty ? nil : found.joined(separator: ", ")
    }

    /// Deletes all tables of slm, also those of the search index.
    static func drop(on connection: any Connection) throws(StoreError) {
        // Tables that refer to others are dropped before them, so that no foreign key has to be followed.
        for table in omitted + all.reversed() where try Migration.has(table, on: connection) {
            try connection.execute("DROP TABLE \(table)")
        }
        guard connection.dialect == .postgresql else { return }
        for function in Schema.postgresFunctions { try connection.execute("DROP FUNCTION IF EXISTS \(function)()") }
    }
}
