extension Migration {
    static let userCountsVersion = 9

    /// Version 9: counts of each user's conversations, messages and answers, and indexes, so that the lists and totals of the admin API
    /// need not read all conversations. Triggers keep the counts, so that servers of earlier versions keep them, too.
    @Sendable static func userCounts(_ d: Dialect) -> [String] {
        let count = "\(d.integer) NOT NULL DEFAULT 0"
        return ["""
        CREATE TABLE user_counts (
            user_id \(d.binaryText) PRIMARY KEY NOT NULL REFERENCES users (id) ON DELETE CASCADE, conversations \(count),
            messages \(count), generations \(count), prompt_tokens \(count), answer_tokens \(count)
        ) \(d.tableOptions)
        """] + (d == .sqlite ? sqliteCountTriggers : postgresCountTriggers) + [
            countUsers(d),
            "CREATE INDEX users_by_activity ON users (last_active_at, id)",
            "CREATE INDEX users_by_creation ON users (created_at, id)",
            "CREATE INDEX conversations_by_update ON conversations ((\(updateKey)), id) WHERE deleted_at IS NULL",
            "CREATE INDEX conversations_by_creation ON conversations (created_at, id) WHERE deleted_at IS NULL",
            "CREATE INDEX conversations_by_messages ON conversations (message_count, id) WHERE deleted_at IS NULL",
            "CREATE INDEX conversations_by_title ON conversations (\(titleKey), id) WHERE deleted_at IS NULL",
            // When the user was last warned that the account will be deleted because it is not used.
            "ALTER TABLE users ADD COLUMN unused_warning_at \(d.integer)",
            "CREATE INDEX api_keys_revoked ON api_keys (revoked_at) WHERE revoked_at IS NOT NULL",
        ]
    }

    /// The sort key of titles. PostgreSQL limits the size of an index entry.
    static let titleKey = "substr(lower(title), 1, 200)"

    /// The sort key of the time of the last message. It is an expression, because PostgreSQL would use an index on the column for the list
    /// of one user, too, and skip the conversations of all others.
    static let updateKey = "updated_at + 0"

    /// Fills `user_counts` from the rows that it counts.
    static func countUsers(_ d: Dialect) -> String { """
        INSERT INTO user_counts (user_id, conversations, messages, generations, prompt_tokens, answer_tokens)
        SELECT id, coalesce(conversations, 0), coalesce(messages, 0), coalesce(generations, 0), coalesce(prompts, 0), coalesce(answers, 0)
        FROM users LEFT JOIN (
            SELECT owner_id, count(*) AS conversations, sum(message_count) AS messages
            FROM conversations WHERE deleted_at IS NULL GROUP BY owner_id
        ) AS chats ON chats.owner_id = users.id LEFT JOIN (
            SELECT user_id, count(*) AS generations, sum(\(d.bounded("prompt_tokens"))) AS prompts,
                sum(\(d.bounded("answer_tokens"))) AS answers
            FROM generations WHERE user_id IS NOT NULL GROUP BY user_id
        ) AS work ON work.user_id = users.id
        """
    }

    private static var sqliteCountTriggers: [String] {
        func conversation(_ row: String, _ sign: String) -> String {
            """
            UPDATE user_counts SET conversations = conversations \(sign) 1, messages = messages \(sign) \(row).message_count
            WHERE user_id = \(row).owner_id AND \(row).deleted_at IS NULL;
            """
        }
        func generation(_ row: String, _ sign: String) -> String {
            """
            UPDATE user_counts SET generations = generations \(sign) 1,
                prompt_tokens = prompt_tokens \(sign) \(Dialect.sqlite.bounded(row + ".prompt_tokens")),
                answer_tokens = answer_tokens \(sign) \(Dialect.sqlite.bounded(row + ".answer_tokens"))
            WHERE user_id = \(row).user_id;
            """
        }
        func triggers(_ table: String, _ columns: String, _ change: (String, String) -> String) -> [String] {
            [
                "CREATE TRIGGER \(table)_count_inserted AFTER INSERT ON \(table) BEGIN \(change("NEW", "+")) END",
                "CREATE TRIGGER \(table)_count_deleted AFTER DELETE ON \(table) BEGIN \(change("OLD", "-")) END",
                """
                CREATE TRIGGER \(table)_count_changed AFTER UPDATE OF \(columns) ON \(table)
                BEGIN \(change("OLD", "-")) \(change("NEW", "+")) END
                """,
            ]
        }
        return ["CREATE TRIGGER users_count AFTER INSERT ON users BEGIN INSERT INTO user_counts (user_id) VALUES (NEW.id); END"]
            + triggers("conversations", "owner_id, message_count, deleted_at", conversation)
            + triggers("generations", "user_id, prompt_tokens, answer_tokens", generation)
    }

    /// Functions that triggers call, and that are dropped with the tables.
    static let postgresFunctions = [
        "set_message_owner", "add_user_counts", "count_conversations", "count_generations", postgresTrainingFunction,
    ] + postgresTagFunctions

    /// The tables with triggers that count their rows.
    static let countedTables = ["conversations", "generations"]

    /// One change of `user_counts` for each statement and user: PostgreSQL needs quadratic time to change one row many times in a
    /// transaction, as a row trigger would when a user is deleted.
    private static var postgresCountTriggers: [String] {
        func function(_ name: String, _ columns: [(name: String, sum: String)], of user: String, where condition: String) -> String {
            func rows(_ table: String, _ sign: String) -> String {
                let values = columns.map { "\(sign)\($0.sum) AS \($0.name)" }.joined(separator: ", ")
                return "SELECT \(user) AS user_id, \(values) FROM \(table) WHERE \(condition)"
            }
            func update(_ rows: String) -> String {
                """
                UPDATE user_counts SET \(columns.map { "\($0.name) = user_counts.\($0.name) + changes.\($0.name)" }.joined(separator: ", "))
                FROM (
                    SELECT user_id, \(columns.map { "sum(\($0.name)) AS \($0.name)" }.joined(separator: ", ")) FROM (\(rows)) AS changed
                    GROUP BY user_id HAVING \(columns.map { "sum(\($0.name)) <> 0" }.joined(separator: " OR "))
                ) AS changes WHERE user_counts.user_id = changes.user_id
                """
            }
            return """
                CREATE FUNCTION \(name)() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    IF TG_OP = 'INSERT' THEN
                        \(update(rows("new_rows", "")));
                    ELSIF TG_OP = 'DELETE' THEN
                        \(update(rows("old_rows", "-")));
                    ELSE
                        \(update(rows("new_rows", "") + " UNION ALL " + rows("old_rows", "-")));
                    END IF;
                    RETURN NULL;
                END $$
                """
        }
        func triggers(_ table: String) -> [String] {
            [("INSERT", "NEW TABLE AS new_rows"), ("DELETE", "OLD TABLE AS old_rows"),
             ("UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows")].map { event, rows in
                """
                CREATE TRIGGER \(table)_count_\(event.lowercased()) AFTER \(event) ON \(table) REFERENCING \(rows)
                FOR EACH STATEMENT EXECUTE FUNCTION count_\(table)()
                """
            }
        }
        return [
            """
            CREATE FUNCTION add_user_counts() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                INSERT INTO user_counts (user_id) VALUES (NEW.id);
                RETURN NULL;
            END $$
            """,
            "CREATE TRIGGER users_count AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION add_user_counts()",
            function(
                "count_conversations", [("conversations", "1"), ("messages", "message_count")], of: "owner_id",
                where: "deleted_at IS NULL"),
            function(
                "count_generations",
                [("generations", "1")] + ["prompt_tokens", "answer_tokens"].map { ($0, Dialect.postgresql.bounded($0)) },
                of: "user_id", where: "user_id IS NOT NULL"),
        ] + countedTables.flatMap(triggers)
    }
}
