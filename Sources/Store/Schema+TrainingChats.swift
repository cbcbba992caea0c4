extension Migration {
    /// Version 13: chats that an owner reviews for training, their tags, and the owner's corrections. All changes are additive.
    ///
    /// `training_chats` has a row for each chat: of an account (the id is that of the conversation), of guests (the texts are copied from
    /// `collected_chats`) and imported ones. Its columns are made from other tables: triggers list what has changed in
    /// `training_chat_changes`, also for statements of older servers, and `Store.refreshTrainingChats` makes the rows again.
    @Sendable static func trainingChats(_ d: Dialect) -> [String] {
        let binary = d.binaryText
        let count = "\(d.integer) NOT NULL DEFAULT 0"
        return [
            """
            CREATE TABLE training_chats (
                id \(binary) PRIMARY KEY NOT NULL, source \(binary) NOT NULL CHECK (source IN ('account', 'guest', 'import')),
                conversation_id \(binary) REFERENCES conversations (id) ON DELETE CASCADE,
                user_id \(binary) REFERENCES users (id) ON DELETE CASCADE,
                state \(binary) NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'included', 'excluded')),
                title TEXT NOT NULL, system_prompt TEXT, person \(binary), model \(binary),
                created_at \(d.integer) NOT NULL, updated_at \(d.integer) NOT NULL, turns \(count), characters \(count),
                good \(count), bad \(count), corrections \(count), owner_corrections \(count), preferences \(count), personal \(count),
                group_id \(binary) NOT NULL, held_out \(count), is_split \(count), usable \(count), digest \(binary) NOT NULL,
                tail \(binary), reviewed_at \(d.integer), reviewed_by TEXT
            ) \(d.tableOptions)
            """,
            "CREATE INDEX training_chats_of_conversations ON training_chats (conversation_id)",
            "CREATE INDEX training_chats_of_users ON training_chats (user_id)",
            "CREATE INDEX training_chats_by_time ON training_chats (updated_at, id) WHERE usable = 1",
            "CREATE INDEX training_chats_by_state ON training_chats (state, updated_at, id) WHERE usable = 1",
            "CREATE INDEX training_chats_by_length ON training_chats (characters, id) WHERE usable = 1",
            // Has all columns that filters compare, so that counting the chats of a filter reads only this index.
            """
            CREATE INDEX training_chats_filtered ON training_chats (
                state, held_out, updated_at, characters, turns, good, bad, corrections, owner_corrections, personal, source, model, person,
                group_id, id
            ) WHERE usable = 1
            """,
            "CREATE INDEX training_chats_in_groups ON training_chats (group_id, usable, created_at, id)",
            "CREATE INDEX training_chats_by_digest ON training_chats (digest)",
            "CREATE INDEX training_chats_by_tail ON training_chats (tail) WHERE tail IS NOT NULL",
            """
            CREATE TABLE training_chat_tags (
                chat_id \(binary) NOT NULL REFERENCES training_chats (id) ON DELETE CASCADE, tag \(binary) NOT NULL,
                PRIMARY KEY (chat_id, tag)
            ) \(d.tableOptions)
            """,
            "CREATE INDEX training_chat_tags_by_tag ON training_chat_tags (tag, chat_id)",
            // The messages of guests' and imported chats; those of accounts are in `messages`. `position` is NULL off the active path.
            """
            CREATE TABLE training_messages (
                id \(binary) PRIMARY KEY NOT NULL, chat_id \(binary) NOT NULL REFERENCES training_chats (id) ON DELETE CASCADE,
                position \(d.integer), previous_id \(binary), ordinal \(d.integer) NOT NULL, role \(binary) NOT NULL,
                content TEXT NOT NULL, rating \(binary), is_chosen \(count), is_context \(count), created_at \(d.integer) NOT NULL
            ) \(d.tableOptions)
            """,
            "CREATE INDEX training_messages_of_chats ON training_messages (chat_id, ordinal)",
            // `message_id` is the id of a row of `messages` or `training_messages`.
            """
            CREATE TABLE owner_corrections (
                message_id \(binary) PRIMARY KEY NOT NULL, chat_id \(binary) NOT NULL REFERENCES training_chats (id) ON DELETE CASCADE,
                content TEXT NOT NULL, corrected_at \(d.integer) NOT NULL, corrected_by TEXT NOT NULL
            ) \(d.tableOptions)
            """,
            "CREATE INDEX owner_corrections_of_chats ON owner_corrections (chat_id)",
            // For near-duplicates: the smallest hashes of a chat's text, and hashes that chats with similar texts share.
            """
            CREATE TABLE training_chat_sketches (
                chat_id \(binary) PRIMARY KEY NOT NULL REFERENCES training_chats (id) ON DELETE CASCADE, sketch \(binary) NOT NULL
            ) \(d.tableOptions)
            """,
            """
            CREATE TABLE training_chat_bands (
                hash \(d.integer) NOT NULL, chat_id \(binary) NOT NULL REFERENCES training_chats (id) ON DELETE CASCADE,
                PRIMARY KEY (hash, chat_id)
            ) \(d.tableOptions)
            """,
            "CREATE INDEX training_chat_bands_of_chats ON training_chat_bands (chat_id)",
            // A conversation, or a collected chat, whose row has to be made again. Rows are only added and deleted, so that writers of
            // chats never wait for each other.
            "CREATE TABLE training_chat_changes (number \(d.increasingKey), chat_id \(binary) NOT NULL) \(d.tableOptions)",
        ] + (d == .sqlite ? sqliteTrainingTriggers : postgresTrainingTriggers) + [
            """
            INSERT INTO training_chat_changes (chat_id)
            SELECT DISTINCT conversation_id FROM messages WHERE training_notice IS NOT NULL
            """,
            "INSERT INTO training_chat_changes (chat_id) SELECT id FROM collected_chats WHERE conversation_id IS NULL ORDER BY number",
        ]
    }

    private static var sqliteTrainingTriggers: [String] {
        func trigger(_ name: String, _ event: String, when condition: String = "", _ rows: String) -> String {
            """
            CREATE TRIGGER training_\(name) AFTER \(event) \(condition.isEmpty ? "" : "WHEN \(condition) ")BEGIN
                INSERT INTO training_chat_changes (chat_id) \(rows); END
            """
        }
        func perMessage(_ table: String, _ column: String) -> [String] {
            func rows(_ row: String) -> String {
                "SELECT conversation_id FROM messages WHERE id = \(row).\(column) AND training_notice IS NOT NULL"
            }
            return [
                trigger("\(table)_inserted", "INSERT ON \(table)", rows("NEW")),
                trigger("\(table)_changed", "UPDATE ON \(table)", rows("NEW")),
                trigger("\(table)_deleted", "DELETE ON \(table)", rows("OLD")),
            ]
        }
        func isKnown(_ row: String) -> String {
            "\(row).training_notice IS NOT NULL OR EXISTS (SELECT 1 FROM training_chats WHERE id = \(row).conversation_id)"
        }
        return [
            trigger("messages_inserted", "INSERT ON messages", when: isKnown("NEW"), "VALUES (NEW.conversation_id)"),
            trigger(
                "messages_changed", "UPDATE OF content, position, replaced_at ON messages", when: isKnown("NEW"),
                "VALUES (NEW.conversation_id)"),
            trigger(
                "messages_deleted", "DELETE ON messages", when: "OLD.training_notice IS NOT NULL",
                "SELECT id FROM conversations WHERE id = OLD.conversation_id"),
            trigger(
                "conversations_changed",
                "UPDATE OF title, system_prompt, model, training_excluded_at, deleted_at ON conversations", "VALUES (NEW.id)"),
            trigger("users_changed", "UPDATE OF training_excluded_at ON users", """
                SELECT id FROM conversations WHERE owner_id = NEW.id UNION SELECT id FROM training_chats WHERE user_id = NEW.id
                """),
            trigger("collected", "INSERT ON collected_chats", when: "NEW.conversation_id IS NULL", "VALUES (NEW.id)"),
        ] + perMessage("ratings", "message_id") + perMessage("corrections", "message_id") + perMessage("preferences", "question_id")
    }

    static let postgresTrainingFunction = "note_training_change"

    private static var postgresTrainingTriggers: [String] {
        let insert = "INSERT INTO training_chat_changes (chat_id)"
        func trigger(_ name: String, _ event: String) -> String {
            "CREATE TRIGGER training_\(name) AFTER \(event) FOR EACH ROW EXECUTE FUNCTION \(postgresTrainingFunction)()"
        }
        return ["""
            CREATE FUNCTION \(postgresTrainingFunction)() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_TABLE_NAME = 'messages' AND TG_OP = 'DELETE' THEN
                    IF OLD.training_notice IS NOT NULL THEN
                        \(insert) SELECT id FROM conversations WHERE id = OLD.conversation_id;
                    END IF;
                ELSIF TG_TABLE_NAME = 'messages' THEN
                    IF NEW.training_notice IS NOT NULL OR EXISTS (SELECT 1 FROM training_chats WHERE id = NEW.conversation_id) THEN
                        \(insert) VALUES (NEW.conversation_id);
                    END IF;
                ELSIF TG_TABLE_NAME = 'conversations' THEN
                    \(insert) VALUES (NEW.id);
                ELSIF TG_TABLE_NAME = 'users' THEN
                    \(insert) SELECT id FROM conversations WHERE owner_id = NEW.id
                        UNION SELECT id FROM training_chats WHERE user_id = NEW.id;
                ELSIF TG_TABLE_NAME = 'collected_chats' THEN
                    IF NEW.conversation_id IS NULL THEN
                        \(insert) VALUES (NEW.id);
                    END IF;
                ELSIF TG_TABLE_NAME = 'preferences' THEN
                    \(insert) SELECT conversation_id FROM messages
                    WHERE id = CASE TG_OP WHEN 'DELETE' THEN OLD.question_id ELSE NEW.question_id END AND training_notice IS NOT NULL;
                ELSE
                    \(insert) SELECT conversation_id FROM messages
                    WHERE id = CASE TG_OP WHEN 'DELETE' THEN OLD.message_id ELSE NEW.message_id END AND training_notice IS NOT NULL;
                END IF;
                RETURN NULL;
            END $$
            """,
            trigger("messages_changed", "INSERT OR DELETE OR UPDATE OF content, position, replaced_at ON messages"),
            trigger(
                "conversations_changed", "UPDATE OF title, system_prompt, model, training_excluded_at, deleted_at ON conversations"),
            trigger("users_changed", "UPDATE OF training_excluded_at ON users"),
            trigger("collected", "INSERT ON collected_chats"),
        ] + ["ratings", "corrections", "preferences"].map { trigger("\($0)_changed", "INSERT OR UPDATE OR DELETE ON \($0)") }
    }
}
