package typealias ComparisonID = Identifier<ModelComparisonRecord>
package typealias GateQuestionID = Identifier<StoredGateQuestion>

/// A comparison of a candidate with the model that was active.
package struct ModelComparisonRecord: Sendable, Equatable {
    /// Raw values are stored and are part of the API.
    package enum State: String, Sendable { case running, finished, failed }

    package let id: ComparisonID
    package let candidate, active: ModelID
    package let state: State
    /// The machine that compares, because the files are there.
    package let machine: String
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
        id, candidate_id, active_id, state, machine, attempts, created_at, created_by, finished_at, verdict, passed, gate, result, votes,
        message
        """

    init(_ row: Row) throws(StoreError) {
        guard let state = State(rawValue: try row.text(3)) else { throw row.unexpected(3, "a state") }
        self.init(
            id: try row.id(0), candidate: try row.id(1), active: try row.id(2), state: state, machine: try row.text(4),
            attempts: try row.integer(5), createdAt: try row.timestamp(6), createdBy: try row.text(7),
            finishedAt: try row.optionalTimestamp(8),
            verdict: try row.optionalText(9).flatMap(RegisteredModel.Verdict.init(rawValue:)), isPassed: row.values[10] == .integer(1),
            gate: try row.text(11), result: try row.optionalText(12), votes: try row.text(13), message: try row.optionalText(14))
    }
}
