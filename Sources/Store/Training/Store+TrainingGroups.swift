import ChatAnalysis
import Secrets

/// Groups of near-duplicates, and which of them are held out.
///
/// Groups are made as chats come: a chat joins the group of the most similar one, and groups that it connects become one. Whether a chat
/// is held out is a keyed hash of its group. It is fixed when the chat is first included (`is_split`).
extension Store {
    /// The most candidates of a band, so that common texts do not make it slow.
    private static let candidatesPerBand = 8

    /// Stores the sketch of a chat whose text is new, and puts the chat into a group.
    func group(_ chat: TrainingChatID, _ sketch: TextSketch, on connection: any Connection) throws(StoreError) {
        try connection.execute("""
            INSERT INTO training_chat_sketches (chat_id, sketch) VALUES ($1, $2)
            ON CONFLICT (chat_id) DO UPDATE SET sketch = excluded.sketch
            """, chat, sketch.text)
        try connection.execute("DELETE FROM training_chat_bands WHERE chat_id = $1", chat)
        if !sketch.bands.isEmpty {
            let rows = sketch.bands.indices.map { "($\($0 + 2), $1)" }.joined(separator: ", ")
            try connection.execute(
                "INSERT INTO training_chat_bands (hash, chat_id) VALUES \(rows) ON CONFLICT DO NOTHING",
                values: [chat.sql] + sketch.bands.map { .integer($0) })
        }
        let groups = try similarGroups(to: chat, sketch, on: connection)
        let group: String
        if let first = groups.first { group = first } else { group = try ownGroup(of: chat, on: connection) }
        try connection.execute("UPDATE training_chats SET group_id = $2 WHERE id = $1", chat, group)
        for other in groups.dropFirst() {
            try connection.execute("UPDATE training_chats SET group_id = $2 WHERE group_id = $1", other, group)
        }
        try split(group, of: groups.count > 1 ? nil : chat, on: connection)
    }

    /// The groups of similar chats, that of the most similar one first.
    private func similarGroups(
        to chat: TrainingChatID, _ sketch: TextSketch, on connection: any Connection
    ) throws(StoreError) -> [String] {
        if sketch.bands.isEmpty { return [] }
        let bands = sketch.bands.indices.map { i in
            "SELECT * FROM (SELECT chat_id FROM training_chat_bands WHERE hash = $\(i + 2) AND chat_id <> $1 "
                + "LIMIT \(Self.candidatesPerBand)) AS band\(i)"
        }
        let rows = try connection.execute("""
            SELECT group_id, sketch FROM training_chat_sketches JOIN training_chats ON id = chat_id
            WHERE chat_id IN (\(bands.joined(separator: " UNION ALL ")))
            """, values: [chat.sql] + sketch.bands.map { .integer($0) })
        var best: [String: Double] = [:]
        for row in rows {
            guard let other = TextSketch(try row["sketch"]) else { throw row.unexpected("sketch", "a sketch") }
            let similarity = sketch.similarity(to: other)
            if similarity < TextSketch.threshold { continue }
            let group: String = try row["group_id"]
            best[group] = max(best[group] ?? 0, similarity)
        }
        return best.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
    }

    /// The group of a chat without near-duplicates: its id, unless it has left others in the group of that name.
    private func ownGroup(of chat: TrainingChatID, on connection: any Connection) throws(StoreError) -> String {
        let others = "SELECT 1 FROM training_chats WHERE group_id = $1 AND id <> $2 LIMIT 1"
        let isTaken = try connection.firstRow(others, chat, chat) != nil
        return isTaken ? TrainingChatID().description : chat.description
    }

    /// Sets which chats of a group are held out, unless that is fixed.
    ///
    /// - Parameter chat: Only this one; nil for all.
    private func split(_ group: String, of chat: TrainingChatID?, on connection: any Connection) throws(StoreError) {
        let fixed: Bool? = try connection.value(
            "SELECT held_out FROM training_chats WHERE group_id = $1 AND is_split = 1 ORDER BY held_out DESC LIMIT 1", group)
        let isHeldOut = if let fixed { fixed } else { Self.isHeldOut(group, key: try Self.trainingKey(on: connection)) }
        try connection.execute(
            "UPDATE training_chats SET held_out = $2 WHERE group_id = $1 AND is_split = 0" + (chat == nil ? "" : " AND id = $3"),
            values: [group.sql, isHeldOut.sql] + (chat.map { [$0.sql] } ?? []))
    }

    /// A tenth of all groups.
    static func isHeldOut(_ group: String, key: String) -> Bool {
        let digest = SHA256.digest(of: Array("held out \(key) \(group)".utf8))
        return (Int(digest[0]) << 16 | Int(digest[1]) << 8 | Int(digest[2])) % 10 == 0
    }
}
