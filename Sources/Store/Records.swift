/// A user account.
package struct User: Sendable, Equatable {
    package let id: UserID
    /// As typed at registration. Usernames are unique regardless of case.
    package let username: String
    package let email: String?
    /// Computed by the server; the store never sees a password.
    package let passwordHash: String
    package let createdAt, lastActiveAt: Timestamp
    /// Increases when all sessions of the user end.
    package let tokenEpoch: Int
    /// When the account was disabled; nil if it is not. A disabled user cannot sign in and has no sessions.
    package let disabledAt: Timestamp?
}

/// A signed-in browser or program.
package struct LoginSession: Sendable, Equatable {
    package let id: SessionID
    package let createdAt, lastUsedAt, expiresAt: Timestamp
    /// The address and the `User-Agent` header of the request that started it.
    package let address, userAgent: String
}

/// Whether a session token is valid.
package enum SessionState: Sendable, Equatable { case active, ended, disabled }

package struct StoredConversation: Sendable, Equatable {
    package let id: ConversationID
    package let title: String
    /// `updatedAt` is the time of the last message; renaming does not change it.
    package let createdAt, updatedAt: Timestamp
    package let messageCount: Int
}

package struct Message: Sendable, Equatable {
    package enum Role: String, ColumnValue, CaseIterable { case system, user, assistant }

    package let id: MessageID
    package let role: Role
    package let content: String
    package let createdAt: Timestamp
    /// nil for a user's message.
    package let figures: AnswerFigures?
    /// The user's message that an answer belongs to; nil for other messages.
    package internal(set) var parent: MessageID?
}

/// How an answer was generated.
package struct AnswerFigures: Sendable, Equatable {
    /// The finish reason, such as "stop" or "length".
    package let reason: String
    package let tokens: Int
    package let seconds: Double
    /// From the request to the first text; nil if it was not measured.
    package let firstTokenSeconds: Double?
}

/// A message to be stored.
///
///     NewMessage(.user, "Hello")
package struct NewMessage: Sendable, Equatable {
    package let role: Message.Role
    package let content: String
    /// The passages of documents that an answer is from, as JSON; nil without documents.
    package let sources: String?

    package init(_ role: Message.Role, _ content: String, sources: String? = nil) {
        self.role = role
        self.content = content.storable
        self.sources = sources?.storable
    }
}

/// Token counts and time of one generated answer.
package struct Generation: Sendable, Equatable {
    package let model: String
    package let promptTokens, answerTokens: Int
    package let seconds: Double
    package let firstTokenSeconds: Double?
    /// The finish reason, such as "stop" or "length".
    package let reason: String

    package init(
        model: String, promptTokens: Int, answerTokens: Int, seconds: Double, firstTokenSeconds: Double? = nil, reason: String
    ) {
        self.model = model
        self.promptTokens = promptTokens
        self.answerTokens = answerTokens
        self.seconds = seconds
        self.firstTokenSeconds = firstTokenSeconds
        self.reason = reason
    }
}

/// An API key of a user. Only its digest is stored.
package struct APIKey: Sendable, Equatable {
    package let id: APIKeyID
    package let name: String
    package let createdAt: Timestamp
    package let lastUsedAt, revokedAt: Timestamp?
}

extension String {
    /// Throws if the text is too long for an indexed column.
    ///
    /// - Parameter what: The subject of the error message, such as "the username".
    func checkLength(of what: String) throws(StoreError) {
        if utf8.count > 255 { throw .tooLong(what: what, limit: 255) }
    }

    /// Replaces U+0000, which PostgreSQL cannot store, by U+FFFD.
    var storable: String {
        guard utf8.contains(0) else { return self }
        return String(String.UnicodeScalarView(unicodeScalars.map { $0 == "\0" ? "\u{FFFD}" : $0 }))
    }
}
