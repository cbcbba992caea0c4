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
        let id = ComparisonID(), entry = admin.entry(.compareModels, request), dialect = database.dialect
        return try database.transaction(.write) { connection throws(StoreError) in
            if dialect == .postgresql { try connection.execute("LOCK TABLE models IN SHARE ROW EXCLUSIVE MODE", []) }
            let model = try Self.model(candidate, on: connection)
            guard let active = try Self.model(in: .active, on: connection) else { throw .notFound(.model) }
            let running = try connection.firstRow("""
                SELECT \(ModelComparisonRecord.columns) FROM comparisons WHERE candidate_id = $1 AND state = 'running'
                """, [.text(candidate)])
            if let running { return try ModelComparisonRecord(running) }
            try connection.execute("""
                INSERT INTO comparisons (id, candidate_id, active_id, state, machine, created_at, created_by, gate, votes)
                VALUES ($1, $2, $3, 'running', $4, $5, $6, $7, '{}')
                """, [
                    .text(id), .text(candidate), .text(active.id), .text(machine.storable), .integer(entry.time),
                    .text(request.actor.storable), .text(gate.storable),
                ])
            try connection.execute(
                "UPDATE models SET comparison_id = $2, verdict = NULL WHERE id = $1", [.text(candidate), .text(id)])
            try AdminQueries.write(entry, candidate, model.name, on: connection)
            try Self.notifyServers(on: connection, dialect)
            return try Self.comparison(id, on: connection)
        }
    }

    package func comparison(_ id: ComparisonID) throws(StoreError) -> ModelComparisonRecord {
        try database.transaction(.read) { connection throws(StoreError) in try Self.comparison(id, on: connection) }
    }

    static func comparison(_ id: ComparisonID, on connection: any Connection) throws(StoreError) -> ModelComparisonRecord {
        let row = try connection.firstRow("SELECT \(ModelComparisonRecord.columns) FROM comparisons WHERE id = $1", [.text(id)])
        guard let row else { throw .notFound(.comparison) }
        return try ModelComparisonRecord(row)
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
        let isWaiting = try database.transaction(.read) { connection throws(StoreError) in
            try connection.firstRow(waiting, [.text(machine.storable)]) != nil
        }
        if !isWaiting { return nil }
        let dialect = database.dialect
        return try database.transaction(.write) { connection throws(StoreError) in
            if dialect == .postgresql { try connection.execute("LOCK TABLE comparisons IN SHARE ROW EXCLUSIVE MODE", []) }
            let row = try connection.firstRow("""
                UPDATE comparisons SET server_id = $2, attempts = attempts + 1 WHERE id = (\(waiting))
                RETURNING \(ModelComparisonRecord.columns)
                """, [.text(machine.storable), .text(server)])
            return try row.map(ModelComparisonRecord.init)
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
                """, [
                    .text(id), .text(server), .integer(now), .text(verdict.rawValue), .integer(isPassed ? 1 : 0), .text(result.storable),
                ])
            guard let row else { return false }
            let candidate: ModelID = try row.id(0)
            try connection.execute(
                "UPDATE models SET verdict = $3 WHERE id = $1 AND comparison_id = $2",
                [.text(candidate), .text(id), .text(verdict.rawValue)])
            return true
        }
    }

    /// Ends a comparison that cannot be made.
    package func fail(_ id: ComparisonID, by server: ServerID, message: String) throws(StoreError) {
        let now = options.now()
        try database.transaction(.write) { connection throws(StoreError) in
            _ = try connection.execute("""
                UPDATE comparisons SET state = 'failed', finished_at = $3, message = $4, server_id = NULL
                WHERE id = $1 AND server_id = $2 AND state = 'running'
                """, [.text(id), .text(server), .integer(now), .text(message.storable)])
        }
    }

    /// Replaces the votes of a comparison.
    ///
    /// - Parameter change: Returns the new votes, given the comparison with the old ones.
    package func changeVotes(
        of id: ComparisonID, by request: AdminRequest, _ change: (ModelComparisonRecord) throws(StoreError) -> String
    ) throws(StoreError) -> ModelComparisonRecord {
        let entry = admin.entry(.vote, request), dialect = database.dialect
        return try database.transaction(.write) { connection throws(StoreError) in
            let row = try connection.firstRow(
                "SELECT \(ModelComparisonRecord.columns) FROM comparisons WHERE id = $1 \(dialect.rowLock)", [.text(id)])
            guard let row else { throw .notFound(.comparison) }
            let old = try ModelComparisonRecord(row), votes = try change(old)
            try connection.execute("UPDATE comparisons SET votes = $2 WHERE id = $1", [.text(id), .text(votes.storable)])
            let name = try connection.firstRow("SELECT name FROM models WHERE id = $1", [.text(old.candidate)])?.text(0)
            try AdminQueries.write(entry, old.candidate, name, on: connection)
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
            let rows = try connection.execute("SELECT id, text, expected FROM gate_questions ORDER BY created_at, id", [])
            return try rows.map { row throws(StoreError) in
                try StoredGateQuestion(id: row.id("id"), text: row.text("text"), expected: row.optionalText("expected"))
            }
        }
    }

    package func addGateQuestion(_ text: String, expected: String?, by request: AdminRequest) throws(StoreError) -> StoredGateQuestion {
        let question = StoredGateQuestion(id: GateQuestionID(), text: text.storable, expected: expected?.storable)
        let entry = admin.entry(.addQuestion, request)
        try database.transaction(.write) { connection throws(StoreError) in
            let row = try connection.firstRow("SELECT count(*) FROM gate_questions WHERE id <> $1", [.text(question.id)])
            if try row?.integer(0) ?? 0 >= Self.maxGateQuestions { throw .quotaExceeded(.questions, limit: Self.maxGateQuestions) }
            try connection.execute("""
                INSERT INTO gate_questions (id, text, expected, created_at, created_by) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (id) DO NOTHING
                """, [
                    .text(question.id), .text(question.text), .text(question.expected), .integer(entry.time),
                    .text(request.actor.storable),
                ])
            try AdminQueries.write(entry, question.id, nil, on: connection)
        }
        return question
    }

    package func deleteGateQuestion(_ id: GateQuestionID, by request: AdminRequest) throws(StoreError) {
        let entry = admin.entry(.deleteQuestion, request)
        try database.transaction(.write) { connection throws(StoreError) in
            guard try connection.firstRow("DELETE FROM gate_questions WHERE id = $1 RETURNING id", [.text(id)]) != nil else { return }
            try AdminQueries.write(entry, id, nil, on: connection)
        }
    }

    private static let gateSetting = "training_gate"

    /// The thresholds of the gate, as a JSON object; nil if no owner has changed them.
    package func gateThresholds() throws(StoreError) -> String? { try setting(Self.gateSetting) }

    package func setGateThresholds(_ json: String, by request: AdminRequest) throws(StoreError) {
        let entry = admin.entry(.setGate, request)
        try database.transaction(.write) { connection throws(StoreError) in
            try Self.set(Self.gateSetting, to: json, on: connection)
            try AdminQueries.write(entry, nil as AuditID?, nil, on: connection)
        }
    }
}
