/// What a user thinks of an answer.
package struct Rating: Sendable, Equatable {
    package enum Value: String, ColumnValue, CaseIterable { case good, bad }

    /// Why. `reasons` says which belong to which value.
    package enum Reason: String, ColumnValue, CaseIterable {
        case accurate, followedInstructions = "followed_instructions", wellWritten = "well_written", creative
        case incorrect, ignoredInstructions = "ignored_instructions", poorlyWritten = "poorly_written", incomplete, tooLong = "too_long"
        case refused, harmful, other
    }

    package let value: Value
    package let reason: Reason?
    /// In the user's own words.
    package let comment: String?

    package init(_ value: Value, _ reason: Reason? = nil, comment: String? = nil) {
        self.value = value
        self.reason = reason
        self.comment = comment?.storable
    }

    package static func reasons(for value: Value) -> [Reason] {
        switch value {
        case .good: [.accurate, .followedInstructions, .wellWritten, .creative, .other]
        case .bad: [.incorrect, .ignoredInstructions, .poorlyWritten, .incomplete, .tooLong, .refused, .harmful, .other]
        }
    }
}

/// What is stored beside a message.
package struct MessageDetails: Sendable, Equatable {
    /// The messages that follow the same message as this one, itself included, the oldest first; empty if there is no other.
    package let alternatives: [MessageID]
    package let rating: Rating?
    /// The answer as the user has corrected it.
    package let correction: String?
    /// The answer as an owner of the server has corrected it for training. It is not shown to the user.
    package let ownerCorrection: String?
    /// The model of an answer; nil for a question, and for an answer that was not generated here.
    package let model: String?
    /// The passages of documents that an answer is from, as JSON; nil without documents.
    package let sources: String?

    package init(
        alternatives: [MessageID] = [], rating: Rating? = nil, correction: String? = nil, ownerCorrection: String? = nil,
        model: String? = nil, sources: String? = nil
    ) {
        self.alternatives = alternatives
        self.rating = rating
        self.correction = correction
        self.ownerCorrection = ownerCorrection
        self.model = model
        self.sources = sources
    }
}

/// That a user has chosen one answer to a question over others.
package struct AnswerPreference: Sendable, Equatable {
    package let question, chosen: MessageID
    /// The other answers that existed then, the oldest first.
    package let rejected: [MessageID]
    /// nil for an imported chat.
    package let user: UserID?
    package let chosenAt: Timestamp
}

extension Rating {
    /// - Parameter row: Has the columns `rating`, `rating_reason` and `comment`. nil if there is no rating.
    init?(_ row: Row) throws(StoreError) {
        guard let value: Value = try row["rating"] else { return nil }
        // A later version may know more reasons.
        let reason: String? = try row["rating_reason"]
        self.init(value, reason.map { Reason(rawValue: $0) ?? .other }, comment: try row["comment"])
    }
}
