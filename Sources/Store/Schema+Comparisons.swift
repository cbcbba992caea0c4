extension Migration {
    /// Version 14: comparisons of candidates with the active model, and the questions that owners ask both. All changes are additive.
    ///
    /// `result` is the JSON object of `slm gate`; `gate` are the thresholds, `votes` the owner's choices by the id of the question.
    /// `server_id` is the server that compares. `candidate_id` and `active_id` are not foreign keys, so that models can be deleted.
    @Sendable static func comparisons(_ d: Dialect) -> [String] {
        let binary = d.binaryText
        return ["""
        CREATE TABLE comparisons (
            id \(binary) PRIMARY KEY NOT NULL, candidate_id \(binary) NOT NULL, active_id \(binary) NOT NULL,
            state \(binary) NOT NULL CHECK (state IN ('running', 'finished', 'failed')), server_id \(binary), machine TEXT NOT NULL,
            attempts \(d.integer) NOT NULL DEFAULT 0, created_at \(d.integer) NOT NULL, created_by TEXT NOT NULL, finished_at \(d.integer),
            verdict \(binary) CHECK (verdict IN ('better', 'no_worse', 'worse')), passed \(d.integer),
            gate TEXT NOT NULL, result TEXT, votes TEXT NOT NULL, message TEXT
        ) \(d.tableOptions)
        """,
        "CREATE INDEX comparisons_of_candidates ON comparisons (candidate_id, created_at)",
        "CREATE INDEX comparisons_in_progress ON comparisons (machine) WHERE state = 'running'",
        """
        CREATE TABLE gate_questions (
            id \(binary) PRIMARY KEY NOT NULL, text TEXT NOT NULL, expected TEXT, created_at \(d.integer) NOT NULL,
            created_by TEXT NOT NULL
        ) \(d.tableOptions)
        """]
    }
}
