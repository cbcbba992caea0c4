/// Fine-tuning runs, as the servers see that supervise them.
///
/// A run belongs to one server at a time, as long as that one sends heartbeats. All changes below fail if another one has taken it over.
extension Store {
    /// The runs that wait or are in progress and that no living server other than this one supervises, the oldest first. Those of other
    /// machines are among them: the caller knows whether their files are here.
    package func unsupervisedRuns(by server: ServerID) throws(StoreError) -> [TrainingRunRecord] {
        try database.read("""
            SELECT \(TrainingRunRecord.columns) FROM training_runs
            WHERE state IN ('queued', 'running', 'stopping') AND (server_id IS NULL OR server_id = $1 OR NOT \(hasLivingServer))
            ORDER BY created_at, id
            """, server).map(TrainingRunRecord.init)
    }

    private var hasLivingServer: String {
        "EXISTS (SELECT 1 FROM servers WHERE servers.id = training_runs.server_id AND \(isAlive(within: options.leaseTime)))"
    }

    /// Takes over the supervision of a run.
    ///
    /// - Returns: The run as it is now; nil if another server was faster, or if it has ended.
    package func supervise(
        _ run: TrainingRunID, by server: ServerID, on machine: String
    ) throws(StoreError) -> TrainingRunRecord? {
        try database.transaction(.write) { connection throws(StoreError) in
            return try connection.firstRow("""
                UPDATE training_runs SET server_id = $2, machine = $3
                WHERE id = $1 AND state IN ('queued', 'running', 'stopping')
                AND (server_id IS NULL OR server_id = $2 OR NOT \(hasLivingServer)) RETURNING \(TrainingRunRecord.columns)
                """, run, server, machine).map(TrainingRunRecord.init)
        }
    }

    /// Begins a run that waits, if no run of the machine is in progress.
    ///
    /// - Returns: nil if another run is in progress, or if this one waits no longer.
    package func begin(_ run: TrainingRunID, by server: ServerID, on machine: String) throws(StoreError) -> TrainingRunRecord? {
        let now = options.now()
        return try database.transaction(.write) { connection throws(StoreError) in
            // If two servers of a machine begin two runs at once, the second one sees the first run.
            try connection.lockTable("training_runs")
            return try connection.firstRow("""
                UPDATE training_runs SET state = 'running', server_id = $2, machine = $3, started_at = COALESCE(started_at, $4)
                WHERE id = $1 AND state = 'queued' AND (server_id IS NULL OR server_id = $2 OR NOT \(hasLivingServer))
                AND NOT EXISTS (SELECT 1 FROM training_runs AS others
                    WHERE others.machine = $3 AND others.state IN ('running', 'stopping'))
                RETURNING \(TrainingRunRecord.columns)
                """, run, server, machine, now).map(TrainingRunRecord.init)
        }
    }

    /// Stores what a run is trained on, before it starts.
    package func setData(_ data: TrainingRunRecord.DataSet, of run: TrainingRunID, by server: ServerID) throws(StoreError) -> Bool {
        try set("chats = $3, held_out = $4, preferences = $5, tokens = COALESCE($6, tokens), digest = $7", of: run, by: server,
                data.chats, data.heldOut, data.preferences, data.tokens, data.digest)
    }

    package func setTokens(_ tokens: Int, of run: TrainingRunID, by server: ServerID) throws(StoreError) -> Bool {
        try set("tokens = $3", of: run, by: server, tokens)
    }

    /// Counts an attempt to start a run, before its process exists.
    ///
    /// - Parameter logBytes, outputBytes: The sizes of its files.
    package func countAttempt(of run: TrainingRunID, by server: ServerID, logBytes: Int, outputBytes: Int) throws(StoreError) -> Bool {
        try set("""
            attempts = attempts + 1, log_bytes = $3, output_bytes = $4, process_id = NULL, process_ticks = NULL, stop_sent_at = NULL
            """, of: run, by: server, logBytes, outputBytes)
    }

    package func setProcess(
        _ process: TrainingRunRecord.ProcessID, of run: TrainingRunID, by server: ServerID
    ) throws(StoreError) -> Bool {
        try set("process_id = $3, process_ticks = $4", of: run, by: server, process.id, process.ticks)
    }

    /// Notes that the process of a run was asked to stop: a second request would end it without a checkpoint.
    package func setStopSent(of run: TrainingRunID, by server: ServerID) throws(StoreError) -> Bool {
        try set("stop_sent_at = $3", of: run, by: server, options.now())
    }

    /// - Parameter hasProgressed: Whether it has saved a checkpoint since it was started, so that another attempt continues from there.
    package func setProgress(
        _ progress: TrainingRunRecord.Progress, _ output: TrainingRunOutput?, of run: TrainingRunID, by server: ServerID,
        hasProgressed: Bool
    ) throws(StoreError) -> Bool {
        try database.transaction(.transient) { connection throws(StoreError) in
            let reset = hasProgressed ? ", attempts = 1" : ""
            let rows = try connection.execute("""
                UPDATE training_runs SET step = $3, steps = $4, seconds_left = $5, tokens_per_s = $6, loss = $7, val_loss = $8,
                    best_val_loss = $9\(reset)
                WHERE id = $1 AND server_id = $2 AND state IN ('running', 'stopping') RETURNING id
                """, values: [run.sql, server.sql] + progress.values)
            if rows.isEmpty { return false }
            if let output { try Self.set(output, of: run, on: connection) }
            return true
        }
    }

    /// Ends a run.
    ///
    /// - Parameter model: The id of the model that it made.
    package func end(
        _ run: TrainingRunID, as state: TrainingRunRecord.State, message: String? = nil, _ progress: TrainingRunRecord.Progress,
        _ output: TrainingRunOutput, model: ModelID? = nil, by server: ServerID
    ) throws(StoreError) -> Bool {
        precondition(state.hasEnded, "a run ends as stopped, finished or failed, not as \(state.rawValue)")
        let now = options.now()
        return try database.transaction(.write) { connection throws(StoreError) in
            let rows = try connection.execute("""
                UPDATE training_runs SET state = $10, message = $11, finished_at = $12, process_id = NULL, process_ticks = NULL,
                    step = $3, steps = $4, seconds_left = $5, tokens_per_s = $6, loss = $7, val_loss = $8,
                    best_val_loss = $9, model_id = $13
                WHERE id = $1 AND server_id = $2 AND state IN ('running', 'stopping') RETURNING id
                """, values: [run.sql, server.sql] + progress.values + [state.sql, message.sql, now.sql, model.sql])
            if rows.isEmpty { return false }
            try Self.set(output, of: run, on: connection)
            try Self.notifyServers(on: connection)
            return true
        }
    }

    private static func set(_ output: TrainingRunOutput, of run: TrainingRunID, on connection: any Connection) throws(StoreError) {
        try connection.execute("""
            INSERT INTO training_run_output (run_id, curve, samples, log) VALUES ($1, $2, $3, $4)
            ON CONFLICT (run_id) DO UPDATE SET curve = excluded.curve, samples = excluded.samples, log = excluded.log
            """, run, output.curve, output.samples, output.log)
    }

    /// - Parameter assignments: With parameters from $3 on.
    /// - Returns: false if the run has ended, or if another server supervises it.
    private func set(
        _ assignments: String, of run: TrainingRunID, by server: ServerID, _ values: any ColumnValue...
    ) throws(StoreError) -> Bool {
        try !database.write("""
            UPDATE training_runs SET \(assignments)
            WHERE id = $1 AND server_id = $2 AND state IN ('queued', 'running', 'stopping') RETURNING id
            """, values: [run.sql, server.sql] + values.map(\.sql)).isEmpty
    }
}

extension TrainingRunRecord.Progress {
    fileprivate var values: [SQLValue] {
        [step.sql, steps.sql, secondsLeft.sql, tokensPerSecond.sql, loss.sql, validationLoss.sql, bestValidationLoss.sql]
    }
}
