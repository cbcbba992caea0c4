/// Fine-tuning runs, as owners see them.
///
///     let run = try store.addTrainingRun(new, by: request)
///     try store.requestStop(ofRun: run.id, by: request)        // its server sends the signal
extension Store {
    /// - Returns: nil if another run has the name.
    package func addTrainingRun(_ new: NewTrainingRun, by request: AdminRequest) throws(StoreError) -> TrainingRunRecord? {
        let id = TrainingRunID()
        return try admin.change(.createRun, by: request) { connection, entry throws(StoreError) in
            try addTrainingRun(new, as: id, entry, on: connection)
        }
    }

    func addTrainingRun(
        _ new: NewTrainingRun, as id: TrainingRunID, _ entry: AdminQueries.NewAuditEntry, on connection: any Connection
    ) throws(StoreError) -> TrainingRunRecord? {
        try connection.execute("""
            INSERT INTO training_runs
                (id, name, settings, base_id, base_path, is_scheduled, machine, folder, created_at, created_by, state, message, finished_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING
            """, id, new.name, new.settings, new.base, new.basePath, new.isScheduled, new.machine, new.folder, entry.time,
                entry.request.actor, new.failure == nil ? "queued" : "failed", new.failure, new.failure == nil ? nil : entry.time)
        guard let run = try Self.trainingRun(id, on: connection) else { return nil }
        try entry.write(id, new.name, on: connection)
        try Self.notifyServers(on: connection)
        return run
    }

    /// The newest run first.
    ///
    /// - Parameter last: The `next` of the previous page; nil for the first one.
    package func trainingRuns(
        after last: TrainingRunID? = nil, limit: Int = 100
    ) throws(StoreError) -> (runs: [TrainingRunRecord], next: TrainingRunID?, total: Int) {
        try database.transaction(.read) { connection throws(StoreError) in
            let condition = last == nil
                ? "" : "WHERE (created_at, id) < (SELECT created_at, id FROM training_runs WHERE id = $2)"
            let rows = try connection.execute("""
                SELECT \(TrainingRunRecord.columns) FROM training_runs \(condition) ORDER BY created_at DESC, id DESC LIMIT $1
                """, values: [(limit + 1).sql] + (last.map { [$0.sql] } ?? []))
            let runs = try rows.prefix(limit).map(TrainingRunRecord.init)
            let total: Int = try connection.value("SELECT count(*) FROM training_runs") ?? 0
            return (runs, rows.count > limit ? runs.last?.id : nil, total)
        }
    }

    package func trainingRun(_ id: TrainingRunID) throws(StoreError) -> TrainingRunRecord {
        try TrainingRunRecord(database.find(.run, "SELECT \(TrainingRunRecord.columns) FROM training_runs WHERE id = $1", id))
    }

    static func trainingRun(_ id: TrainingRunID, on connection: any Connection) throws(StoreError) -> TrainingRunRecord? {
        let row = try connection.firstRow("SELECT \(TrainingRunRecord.columns) FROM training_runs WHERE id = $1", id)
        return try row.map(TrainingRunRecord.init)
    }

    package func trainingRunOutput(_ id: TrainingRunID) throws(StoreError) -> TrainingRunOutput {
        var output = TrainingRunOutput()
        let row = try database.read("SELECT curve, samples, log FROM training_run_output WHERE run_id = $1", id).first
        guard let row else { return output }
        output.curve = try row["curve"]
        output.samples = try row["samples"]
        output.log = try row["log"]
        return output
    }

    /// Asks the server of a run to stop it. A run that waits is stopped at once, one that has ended does not change.
    ///
    /// - Parameter isAbandoned: Says of a run in progress whether no server can reach its machine, so that it is stopped at once.
    package func requestStop(
        ofRun id: TrainingRunID, by request: AdminRequest, isAbandoned: (TrainingRunRecord) -> Bool = { _ in false }
    ) throws(StoreError) -> TrainingRunRecord {
        try changeRun(id, .stopRun, by: request) { run, connection, now throws(StoreError) in
            if run.state.hasEnded { return false }
            let endsNow = run.state == .queued || isAbandoned(run)
            try connection.execute("""
                UPDATE training_runs SET state = $2, stop_requested_at = COALESCE(stop_requested_at, $3), finished_at = $4 WHERE id = $1
                """, id, endsNow ? "stopped" : "stopping", now, endsNow ? now : nil)
            return run.state != .stopping || endsNow
        }
    }

    /// Queues a run that was stopped or has failed.
    ///
    /// - Returns: nil if it is in progress or has finished.
    package func resumeTrainingRun(_ id: TrainingRunID, by request: AdminRequest) throws(StoreError) -> TrainingRunRecord? {
        var isResumed = true
        let run = try changeRun(id, .resumeRun, by: request) { run, connection, _ throws(StoreError) in
            isResumed = run.state == .stopped || run.state == .failed || run.state == .queued
            guard isResumed, run.state != .queued else { return false }
            try connection.execute("""
                UPDATE training_runs SET state = 'queued', server_id = NULL, process_id = NULL, process_ticks = NULL, attempts = 0,
                    stop_requested_at = NULL, stop_sent_at = NULL, finished_at = NULL, message = NULL, seconds_left = NULL
                WHERE id = $1
                """, id)
            return true
        }
        return isResumed ? run : nil
    }

    /// Deletes a run that is not in progress. Its files are the caller's.
    ///
    /// - Returns: nil if it is in progress.
    package func deleteTrainingRun(_ id: TrainingRunID, by request: AdminRequest) throws(StoreError) -> TrainingRunRecord? {
        try admin.change(.deleteRun, by: request) { connection, entry throws(StoreError) in
            let run = try lockedRun(id, on: connection)
            if run.state.isInProgress { return nil }
            try connection.execute("DELETE FROM training_runs WHERE id = $1", id)
            try entry.write(id, run.name, on: connection)
            return run
        }
    }

    private func lockedRun(_ id: TrainingRunID, on connection: any Connection) throws(StoreError) -> TrainingRunRecord {
        try TrainingRunRecord(connection.find(
            .run, "SELECT \(TrainingRunRecord.columns) FROM training_runs WHERE id = $1 \(database.dialect.rowLock)", id))
    }

    /// Changes a run, and writes an audit line if `change` returns true.
    private func changeRun(
        _ id: TrainingRunID, _ action: AdminQueries.Action, by request: AdminRequest,
        _ change: (TrainingRunRecord, any Connection, _ now: Timestamp) throws(StoreError) -> Bool
    ) throws(StoreError) -> TrainingRunRecord {
        try admin.change(action, by: request) { connection, entry throws(StoreError) in
            let run = try lockedRun(id, on: connection)
            if try change(run, connection, entry.time) {
                try entry.write(id, run.name, on: connection)
                try Self.notifyServers(on: connection)
            }
            return try Self.trainingRun(id, on: connection) ?? run
        }
    }
}
