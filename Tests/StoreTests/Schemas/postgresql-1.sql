CREATE TABLE slm_schema (version BIGINT NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL);
CREATE TABLE users (
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL, username TEXT COLLATE "C" NOT NULL, username_key TEXT COLLATE "C" NOT NULL UNIQUE, email TEXT COLLATE "C",
    password_hash TEXT COLLATE "C" NOT NULL, created_at BIGINT NOT NULL, last_active_at BIGINT NOT NULL
);
CREATE TABLE conversations (
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL, owner_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE, title TEXT NOT NULL,
    creation_key TEXT COLLATE "C" NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT,
    UNIQUE (owner_id, creation_key)
);
CREATE INDEX conversations_newest ON conversations (owner_id, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX conversations_deleted ON conversations (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE TABLE messages (
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL, conversation_id TEXT COLLATE "C" NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    position BIGINT, role TEXT COLLATE "C" NOT NULL CHECK (role IN ('system', 'user', 'assistant')), content TEXT NOT NULL,
    write_key TEXT COLLATE "C" NOT NULL, created_at BIGINT NOT NULL, replaced_at BIGINT,
    UNIQUE (conversation_id, position), UNIQUE (write_key, conversation_id)
);
CREATE INDEX messages_replaced ON messages (replaced_at) WHERE replaced_at IS NOT NULL;
CREATE TABLE generations (
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL, user_id TEXT COLLATE "C" REFERENCES users (id) ON DELETE SET NULL,
    conversation_id TEXT COLLATE "C" REFERENCES conversations (id) ON DELETE SET NULL, message_id TEXT COLLATE "C" REFERENCES messages (id) ON DELETE SET NULL,
    model TEXT NOT NULL, prompt_tokens BIGINT NOT NULL, answer_tokens BIGINT NOT NULL, seconds DOUBLE PRECISION NOT NULL,
    reason TEXT NOT NULL, created_at BIGINT NOT NULL
);
CREATE INDEX generations_of_users ON generations (user_id);
CREATE INDEX generations_of_conversations ON generations (conversation_id);
CREATE INDEX generations_of_messages ON generations (message_id);
CREATE TABLE settings (name TEXT COLLATE "C" PRIMARY KEY NOT NULL, value TEXT NOT NULL);
