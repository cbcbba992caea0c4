extension Migration {
    /// Version 12: fine-tuning runs that a server supervises, and their schedule. All changes are additive.
    ///
    /// `settings` are JSON objects. `machine` and `folder` say where the files of a run are. `server_id` is the server that supervises it,
    /// as long as that one sends heartbeats. `log_bytes` and `output_bytes` are the sizes of its files at its last start. `base_id` and
    /// `model_id` are not foreign keys, so that models can be deleted.
    @Sendable static func trainingRuns(_ d: Dialect) -> [String] {
        let binary = d.binaryText
        return ["""
        CREATE TABLE training_runs (
            id \(binary) PRIMARY KEY NOT NULL, name \(binary) NOT NULL UNIQUE,
            state \(binary) NOT NULL CHECK (state IN ('queued', 'running', 'stopping', 'stopped', 'finished', 'failed')),
            settings TEXT NOT NULL, base_id \(binary), base_path TEXT NOT NULL, is_scheduled \(d.integer) NOT NULL DEFAULT 0,
            machine TEXT NOT NULL, folder TEXT NOT NULL, server_id \(binary), process_id \(d.integer), process_ticks \(d.integer),
            attempts \(d.integer) NOT NULL DEFAULT 0, log_bytes \(d.integer) NOT NULL DEFAULT 0,
            output_bytes \(d.integer) NOT NULL DEFAULT 0, stop_requested_at \(d.integer), stop_sent_at \(d.integer),
            created_at \(d.integer) NOT NULL, created_by TEXT NOT NULL, started_at \(d.integer), finished_at \(d.integer),
            chats \(d.integer), held_out \(d.integer), preferences \(d.integer), tokens \(d.integer), digest \(binary),
            step \(d.integer) NOT NULL DEFAULT 0, steps \(d.integer), seconds_left \(d.real), tokens_per_second \(d.real),
            loss \(d.real), validation_loss \(d.real), message TEXT, model_id \(binary)
        ) \(d.tableOptions)
        """,
        "CREATE INDEX training_runs_newest ON training_runs (created_at DESC, id DESC)",
        "CREATE INDEX training_runs_in_progress ON training_runs (machine, state) WHERE state IN ('queued', 'running', 'stopping')",
        // What the page shows of a run. A table of its own, because lists do not read it.
        """
        CREATE TABLE training_run_output (
            run_id \(binary) PRIMARY KEY NOT NULL REFERENCES training_runs (id) ON DELETE CASCADE,
            curve TEXT NOT NULL, samples TEXT NOT NULL, log TEXT NOT NULL
        ) \(d.tableOptions)
        """,
        // One row. `change` increases with each change, so that of several servers one starts a run that is due.
        """
        CREATE TABLE training_schedule (
            id \(d.integer) PRIMARY KEY NOT NULL CHECK (id = 1), change \(d.integer) NOT NULL, is_enabled \(d.integer) NOT NULL,
            start_minute \(d.integer), new_chats \(d.integer), settings TEXT NOT NULL, machine TEXT NOT NULL, last_run_id \(binary),
            next_at \(d.integer), counted_from \(d.integer)
        ) \(d.tableOptions)
        """]
    }
}
