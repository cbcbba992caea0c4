/// When runs start by themselves. Off by default.
package struct TrainingSchedule: Sendable, Equatable {
    package var isEnabled = false
    /// The minute of the day, in the local time of the servers; nil for any time.
    package var startMinute: Int?
    /// The least number of chats that were included since the last scheduled run; nil for one.
    package var newChats: Int?
    /// The settings of its runs: a JSON object.
    package var settings = "{}"
    /// Where its runs are made.
    package var machine = ""
    /// The next time of `startMinute`.
    package var nextAt: Timestamp?
    package internal(set) var lastRun: TrainingRunID?
    /// Chats that were included after it are new: when it was enabled, or its last run was added.
    package var countedFrom: Timestamp?
    /// Increases with each change.
    package internal(set) var change = 0

    package init() {}
}

extension Store {
    package func trainingSchedule() throws(StoreError) -> TrainingSchedule {
        try database.transaction(.read) { connection throws(StoreError) in try Self.trainingSchedule(on: connection) }
    }

    private static func trainingSchedule(on connection: any Connection) throws(StoreError) -> TrainingSchedule {
        var schedule = TrainingSchedule()
        let row = try connection.firstRow("""
            SELECT change, is_enabled, start_minute, new_chats, settings, machine, last_run_id, next_at, counted_from
            FROM training_schedule WHERE id = 1
            """)
        guard let row else { return schedule }
        schedule.change = try row["change"]
        schedule.isEnabled = try row["is_enabled"]
        schedule.startMinute = try row["start_minute"]
        schedule.newChats = try row["new_chats"]
        schedule.settings = try row["settings"]
        schedule.machine = try row["machine"]
        schedule.lastRun = try row["last_run_id"]
        schedule.nextAt = try row["next_at"]
        schedule.countedFrom = try row["counted_from"]
        return schedule
    }

    /// Changes the schedule, as an owner wants it. A server that starts a run meanwhile waits, so that its run is counted.
    package func changeTrainingSchedule(
        by request: AdminRequest, _ change: (inout TrainingSchedule) -> Void
    ) throws(StoreError) -> TrainingSchedule {
        try admin.change(.setSchedule, by: request) { connection, entry throws(StoreError) in
            _ = try connection.execute("SELECT change FROM training_schedule WHERE id = 1 \(database.dialect.rowLock)")
            var schedule = try Self.trainingSchedule(on: connection)
            change(&schedule)
            try Self.write(schedule, on: connection)
            try entry.write(on: connection)
            try Self.notifyServers(on: connection)
            return try Self.trainingSchedule(on: connection)
        }
    }

    /// Starts a run that is due, or sets a later time: once, although several servers look.
    ///
    /// - Parameters:
    ///   - schedule: As it was read. Nothing happens if it has changed since then.
    ///   - next: The schedule afterwards.
    ///   - run: nil to start none.
    /// - Returns: The run; nil if there is none, or if another server was faster.
    package func advance(
        _ schedule: TrainingSchedule, to next: TrainingSchedule, starting run: NewTrainingRun?
    ) throws(StoreError) -> TrainingRunRecord? {
        let id = TrainingRunID()
        return try admin.change(.createRun, by: AdminRequest(actor: "schedule", address: "")) { connection, entry throws(StoreError) in
            let change: Int? = try connection.value("SELECT change FROM training_schedule WHERE id = 1 \(database.dialect.rowLock)")
            guard change == schedule.change else {
                // A transaction that runs again after a lost connection has added it.
                return try Self.trainingRun(id, on: connection)
            }
            var next = next
            next.change = schedule.change
            var added: TrainingRunRecord?
            if let run {
                added = try addTrainingRun(run, as: id, entry, on: connection)
                next.lastRun = added?.id ?? schedule.lastRun
            }
            try Self.write(next, on: connection)
            return added
        }
    }

    private static func write(_ schedule: TrainingSchedule, on connection: any Connection) throws(StoreError) {
        try connection.execute("""
            INSERT INTO training_schedule
                (id, change, is_enabled, start_minute, new_chats, settings, machine, last_run_id, next_at, counted_from)
            VALUES (1, 1, $1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (id) DO UPDATE SET change = training_schedule.change + 1, is_enabled = excluded.is_enabled,
                start_minute = excluded.start_minute, new_chats = excluded.new_chats, settings = excluded.settings,
                machine = excluded.machine, last_run_id = excluded.last_run_id, next_at = excluded.next_at,
                counted_from = excluded.counted_from
            """, schedule.isEnabled, schedule.startMinute, schedule.newChats, schedule.settings, schedule.machine, schedule.lastRun,
                schedule.nextAt, schedule.countedFrom)
    }
}
