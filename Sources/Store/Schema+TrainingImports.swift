extension Migration {
    /// Version 15: the import that a chat has come with, so that an import can be deleted, and an index. All changes are additive.
    ///
    /// The chats of an earlier import have the same time. The id of such an import is that of one of its chats.
    @Sendable static func trainingImports(_ d: Dialect) -> [String] {
        [
            "ALTER TABLE training_chats ADD COLUMN import_id \(d.binaryText)",
            """
            UPDATE training_chats SET import_id = earlier.import FROM (
                SELECT created_at AS time, min(id) AS import FROM training_chats WHERE source = 'import' GROUP BY created_at
            ) AS earlier WHERE source = 'import' AND created_at = earlier.time
            """,
            "CREATE INDEX training_chats_of_imports ON training_chats (import_id) WHERE import_id IS NOT NULL",
            // With the column of its condition, without which SQLite reads the row of each chat that it counts.
            "DROP INDEX training_chats_filtered",
            """
            CREATE INDEX training_chats_filtered ON training_chats (
                state, held_out, updated_at, characters, turns, good, bad, corrections, owner_corrections, personal, source, model, person,
                group_id, id, usable
            ) WHERE usable = 1
            """,
        ]
    }
}
