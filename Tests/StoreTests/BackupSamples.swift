import Foundation
import Store
import TestSupport
import Testing

extension Store {
    /// The rows of every table, with the columns that both databases have, in an order that does not depend on the database.
    func rowsOfAllTables() throws -> [String: [[String]]] {
        var result: [String: [[String]]] = [:]
        for table in BackupTables.all where table != "settings" {
            let sql = database.dialect == .sqlite
                ? "SELECT name FROM pragma_table_info('\(table)')"
                : "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = '\(table)'"
            let derived: Set = table == "messages" ? ["owner_id", "search_id"] : table.hasPrefix("training_") ? ["search_id"] : []
            let columns = try self.sql(sql).compactMap { row -> String? in
                guard case .text(let name)? = row.first, !derived.contains(name) else { return nil }
                return name
            }.sorted()
            let rows = try self.sql("SELECT \(columns.map { "\"\($0)\"" }.joined(separator: ", ")) FROM \(table)")
            result[table] = rows.map { zip(columns, $0).map { "\($0)=\($1)" } }.sorted { $0.lexicographicallyPrecedes($1) }
        }
        result["settings"] = try sql("SELECT name, value FROM settings WHERE name <> 'search_index_deletions' ORDER BY name")
            .map { ["\($0)"] }
        return result
    }

    /// Adds rows to every table: texts of every kind, empty texts beside NULL, the least and the largest numbers.
    func addRowsToAllTables() throws {
        let texts = [
            "", " ", "why?\n\tbecause \"\\\"", "NUL \u{0} in the middle", "ü 漢字 🇺🇦 e\u{301} \u{FEFF}\u{2028}\u{85}", "\u{1}\u{1F}\u{7F}",
            
            "'; DROP TABLE users; --", "{\"json\": [1]}", "null", "\\N",
            String(repeating: "long ä ", count: 200_000),
        ]
        let ada = try addUser("Ada", email: "Ada@example.org", passwordHash: "$2b$04$hash").id
        let bob = try addTestUser("bob")
        let chat = try createConversation("Texts \u{0}", for: ada).id
        for (i, text) in texts.enumerated() {
            let generation = Generation(model: "", promptTokens: i, answerTokens: .max, seconds: 1.0 / 3, reason: "stop")
            try append(NewMessage(i % 2 == 0 ? .user : .assistant, text), to: chat, of: ada, generation: i % 2 == 0 ? nil : generation)
        }
        let replaced = try createConversation("replaced", for: bob, question: NewMessage(.user, "first")).id
        let first = try conversation(replaced, of: bob).1[0].id
        try append(NewMessage(.user, "second"), to: replaced, of: bob, replacingFrom: first)
        let answers = try ["1", "2"].map { text in
            let first = text == "1" ? nil : try conversation(replaced, of: bob).1[1].id
            return try append(NewMessage(.assistant, text), to: replaced, of: bob, replacingFrom: first)
        }
        try activate(answers[0].id, in: replaced, of: bob)
        try rate(answers[0].id, in: replaced, of: bob, Rating(.bad, .other, comment: "NUL \u{0}"))
        try correct(answers[1].id, in: replaced, of: bob, to: "corrected")
        _ = try update(replaced, of: bob) { $0.systemPrompt = ""; $0.model = "m"; $0.isExcludedFromTraining = true }
        try setExcludedFromTraining(bob, to: true)
        try delete(createConversation("deleted", for: bob).id, of: bob)
        try record(Generation(model: "m", promptTokens: 0, answerTokens: 0, seconds: 1e-300, reason: ""))
        _ = try addAPIKey("laptop", hash: "digest", for: ada)
        try add(StoredResponse(ResponseID(), after: nil, input: "[]", response: "{}"), of: ada)
        let user = try #require(try self.user(named: "ada"))
        _ = try startSession(of: user, from: "::1", userAgent: "", lifetime: .seconds(600))
        _ = try sql("""
            INSERT INTO one_time_codes (id, kind, hash, user_id, email, created_at, expires_at)
            VALUES ('0000000000000000000000000e', 'invitation', 'code', NULL, '', 0, 9223372036854775807)
            """)
        for _ in 0..<3 { try admin.recordConversationsRead(of: bob, by: AdminRequest(actor: "admin", address: "")) }
        _ = try sql("DELETE FROM audit_log WHERE number = 1")
        try set("jwt_secret_digest", to: "0123")
        _ = try sql("""
            INSERT INTO unfinished_answers (id, conversation_id, question_id, content, model, answer_tokens, seconds, saved_at)
            VALUES ('0000000000000000000000000u', '\(chat)', '0000000000000000000000000q', 'It rai', 'tiny', -9223372036854775808, 0.1, -1)
            """)
        let new = NewModel(name: "first ü", path: "/m/first.h5", digest: "d", sizeBytes: .max)
        _ = try useCommandLineModel(new, of: "a:1", mayReplace: true)
        var adapter = NewModel(name: "second", path: "/m/second.h5", digest: "", sizeBytes: 0)
        adapter.kind = .adapter
        adapter.base = try activeModel()?.id
        adapter.run = "r"
        adapter.data = #"{"chats": 1}"#
        let candidate = try registerModel(adapter, by: AdminRequest(actor: "admin", address: ""))
        _ = try setCanary(candidate, share: 1.0 / 3, by: AdminRequest(actor: "admin", address: ""))
        _ = try sql("UPDATE models SET comparison_id = 'c', verdict = 'no_worse', metrics = '{}' WHERE id = $1", candidate)
        _ = try sql("UPDATE api_keys SET model_id = $1", candidate)
        _ = try sql("""
            INSERT INTO comparisons (id, candidate_id, active_id, state, machine, created_at, created_by, gate, votes)
            VALUES ('0000000000000000000000000c', '\(candidate)', 'ü', 'failed', '', -1, 'x', '{}', '{"1": "tie"}')
            """)
        _ = try addGateQuestion("why\n?", expected: "", by: AdminRequest(actor: "admin", address: ""))
        _ = try sql("""
            INSERT INTO collected_chats (id, user_id, created_at, history, question, answer)
            VALUES ('0000000000000000000000000g', NULL, 1, '[]', 'q', ''), ('0000000000000000000000000h', '\(ada)', 2, '', 'q', 'a')
            """)
        _ = try sql("""
            INSERT INTO training_chats (id, source, title, created_at, updated_at, group_id, digest)
            VALUES ('0000000000000000000000000t', 'import', '', 0, 0, '0000000000000000000000000t', '')
            """)
        for (table, columns, values) in [
            ("training_chat_tags", "chat_id, tag", "'ü'"),
            ("training_messages", "chat_id, id, ordinal, role, content, created_at", "'0000000000000000000000000m', 0, 'user', '', 0"),
            ("owner_corrections", "chat_id, message_id, content, corrected_at, corrected_by", "'0000000000000000000000000m', '', 0, 'x'"),
            ("training_chat_sketches", "chat_id, sketch", "'00000001'"),
            ("training_chat_bands", "chat_id, hash", "-9223372036854775808"),
        ] {
            _ = try sql("INSERT INTO \(table) (\(columns)) VALUES ('0000000000000000000000000t', \(values))")
        }
        _ = try sql("""
            INSERT INTO training_runs (id, name, state, settings, base_path, machine, folder, created_at, created_by, loss)
            VALUES ('0000000000000000000000000r', 'ü', 'failed', '{}', '', 'a', '/x', -1, 'admin', 1e-300)
            """)
        _ = try sql("""
            INSERT INTO training_run_output (run_id, curve, samples, log) VALUES ('0000000000000000000000000r', '[]', '[]', 'ü')
            """)
        let library = try createLibrary("Garden ü", for: ada), file = try addUpload("notes/a.md", [0, 255], of: ada, to: library.id)
        try set([file.id: .skipped(reason: "ü")], in: library.id)
        _ = try updateLibrary(library.id, of: ada, access: .chosen, readers: [bob])
        _ = try sql("INSERT INTO training_schedule (id, change, is_enabled, settings, machine) VALUES (1, 7, 0, '{}', '')")
    }
}
