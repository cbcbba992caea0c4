extension Migration {
    static let trainingListsVersion = 16

    /// Version 16: lists of many chats: indexes that have what filters compare, the state of a chat beside each of its tags, and copied
    /// chats and titles in the full-text index. All changes are additive.
    @Sendable static func trainingLists(_ d: Dialect) -> [String] {
        let count = "\(d.integer) NOT NULL DEFAULT 0"
        let compared = "source, turns, good, bad, corrections, owner_corrections, personal, model, person"
        return [
            // For counts. Without columns that differ in each row, it is small: PostgreSQL stores equal keys once. Servers of version 15
            // name this index in their statements.
            "DROP INDEX training_chats_filtered",
            """
            CREATE INDEX training_chats_filtered ON training_chats (state, held_out, \(compared), usable) WHERE usable = 1
            """,
            // For pages: chats that do not match are skipped without reading their rows.
            "DROP INDEX training_chats_by_time",
            "DROP INDEX training_chats_by_state",
            "DROP INDEX training_chats_by_length",
            """
            CREATE INDEX training_chats_by_time ON training_chats (updated_at, id, state, held_out, \(compared), usable) WHERE usable = 1
            """,
            """
            CREATE INDEX training_chats_by_length ON training_chats (
                characters, id, state, held_out, \(compared), updated_at, usable
            ) WHERE usable = 1
            """,
            "DROP INDEX training_chats_of_imports",
            """
            CREATE INDEX training_chats_of_imports ON training_chats (import_id, created_at, state) WHERE import_id IS NOT NULL
            """,
            // Each group of several chats has one that is not NULL here: a group is named for the chat that it began with. PostgreSQL
            // has statistics of an expression, and none of a condition.
            "CREATE INDEX training_chats_grouped ON training_chats ((\(laterInGroup("")))) WHERE usable = 1",
            "ALTER TABLE training_chat_tags ADD COLUMN state \(d.binaryText) NOT NULL DEFAULT ''",
            "ALTER TABLE training_chat_tags ADD COLUMN held_out \(count)",
            "ALTER TABLE training_chat_tags ADD COLUMN usable \(count)",
            """
            UPDATE training_chat_tags SET state = c.state, held_out = c.held_out, usable = c.usable
            FROM training_chats AS c WHERE c.id = chat_id
            """,
            "CREATE INDEX training_chat_tags_counted ON training_chat_tags (tag, usable, state, held_out)",
        ] + (d == .sqlite ? sqliteTagTriggers + sqliteTrainingSearch : postgresTagTriggers + postgresTrainingSearch)
    }

    /// The group of a chat that is not the one that the group began with; NULL for others.
    ///
    /// - Parameter row: The name of the row with a dot, or nothing.
    static func laterInGroup(_ row: String) -> String { "CASE WHEN \(row)group_id <> \(row)id THEN \(row)group_id END" }

    private static let sqliteTagTriggers = [
        """
        CREATE TRIGGER training_chat_tags_inserted AFTER INSERT ON training_chat_tags BEGIN
            UPDATE training_chat_tags SET state = c.state, held_out = c.held_out, usable = c.usable
            FROM training_chats AS c WHERE c.id = NEW.chat_id AND chat_id = NEW.chat_id AND tag = NEW.tag;
        END
        """,
        """
        CREATE TRIGGER training_chat_tags_changed AFTER UPDATE OF state, held_out, usable ON training_chats
        WHEN OLD.state <> NEW.state OR OLD.held_out <> NEW.held_out OR OLD.usable <> NEW.usable BEGIN
            UPDATE training_chat_tags SET state = NEW.state, held_out = NEW.held_out, usable = NEW.usable WHERE chat_id = NEW.id;
        END
        """,
    ]

    static let postgresTagFunctions = ["set_training_tag_state", "update_training_tag_state"]

    private static let postgresTagTriggers = [
        // FOR SHARE waits for a transaction that changes the state of the chat, so that the tag does not get the state before.
        """
        CREATE FUNCTION set_training_tag_state() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            SELECT c.state, c.held_out, c.usable INTO NEW.state, NEW.held_out, NEW.usable
            FROM training_chats AS c WHERE c.id = NEW.chat_id FOR SHARE;
            RETURN NEW;
        END $$
        """,
        """
        CREATE TRIGGER training_chat_tags_inserted BEFORE INSERT ON training_chat_tags
        FOR EACH ROW EXECUTE FUNCTION set_training_tag_state()
        """,
        """
        CREATE FUNCTION update_training_tag_state() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE training_chat_tags SET state = NEW.state, held_out = NEW.held_out, usable = NEW.usable WHERE chat_id = NEW.id;
            RETURN NULL;
        END $$
        """,
        """
        CREATE TRIGGER training_chat_tags_changed AFTER UPDATE OF state, held_out, usable ON training_chats
        FOR EACH ROW WHEN (OLD.state <> NEW.state OR OLD.held_out <> NEW.held_out OR OLD.usable <> NEW.usable)
        EXECUTE FUNCTION update_training_tag_state()
        """,
    ]

    /// The search ids of titles begin here, and those of the messages of the first owner (`search_owners`) after them. Below are those of
    /// copied messages.
    static let titleSearchIDs = 1 << 31, messageSearchIDs = 1 << 32

    /// The texts of copied chats and the titles of all in `message_search`, as in version 4. Their changes have a list of their own:
    /// servers of version 15 would delete them from `search_changes`.
    private static var sqliteTrainingSearch: [String] {
        func triggers(_ table: String, _ text: String, after first: Int) -> [String] {
            [
                """
                CREATE TRIGGER \(table)_search_inserted AFTER INSERT ON \(table) BEGIN
                    UPDATE \(table) SET search_id = 1 + coalesce((SELECT max(search_id) FROM \(table)), \(first)) WHERE id = NEW.id;
                    INSERT INTO training_search_changes (search_id, is_new) SELECT search_id, 1 FROM \(table) WHERE id = NEW.id;
                END
                """,
                """
                CREATE TRIGGER \(table)_search_deleted AFTER DELETE ON \(table) WHEN OLD.search_id IS NOT NULL BEGIN
                    INSERT INTO training_search_changes (search_id, is_new, content) SELECT OLD.search_id, 0, OLD.\(text)
                    WHERE NOT EXISTS (SELECT 1 FROM training_search_changes WHERE search_id = OLD.search_id AND is_new = 1);
                    DELETE FROM training_search_changes WHERE search_id = OLD.search_id AND is_new = 1;
                END
                """,
                """
                CREATE TRIGGER \(table)_search_changed AFTER UPDATE OF \(text) ON \(table) WHEN OLD.\(text) <> NEW.\(text)
                AND NOT EXISTS (SELECT 1 FROM training_search_changes WHERE search_id = OLD.search_id AND is_new = 1) BEGIN
                    INSERT INTO training_search_changes (search_id, is_new, content)
                    VALUES (OLD.search_id, 0, OLD.\(text)), (OLD.search_id, 1, NULL);
                END
                """,
            ]
        }
        return [
            """
            CREATE TABLE training_search_changes (
                search_id INTEGER NOT NULL, is_new INTEGER NOT NULL, content TEXT, PRIMARY KEY (search_id, is_new)
            ) WITHOUT ROWID, STRICT
            """,
            "ALTER TABLE training_messages ADD COLUMN search_id INTEGER",
            "ALTER TABLE training_chats ADD COLUMN search_id INTEGER",
            "UPDATE training_messages SET search_id = rowid",
            "UPDATE training_chats SET search_id = \(titleSearchIDs) + rowid",
            "CREATE INDEX training_messages_by_search_id ON training_messages (search_id, chat_id)",
            "CREATE INDEX training_chats_by_search_id ON training_chats (search_id)",
            "INSERT INTO message_search (rowid, content) SELECT search_id, content FROM training_messages",
            "INSERT INTO message_search (rowid, content) SELECT search_id, title FROM training_chats",
        ] + triggers("training_messages", "content", after: 0) + triggers("training_chats", "title", after: titleSearchIDs)
    }

    /// Indexes on the trigrams of copied messages and titles, if the database has the extension of `messages_search`.
    private static let postgresTrainingSearch = ["""
        DO $$
        DECLARE extensions TEXT;
        BEGIN
            SELECT nspname INTO extensions FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
            WHERE extname = 'pg_trgm';
            IF extensions IS NULL THEN
                RETURN;
            END IF;
            EXECUTE format(
                'CREATE INDEX training_messages_search ON training_messages USING gin (lower(content) %I.gin_trgm_ops)', extensions);
            EXECUTE format('CREATE INDEX training_chats_search ON training_chats USING gin (lower(title) %I.gin_trgm_ops)', extensions);
        END $$
        """]
}
