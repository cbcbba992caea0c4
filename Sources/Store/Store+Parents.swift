/// `messages.parent_id` of answers that were stored before schema version 8, or by a server of version 7.
extension Store {
    private static let filledSetting = "parents_filled_to"
    /// Sorts after all identifiers.
    private static let end = "~"

    /// Sets the parents of old answers, in short transactions, once. Answers that a server of version 7 adds later have no stored parent,
    /// and `messages(of:)` finds it.
    func fillParents(batch: Int = 1_000) throws(StoreError) {
        var cursor = try setting(Self.filledSetting) ?? ""
        while cursor != Self.end {
            let first = cursor
            cursor = try database.transaction(.write) { connection throws(StoreError) in
                let rows = try connection.execute(
                    "SELECT id FROM messages WHERE id > $1 ORDER BY id LIMIT \(batch)", [.text(first)])
                let last = rows.count < batch ? Self.end : try rows.last?.text(0) ?? Self.end
                try connection.execute("""
                    UPDATE messages SET parent_id = (
                        SELECT id FROM messages AS questions
                        WHERE questions.conversation_id = messages.conversation_id AND questions.position < messages.position
                        AND questions.role = 'user' ORDER BY questions.position DESC LIMIT 1)
                    WHERE id > $1 AND id <= $2 AND role = 'assistant' AND parent_id IS NULL AND position IS NOT NULL
                    """, [.text(first), .text(last)])
                try connection.execute(
                    "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    [.text(Self.filledSetting), .text(last)])
                return last
            }
        }
    }
}
