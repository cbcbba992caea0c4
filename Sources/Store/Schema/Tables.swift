extension Schema {
    /// All tables with their indexes, each after those it refers to. Times are milliseconds since 1970.
    ///
    /// Until version 1 is released, a table or a column is added here; after it, by a ``Migration``.
    static func tables(_ d: Dialect) -> String {
        let (text, integer, real, options) = (d.binaryText, d.integer, d.real, d.tableOptions)
        // What triggers set for the search index.
        let searchColumn = d == .sqlite ? "search_id INTEGER" : "owner_id \(text)"
        let searchID = d == .sqlite ? ", search_id INTEGER" : ""
        return """
        -- Accounts. A session token is valid only if its epoch is `token_epoch`. `role` is 'owner', or NULL for others.
        -- `unused_warning_at`: when the user was last warned that the account will be deleted because it is not used.
        CREATE TABLE users (
            id \(text) PRIMARY KEY NOT NULL, username \(text) NOT NULL, username_key \(text) NOT NULL UNIQUE,
            email \(text), email_key \(text), password_hash \(text) NOT NULL, role \(text), token_epoch \(integer) NOT NULL DEFAULT 0,
            created_at \(integer) NOT NULL, last_active_at \(integer) NOT NULL, disabled_at \(integer), unused_warning_at \(integer),
            training_excluded_at \(integer)
        )\(options);
        CREATE UNIQUE INDEX users_by_email ON users (email_key);
        CREATE INDEX users_by_activity ON users (last_active_at, id);
        CREATE INDEX users_by_creation ON users (created_at, id);
        CREATE INDEX users_excluded ON users (id) WHERE training_excluded_at IS NOT NULL;

        CREATE TABLE sessions (
            id \(text) PRIMARY KEY NOT NULL, user_id \(text) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            created_at \(integer) NOT NULL, last_used_at \(integer) NOT NULL, expires_at \(integer) NOT NULL,
            address TEXT NOT NULL, user_agent TEXT NOT NULL
        )\(options);
        CREATE INDEX sessions_of_users ON sessions (user_id);
        CREATE INDEX sessions_by_expiry ON sessions (expires_at);

        -- `model_id` is not a foreign key, so that the rows of a backup can be restored in any order.
        CREATE TABLE api_keys (
            id \(text) PRIMARY KEY NOT NULL, owner_id \(text) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            name TEXT NOT NULL, hash \(text) NOT NULL UNIQUE, model_id \(text),
            created_at \(integer) NOT NULL, last_used_at \(integer), revoked_at \(integer)
        )\(options);
        CREATE INDEX api_keys_of_owners ON api_keys (owner_id);
        CREATE INDEX api_keys_of_models ON api_keys (model_id) WHERE model_id IS NOT NULL;
        CREATE INDEX api_keys_revoked ON api_keys (revoked_at) WHERE revoked_at IS NOT NULL;

        CREATE TABLE one_time_codes (
            id \(text) PRIMARY KEY NOT NULL, kind \(text) NOT NULL CHECK (kind IN ('invitation', 'password_reset')),
            hash \(text) NOT NULL UNIQUE, user_id \(text) REFERENCES users (id) ON DELETE CASCADE, email \(text),
            created_at \(integer) NOT NULL, expires_at \(integer) NOT NULL, used_at \(integer)
        )\(options);
        CREATE INDEX one_time_codes_of_users ON one_time_codes (user_id);
        CREATE INDEX one_time_codes_by_expiry ON one_time_codes (expires_at);

        -- `message_count` has the messages on the active path, `characters` also those off it, so that lists and totals need not count
        -- them. `documents`: the names of the documents that answers are from, one on each line; NULL for none.
        CREATE TABLE conversations (
            id \(text) PRIMARY KEY NOT NULL, owner_id \(text) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            title TEXT NOT NULL, system_prompt TEXT, model TEXT, documents TEXT,
            message_count \(integer) NOT NULL DEFAULT 0, characters \(integer) NOT NULL DEFAULT 0,
            created_at \(integer) NOT NULL, updated_at \(integer) NOT NULL, deleted_at \(integer), training_excluded_at \(integer)
        )\(options);
        CREATE INDEX conversations_of_owners ON conversations (owner_id);
        CREATE INDEX conversations_newest ON conversations (owner_id, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
        CREATE INDEX conversations_deleted ON conversations (deleted_at) WHERE deleted_at IS NOT NULL;
        CREATE INDEX conversations_excluded ON conversations (id) WHERE training_excluded_at IS NOT NULL;

        -- For the lists of the admin API. `updated_at + 0` is an expression, because PostgreSQL would use an index on the column for the
        -- list of one user, too, and skip the conversations of all others. PostgreSQL limits the size of an index entry, so of titles.
        CREATE INDEX conversations_by_update ON conversations ((updated_at + 0), id) WHERE deleted_at IS NULL;
        CREATE INDEX conversations_by_creation ON conversations (created_at, id) WHERE deleted_at IS NULL;
        CREATE INDEX conversations_by_messages ON conversations (message_count, id) WHERE deleted_at IS NULL;
        CREATE INDEX conversations_by_title ON conversations (substr(lower(title), 1, 200), id) WHERE deleted_at IS NULL;

        -- The messages of a conversation are a tree. `position` is the place on the active path, and NULL off it. `previous_id` is the
        -- message before, `next_id` the one that followed when the message left the path, `parent_id` the question of an answer.
        -- `ordinal` orders messages of the same time. `training_notice` is 1 if the page said that chats may be used for training when
        -- the message was stored. `sources`: of an answer from documents, its passages as JSON.
        CREATE TABLE messages (
            id \(text) PRIMARY KEY NOT NULL, conversation_id \(text) NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
            position \(integer), ordinal \(integer) NOT NULL, previous_id \(text), next_id \(text), parent_id \(text),
            role \(text) NOT NULL CHECK (role IN ('system', 'user', 'assistant')), content TEXT NOT NULL, created_at \(integer) NOT NULL,
            model TEXT, reason TEXT, answer_tokens \(integer), seconds \(real), first_token_seconds \(real), training_notice \(integer),
            sources TEXT, \(searchColumn),
            UNIQUE (conversation_id, position)
        )\(options);
        CREATE INDEX messages_off_path ON messages (conversation_id, previous_id) WHERE position IS NULL;

        -- The text so far of answers that are being generated, in case the server is killed.
        CREATE TABLE unfinished_answers (
            id \(text) PRIMARY KEY NOT NULL, conversation_id \(text) NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
            question_id \(text) NOT NULL, content TEXT NOT NULL, sources TEXT, model TEXT NOT NULL,
            answer_tokens \(integer) NOT NULL, seconds \(real) NOT NULL, saved_at \(integer) NOT NULL
        )\(options);
        CREATE INDEX unfinished_answers_of_conversations ON unfinished_answers (conversation_id);

        -- Responses of the API that an account can continue. `input` has the items of the request, `response` the object that was sent.
        -- `previous_id`, the response that this one continues, is not a foreign key, because that one can be deleted.
        CREATE TABLE responses (
            id \(text) PRIMARY KEY NOT NULL, owner_id \(text) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            previous_id \(text), input TEXT NOT NULL, response TEXT NOT NULL, characters \(integer) NOT NULL,
            created_at \(integer) NOT NULL
        )\(options);
        CREATE INDEX responses_of_owners ON responses (owner_id, created_at, id, characters);
        CREATE INDEX responses_by_time ON responses (created_at);

        -- Token counts, which stay when messages are deleted.
        CREATE TABLE generations (
            id \(text) PRIMARY KEY NOT NULL, user_id \(text) REFERENCES users (id) ON DELETE SET NULL,
            conversation_id \(text) REFERENCES conversations (id) ON DELETE SET NULL,
            message_id \(text) REFERENCES messages (id) ON DELETE SET NULL,
            model TEXT NOT NULL, prompt_tokens \(integer) NOT NULL, answer_tokens \(integer) NOT NULL, seconds \(real) NOT NULL,
            reason TEXT NOT NULL, created_at \(integer) NOT NULL
        )\(options);
        CREATE INDEX generations_of_users ON generations (user_id);
        CREATE INDEX generations_of_conversations ON generations (conversation_id);
        CREATE INDEX generations_of_messages ON generations (message_id);
        CREATE INDEX generations_by_time ON generations (created_at);

        CREATE TABLE settings (name \(text) PRIMARY KEY NOT NULL, value TEXT NOT NULL)\(options);

        CREATE TABLE audit_log (
            number \(d.increasingKey), id \(text) NOT NULL UNIQUE, created_at \(integer) NOT NULL,
            actor TEXT NOT NULL, address TEXT NOT NULL, action \(text) NOT NULL, target \(text), target_name TEXT, reason TEXT
        )\(options);

        -- Servers that share the database, and the answers that they are generating.
        CREATE TABLE servers (
            id \(text) PRIMARY KEY NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, key_digest \(text) NOT NULL,
            started_at \(integer) NOT NULL, heartbeat_at \(integer) NOT NULL, model TEXT, slots \(integer) NOT NULL DEFAULT 0,
            running \(integer) NOT NULL DEFAULT 0, waiting \(integer) NOT NULL DEFAULT 0, answer_tokens \(integer) NOT NULL DEFAULT 0,
            memory_bytes \(integer) NOT NULL DEFAULT 0, clients TEXT NOT NULL DEFAULT ''
        )\(options);

        CREATE TABLE answer_leases (
            conversation_id \(text) PRIMARY KEY NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
            answer_id \(text) NOT NULL, server_id \(text) NOT NULL, taken_at \(integer) NOT NULL, stop_requested_at \(integer)
        )\(options);
        CREATE INDEX answer_leases_of_servers ON answer_leases (server_id);

        -- PostgreSQL may lose counters in a crash, so they need no log.
        CREATE \(d.unlogged)TABLE rate_limits (name \(text) PRIMARY KEY NOT NULL, full_at \(integer) NOT NULL)\(options);
        CREATE INDEX rate_limits_by_time ON rate_limits (full_at);

        -- Ratings, corrections and preferences of users. `chosen_id` is the chosen answer to a question: its other answers that are not
        -- later than `chosen_at` were rejected.
        CREATE TABLE ratings (
            message_id \(text) PRIMARY KEY NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
            user_id \(text) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            rating \(text) NOT NULL CHECK (rating IN ('good', 'bad')), reason \(text), comment TEXT, rated_at \(integer) NOT NULL
        )\(options);
        CREATE INDEX ratings_of_users ON ratings (user_id);

        CREATE TABLE corrections (
            message_id \(text) PRIMARY KEY NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
            user_id \(text) NOT NULL REFERENCES users (id) ON DELETE CASCADE, content TEXT NOT NULL, corrected_at \(integer) NOT NULL
        )\(options);
        CREATE INDEX corrections_of_users ON corrections (user_id);

        CREATE TABLE preferences (
            question_id \(text) PRIMARY KEY NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
            chosen_id \(text) NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
            user_id \(text) NOT NULL REFERENCES users (id) ON DELETE CASCADE, chosen_at \(integer) NOT NULL
        )\(options);
        CREATE INDEX preferences_of_answers ON preferences (chosen_id);
        CREATE INDEX preferences_of_users ON preferences (user_id);

        -- The models that servers of this database may serve. `data` and `metrics` are JSON objects. `canary_share` is set in at most one
        -- row. A row stays when its files are deleted. `base_id` is not a foreign key, so that the rows of a backup can be restored in
        -- any order.
        CREATE TABLE models (
            id \(text) PRIMARY KEY NOT NULL, name TEXT NOT NULL,
            state \(text) NOT NULL CHECK (state IN ('candidate', 'active', 'previous', 'archived')),
            kind \(text) NOT NULL CHECK (kind IN ('checkpoint', 'adapter')), base_id \(text), path TEXT NOT NULL,
            digest \(text) NOT NULL, size_bytes \(integer) NOT NULL, created_at \(integer) NOT NULL, created_by TEXT NOT NULL,
            promoted_at \(integer), promoted_by TEXT, run_id \(text), data TEXT, metrics TEXT,
            verdict \(text) CHECK (verdict IN ('better', 'no_worse', 'worse', 'not_enough')), comparison_id \(text),
            canary_share \(real), files_deleted_at \(integer)
        )\(options);
        CREATE UNIQUE INDEX models_active ON models (state) WHERE state = 'active';
        CREATE UNIQUE INDEX models_previous ON models (state) WHERE state = 'previous';
        CREATE UNIQUE INDEX models_of_runs ON models (run_id) WHERE run_id IS NOT NULL;

        -- The model that the command line of each server named at its last start.
        CREATE TABLE command_line_models (
            server TEXT PRIMARY KEY NOT NULL, path TEXT NOT NULL, digest \(text) NOT NULL, seen_at \(integer) NOT NULL
        )\(options);

        -- Comparisons of candidates with the active model, and the questions that owners ask both. `result` is the JSON object of `slm
        -- gate`, `gate` the thresholds, `votes` the owner's choices by the id of the question. `server_id` is the server that compares.
        -- `candidate_id` and `active_id` are not foreign keys, so that models can be deleted.
        CREATE TABLE comparisons (
            id \(text) PRIMARY KEY NOT NULL, candidate_id \(text) NOT NULL, active_id \(text) NOT NULL,
            state \(text) NOT NULL CHECK (state IN ('running', 'finished', 'failed')), server_id \(text), machine TEXT NOT NULL,
            attempts \(integer) NOT NULL DEFAULT 0, created_at \(integer) NOT NULL, created_by TEXT NOT NULL, finished_at \(integer),
            verdict \(text) CHECK (verdict IN ('better', 'no_worse', 'worse', 'not_enough')), passed \(integer),
            gate TEXT NOT NULL, result TEXT, votes TEXT NOT NULL, message TEXT
        )\(options);
        CREATE INDEX comparisons_of_candidates ON comparisons (candidate_id, created_at);
        CREATE INDEX comparisons_in_progress ON comparisons (machine) WHERE state = 'running';

        CREATE TABLE gate_questions (
            id \(text) PRIMARY KEY NOT NULL, text TEXT NOT NULL, expected TEXT, created_at \(integer) NOT NULL, created_by TEXT NOT NULL
        )\(options);

        -- Fine-tuning runs that a server supervises, and their schedule. `settings` are JSON objects. `machine` and `folder` say where
        -- the files of a run are. `server_id` is the server that supervises it, as long as that one sends heartbeats. `log_bytes` and
        -- `output_bytes` are the sizes of its files at its last start. `base_id` and `model_id` are not foreign keys, so that models can
        -- be deleted.
        CREATE TABLE training_runs (
            id \(text) PRIMARY KEY NOT NULL, name \(text) NOT NULL UNIQUE,
            state \(text) NOT NULL CHECK (state IN ('queued', 'running', 'stopping', 'stopped', 'finished', 'failed')),
            settings TEXT NOT NULL, base_id \(text), base_path TEXT NOT NULL, is_scheduled \(integer) NOT NULL DEFAULT 0,
            machine TEXT NOT NULL, folder TEXT NOT NULL, server_id \(text), process_id \(integer), process_ticks \(integer),
            attempts \(integer) NOT NULL DEFAULT 0, log_bytes \(integer) NOT NULL DEFAULT 0, output_bytes \(integer) NOT NULL DEFAULT 0,
            stop_requested_at \(integer), stop_sent_at \(integer),
            created_at \(integer) NOT NULL, created_by TEXT NOT NULL, started_at \(integer), finished_at \(integer),
            chats \(integer), held_out \(integer), preferences \(integer), tokens \(integer), digest \(text),
            step \(integer) NOT NULL DEFAULT 0, steps \(integer), seconds_left \(real), tokens_per_s \(real),
            loss \(real), val_loss \(real), best_val_loss \(real), message TEXT, model_id \(text)
        )\(options);
        CREATE INDEX training_runs_newest ON training_runs (created_at DESC, id DESC);
        CREATE INDEX training_runs_in_progress ON training_runs (machine, state) WHERE state IN ('queued', 'running', 'stopping');

        CREATE TABLE training_run_output (
            run_id \(text) PRIMARY KEY NOT NULL REFERENCES training_runs (id) ON DELETE CASCADE,
            curve TEXT NOT NULL, samples TEXT NOT NULL, log TEXT NOT NULL
        )\(options);

        CREATE TABLE training_schedule (
            id \(integer) PRIMARY KEY NOT NULL CHECK (id = 1), change \(integer) NOT NULL, is_enabled \(integer) NOT NULL,
            start_minute \(integer), new_chats \(integer), settings TEXT NOT NULL, machine TEXT NOT NULL, last_run_id \(text),
            next_at \(integer), counted_from \(integer)
        )\(options);

        -- Chats for training that no conversation of an account has, and copies for export of those that one has.
        CREATE TABLE collected_chats (
            number \(d.increasingKey), id \(text) NOT NULL UNIQUE, user_id \(text) REFERENCES users (id) ON DELETE CASCADE,
            conversation_id \(text) REFERENCES conversations (id) ON DELETE CASCADE,
            created_at \(integer) NOT NULL, history TEXT NOT NULL, question TEXT NOT NULL, answer TEXT NOT NULL
        )\(options);
        CREATE INDEX collected_chats_of_users ON collected_chats (user_id);
        CREATE INDEX collected_chats_of_conversations ON collected_chats (conversation_id);

        -- Chats that an owner reviews for training: of an account (the id is that of the conversation), of guests (the texts are copied
        -- from `collected_chats`) and imported ones. The columns are made from other tables: triggers list what has changed in
        -- `training_chat_changes`, and `Store.refreshTrainingChats` makes the rows again.
        CREATE TABLE training_chats (
            id \(text) PRIMARY KEY NOT NULL, source \(text) NOT NULL CHECK (source IN ('account', 'guest', 'import')),
            conversation_id \(text) REFERENCES conversations (id) ON DELETE CASCADE,
            user_id \(text) REFERENCES users (id) ON DELETE CASCADE, import_id \(text),
            state \(text) NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'included', 'excluded')),
            title TEXT NOT NULL, system_prompt TEXT, person \(text), model \(text),
            created_at \(integer) NOT NULL, updated_at \(integer) NOT NULL, turns \(integer) NOT NULL DEFAULT 0,
            characters \(integer) NOT NULL DEFAULT 0,
            good \(integer) NOT NULL DEFAULT 0, bad \(integer) NOT NULL DEFAULT 0, corrections \(integer) NOT NULL DEFAULT 0,
            owner_corrections \(integer) NOT NULL DEFAULT 0, preferences \(integer) NOT NULL DEFAULT 0,
            personal \(integer) NOT NULL DEFAULT 0,
            group_id \(text) NOT NULL, held_out \(integer) NOT NULL DEFAULT 0, is_split \(integer) NOT NULL DEFAULT 0,
            usable \(integer) NOT NULL DEFAULT 0,
            digest \(text) NOT NULL, tail \(text), reviewed_at \(integer), reviewed_by TEXT\(searchID)
        )\(options);
        CREATE INDEX training_chats_of_conversations ON training_chats (conversation_id);
        CREATE INDEX training_chats_of_users ON training_chats (user_id);
        CREATE INDEX training_chats_of_imports ON training_chats (import_id, created_at, state) WHERE import_id IS NOT NULL;
        CREATE INDEX training_chats_in_groups ON training_chats (group_id, usable, created_at, id);
        CREATE INDEX training_chats_by_digest ON training_chats (digest);
        CREATE INDEX training_chats_by_tail ON training_chats (tail) WHERE tail IS NOT NULL;

        -- For counts. Without columns that differ in each row, it is small: PostgreSQL stores equal keys once. With the column of its
        -- condition, without which SQLite reads the row of each chat that it counts.
        CREATE INDEX training_chats_filtered ON training_chats (
            state, held_out, source, turns, good, bad, corrections, owner_corrections, personal, model, person, usable
        ) WHERE usable = 1;

        -- For pages: chats that do not match are skipped without reading their rows.
        CREATE INDEX training_chats_by_time ON training_chats (
            updated_at, id, state, held_out, source, turns, good, bad, corrections, owner_corrections, personal, model, person, usable
        ) WHERE usable = 1;
        CREATE INDEX training_chats_by_length ON training_chats (
            characters, id, state, held_out, source, turns, good, bad, corrections, owner_corrections, personal, model, person,
            updated_at, usable
        ) WHERE usable = 1;

        -- Each group of several chats has one that is not NULL here: a group is named for the chat that it began with. PostgreSQL has
        -- statistics of an expression, and none of a condition.
        CREATE INDEX training_chats_grouped ON training_chats ((CASE WHEN group_id <> id THEN group_id END)) WHERE usable = 1;

        CREATE TABLE training_chat_tags (
            chat_id \(text) NOT NULL REFERENCES training_chats (id) ON DELETE CASCADE, tag \(text) NOT NULL,
            PRIMARY KEY (chat_id, tag)
        )\(options);
        CREATE INDEX training_chat_tags_by_tag ON training_chat_tags (tag, chat_id);

        -- The messages of guests' and imported chats; those of accounts are in `messages`. `position` is NULL off the active path.
        CREATE TABLE training_messages (
            id \(text) PRIMARY KEY NOT NULL, chat_id \(text) NOT NULL REFERENCES training_chats (id) ON DELETE CASCADE,
            position \(integer), previous_id \(text), ordinal \(integer) NOT NULL, role \(text) NOT NULL, content TEXT NOT NULL,
            rating \(text),
            is_chosen \(integer) NOT NULL DEFAULT 0, is_context \(integer) NOT NULL DEFAULT 0, created_at \(integer) NOT NULL\(searchID)
        )\(options);
        CREATE INDEX training_messages_of_chats ON training_messages (chat_id, ordinal);

        -- `message_id` is the id of a row of `messages` or `training_messages`.
        CREATE TABLE owner_corrections (
            message_id \(text) PRIMARY KEY NOT NULL, chat_id \(text) NOT NULL REFERENCES training_chats (id) ON DELETE CASCADE,
            content TEXT NOT NULL, corrected_at \(integer) NOT NULL, corrected_by TEXT NOT NULL
        )\(options);
        CREATE INDEX owner_corrections_of_chats ON owner_corrections (chat_id);

        -- For near-duplicates: the smallest hashes of a chat's text, and hashes that chats with similar texts share.
        CREATE TABLE training_chat_sketches (
            chat_id \(text) PRIMARY KEY NOT NULL REFERENCES training_chats (id) ON DELETE CASCADE, sketch \(text) NOT NULL
        )\(options);

        CREATE TABLE training_chat_bands (
            hash \(integer) NOT NULL, chat_id \(text) NOT NULL REFERENCES training_chats (id) ON DELETE CASCADE,
            PRIMARY KEY (hash, chat_id)
        )\(options);
        CREATE INDEX training_chat_bands_of_chats ON training_chat_bands (chat_id);

        -- A conversation, or a collected chat, whose row in `training_chats` has to be made again. Rows are only added and deleted, so
        -- that writers of chats never wait for each other.
        CREATE TABLE training_chat_changes (number \(d.increasingKey), chat_id \(text) NOT NULL)\(options);

        -- Files that accounts have uploaded. `number` orders the parts of a file, which are in base64.
        CREATE TABLE uploads (
            id \(text) PRIMARY KEY NOT NULL, owner_id \(text) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            name TEXT NOT NULL, size_bytes \(integer) NOT NULL, sha256 \(text) NOT NULL, created_at \(integer) NOT NULL
        )\(options);
        CREATE INDEX uploads_of_owners ON uploads (owner_id, created_at, id);

        CREATE TABLE upload_parts (
            upload_id \(text) NOT NULL REFERENCES uploads (id) ON DELETE CASCADE, number \(integer) NOT NULL, content TEXT NOT NULL,
            PRIMARY KEY (upload_id, number)
        )\(options);

        -- Documents that chats can answer from. `access` says who may read them: those of `library_readers` if it is 'chosen'. `revision`
        -- grows with each change of the files, so that each server knows when its index of them is old, and at `reread_revision`, all
        -- files had to be read again.
        CREATE TABLE libraries (
            id \(text) PRIMARY KEY NOT NULL, owner_id \(text) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            name TEXT NOT NULL, access \(text) NOT NULL CHECK (access IN ('private', 'chosen', 'everyone')),
            revision \(integer) NOT NULL DEFAULT 0, reread_revision \(integer) NOT NULL DEFAULT 0,
            created_at \(integer) NOT NULL, updated_at \(integer) NOT NULL
        )\(options);
        CREATE INDEX libraries_of_owners ON libraries (owner_id);
        CREATE INDEX libraries_for_everyone ON libraries (id) WHERE access = 'everyone';

        CREATE TABLE library_readers (
            library_id \(text) NOT NULL REFERENCES libraries (id) ON DELETE CASCADE,
            user_id \(text) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            PRIMARY KEY (library_id, user_id)
        )\(options);
        CREATE INDEX library_readers_of_users ON library_readers (user_id);

        -- `passages` is NULL until the file was read, or if it could not be read: `message` says why.
        CREATE TABLE library_files (
            library_id \(text) NOT NULL REFERENCES libraries (id) ON DELETE CASCADE,
            upload_id \(text) NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
            added_at \(integer) NOT NULL, passages \(integer), message TEXT,
            PRIMARY KEY (library_id, upload_id)
        )\(options);
        CREATE INDEX library_files_of_uploads ON library_files (upload_id);

        -- The counts of each user, so that lists and totals of the admin API need not read all conversations. Triggers keep them.
        CREATE TABLE user_counts (
            user_id \(text) PRIMARY KEY NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            conversations \(integer) NOT NULL DEFAULT 0, messages \(integer) NOT NULL DEFAULT 0, generations \(integer) NOT NULL DEFAULT 0,
            prompt_tokens \(integer) NOT NULL DEFAULT 0, answer_tokens \(integer) NOT NULL DEFAULT 0
        )\(options);
        """
    }
}
