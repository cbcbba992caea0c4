extension Schema {
    /// The search index of PostgreSQL, and triggers.
    static let postgresTriggers = #"""
    -- The owner of a message, for the index.
    CREATE FUNCTION set_message_owner() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        SELECT conversations.owner_id INTO NEW.owner_id FROM conversations WHERE conversations.id = NEW.conversation_id;
        RETURN NEW;
    END $$;

    CREATE TRIGGER messages_owner BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION set_message_owner();

    -- Indexes on the trigrams of messages and their owner, of copied messages and of titles. They need two extensions that are part
    -- of PostgreSQL's distribution and that the owner of a database can create. Without them there is no index, and a search reads
    -- the texts one by one.
    DO $$
    DECLARE
        extensions TEXT;
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
        EXECUTE format(
            'CREATE INDEX training_messages_search ON training_messages USING gin (lower(content) %I.gin_trgm_ops)', extensions);
        EXECUTE format('CREATE INDEX training_chats_search ON training_chats USING gin (lower(title) %I.gin_trgm_ops)', extensions);
    END $$;

    CREATE FUNCTION add_user_counts() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO user_counts (user_id) VALUES (NEW.id);
        RETURN NULL;
    END $$;

    CREATE TRIGGER users_counted AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION add_user_counts();

    -- One change of `user_counts` for each statement and user: PostgreSQL needs quadratic time to change one row many times in a
    -- transaction, as a row trigger would when a user is deleted.
    \#(countTriggers("conversations", columns: ["conversations", "messages"]) { rows, sign in
        "SELECT owner_id AS user_id, \(sign)1 AS conversations, \(sign)message_count AS messages FROM \(rows) WHERE deleted_at IS NULL"
    })

    -- Token counts are limited, so that the sums do not overflow: another program may have reported any number.
    \#(countTriggers("generations", columns: ["generations", "prompt_tokens", "answer_tokens"]) { rows, sign in """
        SELECT user_id, \(sign)1 AS generations, \(sign)greatest(0, least(prompt_tokens, 1000000000)) AS prompt_tokens,
            \(sign)greatest(0, least(answer_tokens, 1000000000)) AS answer_tokens
        FROM \(rows) WHERE user_id IS NOT NULL
        """ })

    -- What changes a row of `training_chats`.
    CREATE FUNCTION note_training_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_TABLE_NAME = 'messages' AND TG_OP = 'DELETE' THEN
            IF OLD.training_notice IS NOT NULL THEN
                INSERT INTO training_chat_changes (chat_id) SELECT id FROM conversations WHERE id = OLD.conversation_id;
            END IF;
        ELSIF TG_TABLE_NAME = 'messages' THEN
            IF NEW.training_notice IS NOT NULL OR EXISTS (SELECT 1 FROM training_chats WHERE id = NEW.conversation_id) THEN
                INSERT INTO training_chat_changes (chat_id) VALUES (NEW.conversation_id);
            END IF;
        ELSIF TG_TABLE_NAME = 'conversations' THEN
            INSERT INTO training_chat_changes (chat_id) VALUES (NEW.id);
        ELSIF TG_TABLE_NAME = 'users' THEN
            INSERT INTO training_chat_changes (chat_id) SELECT id FROM conversations WHERE owner_id = NEW.id
                UNION SELECT id FROM training_chats WHERE user_id = NEW.id;
        ELSIF TG_TABLE_NAME = 'collected_chats' THEN
            IF NEW.conversation_id IS NULL THEN
                INSERT INTO training_chat_changes (chat_id) VALUES (NEW.id);
            END IF;
        ELSIF TG_TABLE_NAME = 'preferences' THEN
            INSERT INTO training_chat_changes (chat_id) SELECT conversation_id FROM messages
            WHERE id = CASE TG_OP WHEN 'DELETE' THEN OLD.question_id ELSE NEW.question_id END AND training_notice IS NOT NULL;
        ELSE
            INSERT INTO training_chat_changes (chat_id) SELECT conversation_id FROM messages
            WHERE id = CASE TG_OP WHEN 'DELETE' THEN OLD.message_id ELSE NEW.message_id END AND training_notice IS NOT NULL;
        END IF;
        RETURN NULL;
    END $$;

    CREATE TRIGGER training_messages_changed AFTER INSERT OR DELETE OR UPDATE OF content, position ON messages
    FOR EACH ROW EXECUTE FUNCTION note_training_change();

    CREATE TRIGGER training_conversations_changed AFTER UPDATE OF title, system_prompt, model, training_excluded_at,
    deleted_at ON conversations
    FOR EACH ROW EXECUTE FUNCTION note_training_change();

    CREATE TRIGGER training_users_changed AFTER UPDATE OF training_excluded_at ON users
    FOR EACH ROW EXECUTE FUNCTION note_training_change();

    CREATE TRIGGER training_collected AFTER INSERT ON collected_chats
    FOR EACH ROW EXECUTE FUNCTION note_training_change();

    CREATE TRIGGER training_ratings_changed AFTER INSERT OR UPDATE OR DELETE ON ratings
    FOR EACH ROW EXECUTE FUNCTION note_training_change();

    CREATE TRIGGER training_corrections_changed AFTER INSERT OR UPDATE OR DELETE ON corrections
    FOR EACH ROW EXECUTE FUNCTION note_training_change();

    CREATE TRIGGER training_preferences_changed AFTER INSERT OR UPDATE OR DELETE ON preferences
    FOR EACH ROW EXECUTE FUNCTION note_training_change();

    """#

    /// A function and triggers that keep the sums of `user_counts`.
    ///
    /// - Parameter counts: a query of what each row adds, or with the sign `-`, subtracts.
    private static func countTriggers(
        _ table: String, columns: [String], _ counts: (_ rows: String, _ sign: String) -> String
    ) -> String {
        func update(_ rows: String) -> String {
            part("""
            UPDATE user_counts SET \(columns.map { "\($0) = user_counts.\($0) + changes.\($0)" }.joined(separator: ", "))
            FROM (
                SELECT user_id, \(columns.map { "sum(\($0)) AS \($0)" }.joined(separator: ", ")) FROM (\(rows)) AS changed
                GROUP BY user_id HAVING \(columns.map { "sum(\($0)) <> 0" }.joined(separator: " OR "))
            ) AS changes WHERE user_counts.user_id = changes.user_id;
            """)
        }
        let (new, old) = (counts("new_rows", ""), counts("old_rows", "-"))
        return """
            CREATE FUNCTION count_\(table)() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP = 'INSERT' THEN
                    \(update(new))
                ELSIF TG_OP = 'DELETE' THEN
                    \(update(old))
                ELSE
                    \(update(new + " UNION ALL " + old))
                END IF;
                RETURN NULL;
            END $$;

            CREATE TRIGGER \(table)_count_insert AFTER INSERT ON \(table) REFERENCING NEW TABLE AS new_rows
            FOR EACH STATEMENT EXECUTE FUNCTION count_\(table)();

            CREATE TRIGGER \(table)_count_delete AFTER DELETE ON \(table) REFERENCING OLD TABLE AS old_rows
            FOR EACH STATEMENT EXECUTE FUNCTION count_\(table)();

            CREATE TRIGGER \(table)_count_update AFTER UPDATE ON \(table) REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
            FOR EACH STATEMENT EXECUTE FUNCTION count_\(table)();
            """
    }
}
