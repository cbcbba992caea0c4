/// Comparisons of candidates with the active model.
///
///     let comparison = try store.addComparison(of: candidate, gate: "{}", on: machine, by: request)
///     try store.finish(comparison.id, by: server, verdict: .better, isPassed: true, result: json)
///
/// A comparison belongs to one server, as long as that one sends heartbeats; another server of the machine begins it again otherwise.
extension Store {
    /// Adds a comparison with the model that is active now. One that is running for the candidate is returned instead.
    package func addComparison(
        of candidate: ModelID, gate: String, on machine: String, by request: AdminRequest
    ) throws(StoreError) -> ModelComparisonRecord {
        let id = ComparisonID()
        return try admin.change(.compareModels, by: request) { connection, entry throws(StoreError) in
            try connection.lockTable("models")
            let model = try Self.model(candidate, on: connection)
            guard let active = try Self.model(in: .active, on: connection) else { throw .notFound(.model) }
            let running = try connection.firstRow("""
                SELECT \(ModelComparisonRecord.columns) FROM comparisons WHERE candidate_id = $1 AND state = 'running'
                """, candidate)
            if let running { return try ModelComparisonRecord(running) }
            try connection.execute("""
                INSERT INTO comparisons (id, candidate_id, active_id, state, machine, created_at, created_by, gate, votes)
                VALUES ($1, $2, $3, 'running', $4, $5, $6, $7, '{}')
                """, id, candidate, active.id, machine, entry.time, request.actor, gate)
            try connection.execute("UPDATE models SET comparison_id = $2, verdict = NULL WHERE id = $1", candidate, id)
            try entry.write(candidate, model.name, on: connection)
            try Self.notifyServers(on: connection)
            return try Self.comparison(id, on: connection)
        }
    }

    package func comparison(_ id: ComparisonID) throws(StoreError) -> ModelComparisonRecord {
        try database.transaction(.read) { connection throws(StoreError) in try Self.comparison(id, on: connection) }
    }

    static func comparison(_ id: ComparisonID, on connection: any Connection) throws(StoreError) -> ModelComparisonRecord {
        try ModelComparisonRecord(connection.find(
            .comparison, "SELECT \(ModelComparisonRecord.columns) FROM comparisons WHERE id = $1", id))
    }

    /// Takes over the oldest comparison of this machine that no living server works on.
    package func beginComparison(by server: ServerID, on machine: String) throws(StoreError) -> ModelComparisonRecord? {
        let hasLivingServer = """
            EXISTS (SELECT 1 FROM servers WHERE servers.id = comparisons.server_id AND \(isAlive(within: options.leaseTime)))
            """
        let waiting = """
            SELECT id FROM comparisons WHERE state = 'running' AND machine = $1 AND (server_id IS NULL OR NOT \(hasLivingServer))
            ORDER BY created_at, id LIMIT 1
            """
        // Most looks find none, and a reading transaction does not wait for writers.
        if try database.read(waiting, machine).isEmpty { return nil }
        return try database.transaction(.write) { connection throws(StoreError) in
            try connection.lockTable("comparisons")
            return try connection.firstRow("""
                UPDATE comparisons SET server_id = $2, attempts = attempts + 1 WHERE id = (\(waiting))
                RETURNING \(ModelComparisonRecord.columns)
                """, machine, server).map(ModelComparisonRecord.init)
        }
    }

    /// Stores the result of a comparison, and the verdict at its candidate.
    ///
    /// - Returns: Whether the comparison still belonged to the server.
    @discardableResult
    package func finish(
        _ id: ComparisonID, by server: ServerID, verdict: RegisteredModel.Verdict, isPassed: Bool, result: String
    ) throws(StoreError) -> Bool {
        let now = options.now()
        return try database.transaction(.write) { connection throws(StoreError) in
            let row = try connection.firstRow("""
                UPDATE comparisons SET state = 'finished', finished_at = $3, verdict = $4, passed = $5, result = $6, server_id = NULL
                WHERE id = $1 AND server_id = $2 AND state = 'running' RETURNING candidate_id
                """, id, server, now, verdict, isPassed, result)
            guard let row else { return false }
            try connection.execute(
                "UPDATE models SET verdict = $3 WHERE id = $1 AND comparison_id = $2", row["candidate_id"] as ModelID, id, verdict)
            return true
        }
    }

    /// Ends a comparison that cannot be made.
    package func fail(_ id: ComparisonID, by server: ServerID, message: String) throws(StoreError) {
        let now = options.now()
        try database.write("""
            UPDATE comparisons SET state = 'failed', finished_at = $3, message = $4, server_id = NULL
            WHERE id = $1 AND server_id = $2 AND state = 'running'
            """, id, server, now, message)
    }

    /// Replaces the votes of a comparison.
    ///
    /// - Parameter change: Returns the new votes, given the comparison with the old ones.
    package func changeVotes(
        of id: ComparisonID, by request: AdminRequest, _ change: (ModelComparisonRecord) throws(StoreError) -> String
    ) throws(StoreError) -> ModelComparisonRecord {
        try admin.change(.vote, by: request) { connection, entry throws(StoreError) in
            let row = try connection.find(
                .comparison, "SELECT \(ModelComparisonRecord.columns) FROM comparisons WHERE id = $1 \(connection.dialect.rowLock)", id)
            let old = try ModelComparisonRecord(row), votes = try change(old)
            try connection.execute("UPDATE comparisons SET votes = $2 WHERE id = $1", id, votes)
            let name: String? = try connection.value("SELECT name FROM models WHERE id = $1", old.candidate)
            try entry.write(old.candidate, name, on: connection)
            return try Self.comparison(id, on: connection)
        }
    }
}

/// The questions that owners ask both models.
extension Store {
    package static let maxGateQuestions = 500

    /// The oldest question first.
    package func gateQuestions() throws(StoreError) -> [StoredGateQuestion] {
        try database.transaction(.read) { connection throws(StoreError) in
            let rows = try connection.execute("SELECT id, text, expected FROM gate_questions ORDER BY created_at, id")
            return try rows.map { row throws(StoreError) in
                try StoredGateQuestion(id: row["id"], text: row["text"], expected: row["expected"])
            }
        }
    }

    package func addGateQuestion(_ text: String, expected: String?, by request: AdminRequest) throws(StoreError) -> StoredGateQuestion {
        let question = StoredGateQuestion(id: GateQuestionID(), text: text.storable, expected: expected?.storable)
        try admin.change(.addQuestion, by: request) { connection, entry throws(StoreError) in
            let count: Int = try connection.value("SELECT count(*) FROM gate_questions WHERE id <> $1", question.id) ?? 0
            if count >= Self.maxGateQuestions { throw .quotaExceeded(.questions, limit: Self.maxGateQuestions) }
            try connection.execute("""
                INSERT INTO gate_questions (id, text, expected, created_at, created_by) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (id) DO NOTHING
                """, question.id, question.text, question.expected, entry.time, request.actor)
            try entry.write(question.id, nil, on: connection)
        }
        return question
    }

    package func deleteGateQuestion(_ id: GateQuestionID, by request: AdminRequest) throws(StoreError) {
        try admin.change(.deleteQuestion, by: request) { connection, entry throws(StoreError) in
            guard try connection.firstRow("DELETE FROM gate_questions WHERE id = $1 RETURNING id", id) != nil else { return }
            try entry.write(id, nil, on: connection)
        }
    }

    private static let gateSetting = "training_gate"

    /// The thresholds of the gate, as a JSON object; nil if no owner has changed them.
    package func gateThresholds() throws(StoreError) -> String? { try setting(Self.gateSetting) }

    package func setGateThresholds(_ json: String, by request: AdminRequest) throws(StoreError) {
        try admin.change(.setGate, by: request) { connection, entry throws(StoreError) in
            try Self.set(Self.gateSetting, to: json, on: connection)
            try entry.write(on: connection)
        }
    }
}
