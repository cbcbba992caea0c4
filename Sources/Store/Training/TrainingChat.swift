package import ChatAnalysis

package typealias TrainingChatID = Identifier<TrainingChat>

/// A chat that may be used for training, as lists show it.
package struct TrainingChat: Sendable, Equatable {
    package enum Source: String, ColumnValue, CaseIterable { case account, guest, imported = "import" }

    /// Only included chats are trained on. A chat that is included and then changes is new again.
    package enum State: String, ColumnValue, CaseIterable { case new, included, excluded }

    package let id: TrainingChatID
    package let source: Source
    package let state: State
    package let title: String
    /// A keyed hash of the account; nil for guests and imported chats.
    package let person: String?
    /// The model of the last answer.
    package let model: String?
    package let createdAt, updatedAt: Timestamp
    /// The number of answers on the active path, and the characters (Unicode scalars) of its messages.
    package let turns, characters: Int
    /// The ratings and corrections by users, of all branches.
    package let good, bad, corrections: Int
    package let ownerCorrections, preferences: Int
    package var tags: [String]
    /// The number of near-duplicates, and the oldest one of them if it is not this chat.
    package let duplicates: Int
    package let duplicateOf: TrainingChatID?
    package let personal: [PersonalData.Kind]
    /// Whether it is kept for comparing models, and never trained on.
    package let isHeldOut: Bool
    package let reviewedAt: Timestamp?
    package let reviewedBy: String?
}

/// A chat with its messages, for the owner.
package struct TrainingChatDetails: Sendable, Equatable {
    package let chat: TrainingChat
    package let settings: ConversationSettings
    /// All messages, also alternatives, each after the one that it follows.
    package let messages: [TrainingMessage]
    package let preferences: [AnswerPreference]
}

/// An included chat, ready to train on. `TrainingMessage.text` has corrections applied.
package struct ReviewedChat: Sendable, Equatable {
    package let id: TrainingChatID
    package let title: String
    package let isHeldOut: Bool
    /// The system prompt and the model of the conversation.
    package let settings: ConversationSettings
    /// All messages, also alternatives, each after the one that it follows.
    package let messages: [TrainingMessage]
    /// What people have chosen, in the order of the questions.
    package let preferences: [AnswerPreference]
}

/// What a training set has.
package struct TrainingSetCounts: Sendable, Equatable {
    /// Chats to train on, and held-out ones.
    package let chats, heldOut: Int
    /// The choices among answers and corrections, which are pairs, and the ratings, of the chats to train on.
    package let preferences, ratings: Int
    /// The length of the chats to train on, in Unicode scalars.
    package let characters: Int
}

/// One page of the list of chats.
package struct TrainingChatPage: Sendable, Equatable {
    package let chats: [TrainingChat]
    package let next: TrainingChatCursor?
    /// The number of chats that match the filter.
    package let total: Int
    /// The numbers of chats that match the filter in any state.
    package let counts: TrainingChatCounts
    /// Whether `total` and `counts` are not lower bounds, as they are for a text that many chats contain.
    package let isExact: Bool
    /// Changes of conversations that the list does not show yet, because there are too many. They are made in the background.
    package let pending: Int
}

package struct TrainingChatCounts: Sendable, Equatable {
    package var new = 0, included = 0, excluded = 0
    /// The included ones that are held out.
    package var heldOut = 0
}

/// A position in a list: after the chat with this sort key and id.
package struct TrainingChatCursor: Sendable, Equatable, LosslessStringConvertible {
    let key: Int
    let id: TrainingChatID

    package var description: String { "\(key).\(id)" }

    init(_ key: Int, _ id: TrainingChatID) {
        self.key = key
        self.id = id
    }

    package init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let key = Int(parts[0]), let id = TrainingChatID(String(parts[1])) else { return nil }
        self.init(key, id)
    }
}

extension TrainingChat {
    static let columns = """
        c.id, c.source, c.state, c.title, c.person, c.model, c.created_at, c.updated_at, c.turns, c.characters, c.good, c.bad, \
        c.corrections, c.owner_corrections, c.preferences, c.personal, c.held_out, c.reviewed_at, c.reviewed_by, \
        (SELECT count(*) FROM training_chats AS o WHERE o.group_id = c.group_id AND o.usable = 1) AS group_size, \
        (SELECT o.id FROM training_chats AS o WHERE o.group_id = c.group_id AND o.usable = 1 ORDER BY o.created_at, o.id LIMIT 1)
        AS group_first
        """

    /// - Parameter row: The values of `columns`.
    init(_ row: Row, tags: [String]) throws(StoreError) {
        let id: TrainingChatID = try row["id"], first: TrainingChatID? = try row["group_first"]
        try self.init(
            id: id, source: row["source"], state: row["state"], title: row["title"], person: row["person"],
            model: row["model"], createdAt: row["created_at"], updatedAt: row["updated_at"], turns: row["turns"],
            characters: row["characters"], good: row["good"], bad: row["bad"], corrections: row["corrections"],
            ownerCorrections: row["owner_corrections"],
            preferences: row["preferences"], tags: tags, duplicates: max(0, row["group_size"] - 1),
            duplicateOf: first == id ? nil : first, personal: PersonalData.Kind.kinds(in: row["personal"]),
            isHeldOut: row["held_out"], reviewedAt: row["reviewed_at"], reviewedBy: row["reviewed_by"])
    }
}
