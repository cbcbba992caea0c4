import Store
import TestSupport
import Testing

@Suite struct MigrationTests {
    @Test(arguments: Backend.allCases) func `a migration preserves rows and counts messages`(_ backend: Backend) throws {
        let store = try oldDatabase(backend, version: 1).store(), ada = try #require(try store.user(named: "ADA"))
        let list = try store.conversations(of: ada.id).conversations
        #expect(list.map(\.title) == ["Rain", "Empty"] && list.map(\.messageCount) == [2, 0])
        let (chat, messages) = try store.conversation(list[0].id, of: ada.id)
        #expect(chat == list[0] && messages.map(\.content) == ["why?", "clouds."] && messages.map(\.role) == [.user, .assistant])
        let figures = try #require(messages[1].figures)
        #expect(figures.reason == "stop" && figures.tokens == 4 && figures.seconds == 0.5 && figures.firstTokenSeconds == nil)
        #expect(messages[0].figures == nil)
        #expect(try store.sql("SELECT characters FROM conversations ORDER BY id") == [[.integer(11)], [.integer(0)]])
        let indexed = backend == .sqlite
            ? "SELECT count(*) FROM message_search WHERE message_search MATCH '\"lou\"'"
            : "SELECT count(*) FROM messages WHERE owner_id = '\(ada.id)' AND lower(content) LIKE '%lou%'"
        #expect(try store.sql(indexed) == [[.integer(1)]])
        #expect(try store.setting("secret") == "s3cret" && store.admin.totals().answerTokens == 4)
        #expect(try store.append(NewMessage(.user, "why?"), as: messages[0].id, to: chat.id, of: ada.id) == messages[0])
        try store.append(NewMessage(.user, "really?"), to: chat.id, of: ada.id, replacingFrom: messages[0].id)
        #expect(try store.contents(of: chat.id, ada.id) == ["really?"])
        _ = try store.addAPIKey("key", hash: "hash", for: ada.id)
        #expect(try ada.tokenEpoch == 0 && ada.disabledAt == nil && store.sessions(of: ada.id).isEmpty)
        #expect(try versions(store) == Self.versions)
    }

    @Test(arguments: Backend.allCases) func `a server of schema version 7 and a newer one share a database`(_ backend: Backend) throws {
        let db = try oldDatabase(backend, version: 7), store = try db.store(), ada = try #require(try store.user(named: "ada"))
        let chat = try #require(try store.conversations(of: ada.id).conversations.first).id
        func parents() throws -> [String?] {
            try store.conversation(chat, of: ada.id).1.map { $0.parent?.description.suffix(1).description }
        }
        #expect(try parents() == [nil, "m", nil, "q"])
        // Statements of version 7, which knows neither the new columns nor the new tables.
        let (question, answer) = (MessageID(), MessageID())
        for (id, position, role) in [(question, 4, "user"), (answer, 5, "assistant")] {
            _ = try store.sql("""
                INSERT INTO messages
                    (id, conversation_id, position, role, content, write_key, created_at, reason, answer_tokens, seconds,
                    first_token_seconds)
                VALUES ($1, $2, $3, $4, 'old', $1, 1700000000600, NULL, NULL, NULL, NULL)
                """, [.text(id), .text(chat), .integer(position), .text(role)])
        }
        _ = try store.sql("UPDATE conversations SET message_count = 6, characters = 29 WHERE id = $1", [.text(chat)])
        let last = question.description.suffix(1).description
        #expect(try parents() == [nil, "m", nil, "q", nil, last])
        // The columns of old rows are filled in the background.
        func stored() throws -> [[SQLValue]] {
            try store.sql("SELECT count(*) FROM messages WHERE role = 'assistant' AND parent_id IS NOT NULL")
        }
        #expect(try stored() == [[.integer(0)]])
        try store.purge()
        #expect(try stored() == [[.integer(3)]] && parents() == [nil, "m", nil, "q", nil, last])
        // The text so far of an answer of version 7, which takes no lease, counts as interrupted when it is old.
        #expect(try store.sql("SELECT count(*) FROM unfinished_answers") == [[.integer(1)]])
        db.advanceClock(by: .seconds(60))
        #expect(try store.openConversation(chat, of: ada.id).messages.count == 6)
        #expect(try store.sql("SELECT count(*) FROM unfinished_answers") == [[.integer(0)]])
        #expect(try versions(store) == Self.versions)
    }

    @Test(arguments: Backend.allCases) func `the counts of users are made from the rows of an older version`(_ backend: Backend) throws {
        let store = try oldDatabase(backend, version: 8).store()
        let expected = [[1, 4, 2, 11, 7], [0, 0, 0, 0, 0]].map { $0.map { SQLValue.integer($0) } }
        #expect(try store.userCounts.map { Array($0.dropFirst()) } == expected)
        let totals = try store.admin.totals()
        #expect([totals.users, totals.conversations, totals.messages, totals.generations, totals.answerTokens] == [2, 1, 4, 3, 9])
    }

    @Test(arguments: Backend.allCases) func `chats for training of an older version are found by tag, text and group`(
        _ backend: Backend
    ) throws {
        let store = try oldDatabase(backend, version: 15).store()
        func found(_ change: (inout TrainingFilter) -> Void) throws -> [String] {
            var filter = TrainingFilter()
            change(&filter)
            // Found by the index as well, not only by comparing the first chats.
            let list = TrainingChatList(filter, store.database.dialect), (sql, values) = list.pageQuery(after: nil, limit: 9, total: 9)
            let ids = try store.sql(sql, values).compactMap { row in if case .text(let id) = row[0] { String(id.suffix(1)) } else { nil } }
            let page = try store.trainingChats(filter)
            #expect(page.chats.map { String($0.id.description.suffix(1)) } == ids && page.total == ids.count)
            return ids
        }
        #expect(try found { $0.text = "SCATTERS" } == ["t"] && found { $0.text = "of clouds" } == ["v"])
        #expect(try found { $0.tag = "sky" } == ["v", "t"] && found { $0.flag = .duplicate } == ["v", "t"])
        #expect(try found { $0.tag = "sky"; $0.state = .included } == ["t"])
        let tags = try store.trainingTags()
        #expect(tags.map(\.tag) == ["sky"] && tags.map(\.chats) == [2])
    }

    /// A server of version 15 sets neither the search ids nor the state beside a tag; triggers do.
    @Test(arguments: Backend.allCases) func `rows of a server of schema version 15 are found as well`(_ backend: Backend) throws {
        let store = try oldDatabase(backend, version: 15).store()
        let (chat, message) = (TrainingChatID(), MessageID())
        _ = try store.sql("""
            INSERT INTO training_chats (id, source, title, created_at, updated_at, turns, group_id, usable, digest)
            VALUES ($1, 'import', 'A title', 1, 1, 1, $1, 1, '')
            """, [.text(chat)])
        _ = try store.sql("""
            INSERT INTO training_messages (id, chat_id, position, ordinal, role, content, created_at)
            VALUES ($1, $2, 0, 0, 'user', 'Umbrellas', 1)
            """, [.text(message), .text(chat)])
        _ = try store.sql("INSERT INTO training_chat_tags (chat_id, tag) VALUES ($1, 'rain')", [.text(chat)])
        _ = try store.sql("UPDATE training_chats SET state = 'excluded' WHERE id = $1", [.text(chat)])
        var filter = TrainingFilter()
        filter.tag = "rain"
        #expect(try store.trainingChats(filter).counts.excluded == 1)
        for isIndexed in [false, true] {
            if isIndexed { try store.purge() }
            filter.text = "mbrella"
            let list = TrainingChatList(filter, store.database.dialect), (sql, values) = list.pageQuery(after: nil, limit: 9, total: 9)
            #expect(try store.sql(sql, values).count == 1 && store.trainingChats(filter).chats.map(\.id) == [chat])
        }
    }

    /// Programs of version 7 read only `slm_schema`, so they still open the database: a failed upgrade can be undone.
    @Test(arguments: Backend.allCases) func `additive versions are not required, and later ones are accepted`(_ backend: Backend) throws {
        let db = try TestDatabase(backend)
        _ = try db.store().sql("INSERT INTO slm_additions (version, applied_at) VALUES (\(Store.schemaVersion + 5), 0)")
        #expect(try db.store().sql("SELECT max(version) FROM slm_schema") == [[.integer(7)]])
    }

    /// The schema versions that programs must know, and those that they need not know.
    private func versions(_ store: Store) throws -> [[[SQLValue]]] {
        try ["slm_schema", "slm_additions"].map { try store.sql("SELECT version FROM \($0) ORDER BY version") }
    }

    /// After all migrations.
    private static let versions: [[[SQLValue]]] = [1...7, 8...17].map { $0.map { [.integer($0)] } }

    /// A released migration must not change.
    @Test(arguments: Backend.allCases) func `the migrations create the same schema as before`(_ backend: Backend) throws {
        let new = try TestDatabase(backend).store()
        for version in [1, 7, 8, 9, 15] {
            #expect(try tables(oldDatabase(backend, version: version).store(), backend) == tables(new, backend))
        }
    }

    private func tables(_ store: Store, _ backend: Backend) throws -> [[SQLValue]] {
        switch backend {
        case .sqlite: try store.sql("SELECT name, sql FROM sqlite_master ORDER BY name").map { $0.map { value in
            guard case .text(let sql) = value else { return value }
            return .text(sql.split { $0.isWhitespace }.joined(separator: " "))
        } }
        case .postgresql: try store.sql("""
            SELECT table_name, column_name, data_type, is_nullable, collation_name
                FROM information_schema.columns WHERE table_schema = current_schema()
            UNION ALL SELECT tablename, indexname, regexp_replace(indexdef, ' t[0-9]+\\.|ON t[0-9]+\\.', ' ', 'g'), NULL, NULL
                FROM pg_indexes WHERE schemaname = current_schema()
            UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), NULL, NULL
                FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
            ORDER BY 1, 2, 3
            """)
        }
    }

    @Test(arguments: Backend.allCases) func `several servers that start at once migrate once`(_ backend: Backend) throws {
        for db in [try TestDatabase(backend), try oldDatabase(backend, version: 1)] {
            try inThreads(8) { _ in _ = try db.store { $0.timeout = .seconds(30) } }
            #expect(try versions(db.store()) == Self.versions)
        }
    }

    @Test(arguments: Backend.allCases) func `a newer schema is rejected`(_ backend: Backend) throws {
        let db = try TestDatabase(backend)
        let known = Store.schemaVersion
        _ = try db.store().sql("INSERT INTO slm_schema (version, applied_at) VALUES (\(known + 5), 0)")
        let error = #expect(throws: StoreError.self) { try db.store() }
        guard case .newerSchema(_, known + 5, known)? = error else { Issue.record("\(String(describing: error))"); return }
        let sentence = "has schema version \(known + 5); this slm supports versions up to \(known). "
            + "Use the slm that wrote it, or a later one."
        #expect(error?.description.contains(sentence) == true)
    }

    @Test(arguments: Backend.allCases) func `tables of another program are not changed`(_ backend: Backend) throws {
        let db = try TestDatabase(backend), database = try db.database()
        try database.transaction(.write) { connection throws(StoreError) in
            _ = try connection.execute("CREATE TABLE users (name TEXT)", [])
        }
        let error = #expect(throws: StoreError.self) { try db.store() }
        guard case .foreignDatabase? = error else { Issue.record("\(String(describing: error))"); return }
        let rows = try database.transaction(.read) { connection throws(StoreError) in try connection.execute("SELECT * FROM users", []) }
        #expect(rows.isEmpty)
    }
}
