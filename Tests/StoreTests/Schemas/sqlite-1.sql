CREATE TABLE slm_schema (version INTEGER NOT NULL PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT;
CREATE TABLE users (
    id TEXT PRIMARY KEY NOT NULL, username TEXT NOT NULL, username_key TEXT NOT NULL UNIQUE, email TEXT,
    password_hash TEXT NOT NULL, created_at INTEGER NOT NULL, last_active_at INTEGER NOT NULL
) STRICT;
CREATE TABLE conversations (
    id TEXT PRIMARY KEY NOT NULL, owner_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE, title TEXT NOT NULL,
    creation_key TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, deleted_at INTEGER,
    UNIQUE (owner_id, creation_key)
) STRICT;
CREATE INDEX conversations_newest ON conversations (owner_id, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX conversations_deleted ON conversations (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE TABLE messages (
    id TEXT PRIMARY KEY NOT NULL, conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    position INTEGER, role TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant')), content TEXT NOT NULL,
    write_key TEXT NOT NULL, created_at INTEGER NOT NULL, replaced_at INTEGER,
    UNIQUE (conversation_id, position), UNIQUE (write_key, conversation_id)
) STRICT;
CREATE INDEX messages_replaced ON messages (replaced_at) WHERE replaced_at IS NOT NULL;
CREATE TABLE generations (
    id TEXT PRIMARY KEY NOT NULL, user_id TEXT REFERENCES users (id) ON DELETE SET NULL,
    conversation_id TEXT REFERENCES conversations (id) ON DELETE SET NULL, message_id TEXT REFERENCES messages (id) ON DELETE SET NULL,
    model TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, answer_tokens INTEGER NOT NULL, seconds REAL NOT NULL,
    reason TEXT NOT NULL, created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX generations_of_users ON generations (user_id);
CREATE INDEX generations_of_conversations ON generations (conversation_id);
CREATE INDEX generations_of_messages ON generations (message_id);
CREATE TABLE settings (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT;
