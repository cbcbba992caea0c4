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

    -- A text that is not in the index yet is only removed from the list of changes.
    CREATE TRIGGER messages_search_deleted AFTER DELETE ON messages WHEN OLD.search_id IS NOT NULL BEGIN
        INSERT INTO search_changes (search_id, is_new, content) SELECT OLD.search_id, 0, OLD.content
        WHERE NOT EXISTS (SELECT 1 FROM search_changes WHERE search_id = OLD.search_id AND is_new = 1);
        DELETE FROM search_changes WHERE search_id = OLD.search_id AND is_new = 1;
    END;

    CREATE TRIGGER messages_search_changed AFTER UPDATE OF content ON messages WHEN OLD.content <> NEW.content
    AND NOT EXISTS (SELECT 1 FROM search_changes WHERE search_id = OLD.search_id AND is_new = 1) BEGIN
        INSERT INTO search_changes (search_id, is_new, content) VALUES (OLD.search_id, 0, OLD.content), (OLD.search_id, 1, NULL);
    END;

    CREATE TRIGGER training_messages_search_deleted AFTER DELETE ON training_messages WHEN OLD.search_id IS NOT NULL BEGIN
        INSERT INTO search_changes (search_id, is_new, content) SELECT OLD.search_id, 0, OLD.content
        WHERE NOT EXISTS (SELECT 1 FROM search_changes WHERE search_id = OLD.search_id AND is_new = 1);
        DELETE FROM search_changes WHERE search_id = OLD.search_id AND is_new = 1;
    END;

    CREATE TRIGGER training_messages_search_changed AFTER UPDATE OF content ON training_messages WHEN OLD.content <> NEW.content
    AND NOT EXISTS (SELECT 1 FROM search_changes WHERE search_id = OLD.search_id AND is_new = 1) BEGIN
        INSERT INTO search_changes (search_id, is_new, content) VALUES (OLD.search_id, 0, OLD.content), (OLD.search_id, 1, NULL);
    END;

    CREATE TRIGGER training_chats_search_deleted AFTER DELETE ON training_chats WHEN OLD.search_id IS NOT NULL BEGIN
        INSERT INTO search_changes (search_id, is_new, content) SELECT OLD.search_id, 0, OLD.title
        WHERE NOT EXISTS (SELECT 1 FROM search_changes WHERE search_id = OLD.search_id AND is_new = 1);
        DELETE FROM search_changes WHERE search_id = OLD.search_id AND is_new = 1;
    END;

    CREATE TRIGGER training_chats_search_changed AFTER UPDATE OF title ON training_chats WHEN OLD.title <> NEW.title
    AND NOT EXISTS (SELECT 1 FROM search_changes WHERE search_id = OLD.search_id AND is_new = 1) BEGIN
        INSERT INTO search_changes (search_id, is_new, content) VALUES (OLD.search_id, 0, OLD.title), (OLD.search_id, 1, NULL);
    END;

    CREATE TRIGGER users_counted AFTER INSERT ON users BEGIN INSERT INTO user_counts (user_id) VALUES (NEW.id); END;

    CREATE TRIGGER conversations_count_inserted AFTER INSERT ON conversations BEGIN
        UPDATE user_counts SET conversations = conversations + 1, messages = messages + NEW.message_count
        WHERE user_id = NEW.owner_id AND NEW.deleted_at IS NULL;
    END;

    CREATE TRIGGER conversations_count_deleted AFTER DELETE ON conversations BEGIN
        UPDATE user_counts SET conversations = conversations - 1, messages = messages - OLD.message_count
        WHERE user_id = OLD.owner_id AND OLD.deleted_at IS NULL;
    END;

    CREATE TRIGGER conversations_count_changed AFTER UPDATE OF owner_id, message_count, deleted_at ON conversations BEGIN
        UPDATE user_counts SET conversations = conversations - 1, messages = messages - OLD.message_count
        WHERE user_id = OLD.owner_id AND OLD.deleted_at IS NULL;
        UPDATE user_counts SET conversations = conversations + 1, messages = messages + NEW.message_count
        WHERE user_id = NEW.owner_id AND NEW.deleted_at IS NULL;
    END;

    -- Token counts are limited, so that the sums do not overflow: another program may have reported any number.
    CREATE TRIGGER generations_count_inserted AFTER INSERT ON generations BEGIN
        UPDATE user_counts SET generations = generations + 1,
            prompt_tokens = prompt_tokens + max(0, min(NEW.prompt_tokens, 1000000000)),
            answer_tokens = answer_tokens + max(0, min(NEW.answer_tokens, 1000000000))
        WHERE user_id = NEW.user_id;
    END;

    CREATE TRIGGER generations_count_deleted AFTER DELETE ON generations BEGIN
        UPDATE user_counts SET generations = generations - 1,
            prompt_tokens = prompt_tokens - max(0, min(OLD.prompt_tokens, 1000000000)),
            answer_tokens = answer_tokens - max(0, min(OLD.answer_tokens, 1000000000))
        WHERE user_id = OLD.user_id;
    END;

    CREATE TRIGGER generations_count_changed AFTER UPDATE OF user_id, prompt_tokens, answer_tokens ON generations BEGIN
        UPDATE user_counts SET generations = generations - 1,
            prompt_tokens = prompt_tokens - max(0, min(OLD.prompt_tokens, 1000000000)),
            answer_tokens = answer_tokens - max(0, min(OLD.answer_tokens, 1000000000))
        WHERE user_id = OLD.user_id;
        UPDATE user_counts SET generations = generations + 1,
            prompt_tokens = prompt_tokens + max(0, min(NEW.prompt_tokens, 1000000000)),
            answer_tokens = answer_tokens + max(0, min(NEW.answer_tokens, 1000000000))
        WHERE user_id = NEW.user_id;
    END;

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

    CREATE TRIGGER training_ratings_inserted AFTER INSERT ON ratings BEGIN
        INSERT INTO training_chat_changes (chat_id) SELECT conversation_id FROM messages
        WHERE id = NEW.message_id AND training_notice IS NOT NULL;
    END;

    CREATE TRIGGER training_ratings_changed AFTER UPDATE ON ratings BEGIN
        INSERT INTO training_chat_changes (chat_id) SELECT conversation_id FROM messages
        WHERE id = NEW.message_id AND training_notice IS NOT NULL;
    END;

    CREATE TRIGGER training_ratings_deleted AFTER DELETE ON ratings BEGIN
        INSERT INTO training_chat_changes (chat_id) SELECT conversation_id FROM messages
        WHERE id = OLD.message_id AND training_notice IS NOT NULL;
    END;

    CREATE TRIGGER training_corrections_inserted AFTER INSERT ON corrections BEGIN
        INSERT INTO training_chat_changes (chat_id) SELECT conversation_id FROM messages
        WHERE id = NEW.message_id AND training_notice IS NOT NULL;
    END;

    CREATE TRIGGER training_corrections_changed AFTER UPDATE ON corrections BEGIN
        INSERT INTO training_chat_changes (chat_id) SELECT conversation_id FROM messages
        WHERE id = NEW.message_id AND training_notice IS NOT NULL;
    END;

    CREATE TRIGGER training_corrections_deleted AFTER DELETE ON corrections BEGIN
        INSERT INTO training_chat_changes (chat_id) SELECT conversation_id FROM messages
        WHERE id = OLD.message_id AND training_notice IS NOT NULL;
    END;

    CREATE TRIGGER training_preferences_inserted AFTER INSERT ON preferences BEGIN
        INSERT INTO training_chat_changes (chat_id) SELECT conversation_id FROM messages
        WHERE id = NEW.question_id AND training_notice IS NOT NULL;
    END;

    CREATE TRIGGER training_preferences_changed AFTER UPDATE ON preferences BEGIN
        INSERT INTO training_chat_changes (chat_id) SELECT conversation_id FROM messages
        WHERE id = NEW.question_id AND training_notice IS NOT NULL;
    END;

    CREATE TRIGGER training_preferences_deleted AFTER DELETE ON preferences BEGIN
        INSERT INTO training_chat_changes (chat_id) SELECT conversation_id FROM messages
        WHERE id = OLD.question_id AND training_notice IS NOT NULL;
    END;

    CREATE TRIGGER training_chat_tags_inserted AFTER INSERT ON training_chat_tags BEGIN
        UPDATE training_chat_tags SET state = c.state, held_out = c.held_out, usable = c.usable
        FROM training_chats AS c WHERE c.id = NEW.chat_id AND chat_id = NEW.chat_id AND tag = NEW.tag;
    END;

    CREATE TRIGGER training_chat_tags_changed AFTER UPDATE OF state, held_out, usable ON training_chats
    WHEN OLD.state <> NEW.state OR OLD.held_out <> NEW.held_out OR OLD.usable <> NEW.usable BEGIN
        UPDATE training_chat_tags SET state = NEW.state, held_out = NEW.held_out, usable = NEW.usable WHERE chat_id = NEW.id;
    END;
    """#
}
