extension Schema {
    /// The search index of SQLite, and triggers.
    static let sqliteTriggers = #"""
    -- Full-text search: `message_search` lists the messages, titles and copied messages that contain a trigram. The search ids of
    -- copied messages come first, those of titles begin at 1 << 31, and those of the messages of an owner are consecutive from
    -- `number << 32`, so that a search reads only the owner's part of each list.
    --
    -- Triggers cannot change the index, because SQLite rejects virtual tables in triggers of an untrusted schema. They list the
    -- changes in `search_changes`, also those of cascades and of other programs, and `Store.updateSearchIndex` carries them out.
    -- `content` is the text of a deleted message, and NULL for a new one. A search id can have both, if it is used again.
    CREATE VIRTUAL TABLE message_search USING fts5(content, content='', detail=none, columnsize=0, tokenize='trigram');

    CREATE TABLE search_owners (
        number INTEGER PRIMARY KEY AUTOINCREMENT, owner_id TEXT NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE
    ) STRICT;

    CREATE TABLE search_changes (
        search_id INTEGER NOT NULL, is_new INTEGER NOT NULL, content TEXT, PRIMARY KEY (search_id, is_new)
    ) WITHOUT ROWID, STRICT;
    CREATE INDEX messages_by_search_id ON messages (search_id, conversation_id);
    CREATE INDEX training_messages_by_search_id ON training_messages (search_id, chat_id);
    CREATE INDEX training_chats_by_search_id ON training_chats (search_id);

    CREATE TRIGGER messages_search_inserted AFTER INSERT ON messages BEGIN
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
    END;

    CREATE TRIGGER training_messages_search_inserted AFTER INSERT ON training_messages BEGIN
        UPDATE training_messages SET search_id = 1 + coalesce((SELECT max(search_id) FROM training_messages), 0) WHERE id = NEW.id;
        INSERT INTO search_changes (search_id, is_new) SELECT search_id, 1 FROM training_messages WHERE id = NEW.id;
    END;

    CREATE TRIGGER training_chats_search_inserted AFTER INSERT ON training_chats BEGIN
        UPDATE training_chats SET search_id = 1 + coalesce((SELECT max(search_id) FROM training_chats), 1 << 31) WHERE id = NEW.id;
        INSERT INTO search_changes (search_id, is_new) SELECT search_id, 1 FROM training_chats WHERE id = NEW.id;
    END;

    \#(searchTriggers("messages", "content"))
    \#(searchTriggers("training_messages", "content"))
    \#(searchTriggers("training_chats", "title"))

    CREATE TRIGGER users_counted AFTER INSERT ON users BEGIN INSERT INTO user_counts (user_id) VALUES (NEW.id); END;

    \#(countTriggers("conversations", changing: "owner_id, message_count, deleted_at") { row, sign in """
        UPDATE user_counts SET conversations = conversations \(sign) 1, messages = messages \(sign) \(row).message_count
        WHERE user_id = \(row).owner_id AND \(row).deleted_at IS NULL;
        """ })

    -- Token counts are limited, so that the sums do not overflow: another program may have reported any number.
    \#(countTriggers("generations", changing: "user_id, prompt_tokens, answer_tokens") { row, sign in """
        UPDATE user_counts SET generations = generations \(sign) 1,
            prompt_tokens = prompt_tokens \(sign) max(0, min(\(row).prompt_tokens, 1000000000)),
            answer_tokens = answer_tokens \(sign) max(0, min(\(row).answer_tokens, 1000000000))
        WHERE user_id = \(row).user_id;
        """ })

    -- What changes a row of `training_chats`.
    CREATE TRIGGER training_messages_inserted AFTER INSERT ON messages
    WHEN NEW.training_notice IS NOT NULL
    OR EXISTS (SELECT 1 FROM training_chats WHERE id = NEW.conversation_id) BEGIN
        INSERT INTO training_chat_changes (chat_id) VALUES (NEW.conversation_id);
    END;

    CREATE TRIGGER training_messages_changed AFTER UPDATE OF content, position ON messages
    WHEN NEW.training_notice IS NOT NULL
    OR EXISTS (SELECT 1 FROM training_chats WHERE id = NEW.conversation_id) BEGIN
        INSERT INTO training_chat_changes (chat_id) VALUES (NEW.conversation_id);
    END;

    CREATE TRIGGER training_messages_deleted AFTER DELETE ON messages
    WHEN OLD.training_notice IS NOT NULL BEGIN
        INSERT INTO training_chat_changes (chat_id) SELECT id FROM conversations WHERE id = OLD.conversation_id;
    END;

    CREATE TRIGGER training_conversations_changed AFTER UPDATE OF title, system_prompt, model, training_excluded_at,
    deleted_at ON conversations BEGIN
        INSERT INTO training_chat_changes (chat_id) VALUES (NEW.id);
    END;

    CREATE TRIGGER training_users_changed AFTER UPDATE OF training_excluded_at ON users BEGIN
        INSERT INTO training_chat_changes (chat_id) SELECT id FROM conversations WHERE owner_id = NEW.id
        UNION SELECT id FROM training_chats WHERE user_id = NEW.id;
    END;

    CREATE TRIGGER training_collected AFTER INSERT ON collected_chats
    WHEN NEW.conversation_id IS NULL BEGIN
        INSERT INTO training_chat_changes (chat_id) VALUES (NEW.id);
    END;

    \#(feedbackTriggers("ratings", "message_id"))
    \#(feedbackTriggers("corrections", "message_id"))
    \#(feedbackTriggers("preferences", "question_id"))

    """#

    /// Triggers that list what the search index has to forget. A text that is not in the index yet is only removed from the list.
    private static func searchTriggers(_ table: String, _ text: String) -> String {
        """
        CREATE TRIGGER \(table)_search_deleted AFTER DELETE ON \(table) WHEN OLD.search_id IS NOT NULL BEGIN
            INSERT INTO search_changes (search_id, is_new, content) SELECT OLD.search_id, 0, OLD.\(text)
            WHERE NOT EXISTS (SELECT 1 FROM search_changes WHERE search_id = OLD.search_id AND is_new = 1);
            DELETE FROM search_changes WHERE search_id = OLD.search_id AND is_new = 1;
        END;

        CREATE TRIGGER \(table)_search_changed AFTER UPDATE OF \(text) ON \(table) WHEN OLD.\(text) <> NEW.\(text)
        AND NOT EXISTS (SELECT 1 FROM search_changes WHERE search_id = OLD.search_id AND is_new = 1) BEGIN
            INSERT INTO search_changes (search_id, is_new, content) VALUES (OLD.search_id, 0, OLD.\(text)), (OLD.search_id, 1, NULL);
        END;
        """
    }

    /// Triggers that keep the sums of `user_counts`.
    ///
    /// - Parameter count: the statement that adds (`+`) or subtracts (`-`) a row, `NEW` or `OLD`.
    private static func countTriggers(
        _ table: String, changing columns: String, _ count: (_ row: String, _ sign: String) -> String
    ) -> String {
        let (add, subtract) = (part(count("NEW", "+")), part(count("OLD", "-")))
        return """
            CREATE TRIGGER \(table)_count_inserted AFTER INSERT ON \(table) BEGIN
                \(add)
            END;

            CREATE TRIGGER \(table)_count_deleted AFTER DELETE ON \(table) BEGIN
                \(subtract)
            END;

            CREATE TRIGGER \(table)_count_changed AFTER UPDATE OF \(columns) ON \(table) BEGIN
                \(subtract)
                \(add)
            END;
            """
    }

    /// Triggers for what users say about a message.
    private static func feedbackTriggers(_ table: String, _ message: String) -> String {
        [("inserted", "INSERT", "NEW"), ("changed", "UPDATE", "NEW"), ("deleted", "DELETE", "OLD")].map { name, event, row in
            """
            CREATE TRIGGER training_\(table)_\(name) AFTER \(event) ON \(table) BEGIN
                INSERT INTO training_chat_changes (chat_id) SELECT conversation_id FROM messages
                WHERE id = \(row).\(message) AND training_notice IS NOT NULL;
            END;
            """
        }.joined(separator: "\n")
    }
}
