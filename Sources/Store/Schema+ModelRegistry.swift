extension Migration {
    /// Version 11: the models that this database's servers may serve, roles of accounts, and the models of API keys. All changes are
    /// additive.
    ///
    /// `models.base_id` and `api_keys.model_id` are not foreign keys, so that the rows of a backup can be restored in any order.
    @Sendable static func modelRegistry(_ d: Dialect) -> [String] {
        let binary = d.binaryText
        return [
            // 'owner', or NULL for others.
            "ALTER TABLE users ADD COLUMN role \(binary)",
            // `data` and `metrics` are JSON objects. `canary_share` is set in at most one row. A row stays when its files are deleted.
            """
            CREATE TABLE models (
                id \(binary) PRIMARY KEY NOT NULL, name TEXT NOT NULL,
                state \(binary) NOT NULL CHECK (state IN ('candidate', 'active', 'previous', 'archived')),
                kind \(binary) NOT NULL CHECK (kind IN ('checkpoint', 'adapter')), base_id \(binary), path TEXT NOT NULL,
                digest \(binary) NOT NULL, size_bytes \(d.integer) NOT NULL, created_at \(d.integer) NOT NULL, created_by TEXT NOT NULL,
                promoted_at \(d.integer), promoted_by TEXT, run_id \(binary), data TEXT, metrics TEXT,
                verdict \(binary) CHECK (verdict IN ('better', 'no_worse', 'worse')), comparison_id \(binary),
                canary_share \(d.real), files_deleted_at \(d.integer)
            ) \(d.tableOptions)
            """,
            "CREATE UNIQUE INDEX models_active ON models (state) WHERE state = 'active'",
            "CREATE UNIQUE INDEX models_previous ON models (state) WHERE state = 'previous'",
            "CREATE UNIQUE INDEX models_of_runs ON models (run_id) WHERE run_id IS NOT NULL",
            "ALTER TABLE api_keys ADD COLUMN model_id \(binary)",
            "CREATE INDEX api_keys_of_models ON api_keys (model_id) WHERE model_id IS NOT NULL",
            // The model that the command line of each server named at its last start.
            """
            CREATE TABLE command_line_models (
                server TEXT PRIMARY KEY NOT NULL, path TEXT NOT NULL, digest \(binary) NOT NULL, seen_at \(d.integer) NOT NULL
            ) \(d.tableOptions)
            """,
        ]
    }
}
