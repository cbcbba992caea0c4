extension Migration {
    /// A full-text index of the messages, the number of characters of a conversation, and an index for deleting old token counts.
    @Sendable static func searchIndex(_ d: Dialect) -> [String] {
        [
            "ALTER TABLE conversations ADD COLUMN characters \(d.integer) NOT NULL DEFAULT 0",
            """
            UPDATE conversations SET characters = (
                SELECT coalesce(sum(length(content)), 0) FROM messages
                WHERE messages.conversation_id = conversations.id AND messages.position >= 0)
            """,
            "CREATE INDEX generations_by_time ON generations (created_at)",
        ] + (d == .sqlite ? sqliteSearchIndex : postgresSearchIndex)
    }

    /// `message_search` lists the messages that contain a trigram. The search ids of an owner are consecutive, so that a search reads only
    /// the owner's part of each list.
    ///
    /// Triggers cannot change the index, because SQLite rejects virtual tables in triggers of an untrusted schema. They list the changes in
    /// `search_changes`, also those of cascades and of other programs, and `Store.updateSearchIndex` carries them out.
    private static var sqliteSearchIndex: [String] {
        [
            """
            CREATE TABLE search_owners (
                number INTEGER PRIMARY KEY AUTOINCREMENT, owner_id TEXT NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE
            ) STRICT
            """,
            // `content` is the text of a deleted message, and NULL for a new one. A search id can have both, if it is used again.
            """
            CREATE TABLE search_changes (
                search_id INTEGER NOT NULL, is_new INTEGER NOT NULL, content TEXT, PRIMARY KEY (search_id, is_new)
            ) WITHOUT ROWID, STRICT
            """,
            "ALTER TABLE messages ADD COLUMN search_id INTEGER",
            "CREATE INDEX messages_by_search_id ON messages (search_id, conversation_id)",
            "CREATE VIRTUAL TABLE message_search USING fts5(content, content='', detail=none, columnsize=0, tokenize='trigram')",
            "INSERT INTO search_owners (owner_id) SELECT DISTINCT owner_id FROM conversations",
            """
            UPDATE messages SET search_id = numbered.search_id FROM (
                SELECT messages.id, (number << 32) + row_number() OVER (PARTITION BY number ORDER BY messages.rowid) AS search_id
                FROM messages JOIN conversations ON conversations.id = conversation_id
                JOIN search_owners ON search_owners.owner_id = conversations.owner_id
            ) AS numbered WHERE numbered.id = messages.id
            """,
            "INSERT INTO message_search (rowid, content) SELECT search_id, content FROM messages",
            """
            CREATE TRIGGER messages_inserted AFTER INSERT ON messages BEGIN
                INSERT INTO search_owners (owner_id) SELECT owner_id FROM conversations
                WHERE id = NEW.conversation_id
                AND NOT EXISTS (SELECT 1 FROM search_owners AS known WHERE known.owner_id = conversations.owner_id);
                UPDATE messages SET search_id = (
                    SELECT 1 + coalesce(
                        (SELECT max(search_id) FROM messages WHERE search_id >= number << 32 AND search_id < (number + 1) << 32),
                        number << 32)
                    FROM search_owners JOIN conversations ON conversations.owner_id = search_owners.owner_id
                    WHERE conversations.id = NEW.conversation_id)
                WHERE id = NEW.id;
                INSERT INTO search_changes (search_id, is_new) SELECT search_id, 1 FROM messages WHERE id = NEW.id;
            END
            """,
            // A message that is not in the index yet is only removed from the list of changes.
            """
            CREATE TRIGGER messages_deleted AFTER DELETE ON messages WHEN OLD.search_id IS NOT NULL BEGIN
                INSERT INTO search_changes (search_id, is_new, content) SELECT OLD.search_id, 0, OLD.content
                WHERE NOT EXISTS (SELECT 1 FROM search_changes WHERE search_id = OLD.search_id AND is_new = 1);
                DELETE FROM search_changes WHERE search_id = OLD.search_id AND is_new = 1;
            END
            """,
            """
            CREATE TRIGGER messages_changed AFTER UPDATE OF content ON messages
            WHEN NOT EXISTS (SELECT 1 FROM search_changes WHERE search_id = OLD.search_id AND is_new = 1) BEGIN
                INSERT INTO search_changes (search_id, is_new, content) VALUES (OLD.search_id, 0, OLD.content), (OLD.search_id, 1, NULL);
            END
            """,
        ]
    }

    /// An index on the trigrams of messages and their owner. It needs two extensions that are part of PostgreSQL's distribution and that
    /// the owner of a database can create. Without them there is no index, and a search reads the conversations one by one.
    private static var postgresSearchIndex: [String] {
        [
            #"ALTER TABLE messages ADD COLUMN owner_id TEXT COLLATE "C""#,
            "UPDATE messages SET owner_id = conversations.owner_id FROM conversations WHERE conversations.id = conversation_id",
            """
            CREATE FUNCTION set_message_owner() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                SELECT conversations.owner_id INTO NEW.owner_id FROM conversations WHERE conversations.id = NEW.conversation_id;
                RETURN NEW;
            END $$
            """,
            "CREATE TRIGGER messages_owner BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION set_message_owner()",
            """
            DO $$
            DECLARE extensions TEXT;
            BEGIN
                BEGIN
                    CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
                    CREATE EXTENSION IF NOT EXISTS btree_gin WITH SCHEMA public;
                EXCEPTION WHEN OTHERS THEN
                    RETURN;
                END;
                SELECT nspname INTO extensions FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
                WHERE extname = 'pg_trgm';
                EXECUTE format('CREATE INDEX messages_search ON messages USING gin (owner_id, lower(content) %I.gin_trgm_ops)', extensions);
            END $$
            """,
        ]
    }
}
