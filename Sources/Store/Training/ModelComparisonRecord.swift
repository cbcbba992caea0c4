package typealias ComparisonID = Identifier<ModelComparisonRecord>
package typealias GateQuestionID = Identifier<StoredGateQuestion>

/// A comparison of a candidate with the model that was active.
package struct ModelComparisonRecord: Sendable, Equatable {
    /// Raw values are stored and are part of the API.
    package enum State: String, ColumnValue { case running, finished, failed }

    package let id: ComparisonID
    package let candidate, active: ModelID
    package let state: State
    package let attempts: Int
    package let createdAt: Timestamp
    package let createdBy: String
    package let finishedAt: Timestamp?
    package let verdict: RegisteredModel.Verdict?
    /// Whether the candidate may be promoted.
    package let isPassed: Bool
    /// JSON objects: the thresholds, the result, and the owner's votes.
    package let gate: String
    package let result: String?
    package let votes: String
    /// Why it failed, as a sentence.
    package let message: String?
}

/// A question that an owner asks a candidate and the active model.
package struct StoredGateQuestion: Sendable, Equatable {
    package let id: GateQuestionID
    package let text: String
    /// A right answer contains this text; nil if no answer is known.
    package let expected: String?
}

extension ModelComparisonRecord {
    static let columns = """
        id, candidate_id, active_id, state, attempts, created_at, created_by, finished_at, verdict, passed, gate, result, votes,
        message
        """

    init(_ row: Row) throws(StoreError) {
        let verdict: String? = try row["verdict"]
        try self.init(
            id: row["id"], candidate: row["candidate_id"], active: row["active_id"], state: row["state"], attempts: row["attempts"],
            createdAt: row["created_at"], createdBy: row["created_by"], finishedAt: row["finished_at"],
            verdict: verdict.flatMap(RegisteredModel.Verdict.init(rawValue:)),
            isPassed: row["passed"] ?? false, gate: row["gate"], result: row["result"],
            votes: row["votes"], message: row["message"])
    }
}
