/// Somebody with an account.
package struct User: Sendable, Equatable {
    package let id: UserID
    /// As it was typed. Another that differs in upper and lower case alone is the same.
    package let username: String
    package let email: String?
    /// What the server made of the password; the store never sees one.
    package let passwordHash: String
    package let createdAt, lastActiveAt: Moment
}

package struct Conversation: Sendable, Equatable {
    package let id: ConversationID
    package let title: String
    /// `updatedAt` is when the last message came; a new title leaves it.
    package let createdAt, updatedAt: Moment
    package let messageCount: Int
}

package struct Message: Sendable, Equatable {
    package enum Role: String, Sendable, CaseIterable { case system, user, assistant }

    package let id: MessageID
    package let role: Role
    package let content: String
    package let createdAt: Moment
}

/// A message that is to be stored.
///
///     Draft(.user, "Hello", key: "b1f0…")
package struct Draft: Sendable, Equatable {
    package let role: Message.Role
    package let content: String
    /// What the sender calls it: however often it comes under this key into the same conversation, it is stored once. Without a key each is another.
    package let key: String?

    package init(_ role: Message.Role, _ content: String, key: String? = nil) { (self.role, self.content, self.key) = (role, content.storable, key) }
}

/// What an answer took.
package struct Generation: Sendable, Equatable {
    package let model: String
    package let promptTokens, answerTokens: Int
    package let seconds: Double
    /// Why it ended, such as "stop" or "length".
    package let reason: String

    package init(model: String, promptTokens: Int, answerTokens: Int, seconds: Double, reason: String) {
        (self.model, self.promptTokens, self.answerTokens, self.seconds, self.reason) = (model, promptTokens, answerTokens, seconds, reason)
    }
}

/// A key with which a program speaks for a user. Only a digest of it is kept.
package struct APIKey: Sendable, Equatable {
    package let id: APIKeyID
    package let name: String
    package let createdAt: Moment
    package let lastUsedAt, revokedAt: Moment?
}

extension String {
    /// What a row is found by has to fit into an index.
    func checkLength(of what: String) throws(StoreError) {
        if utf8.count > 255 { throw .tooLong(what: what, limit: 255) }
    }

    /// As both databases can keep it: PostgreSQL has no U+0000, so it becomes U+FFFD.
    var storable: String {
        guard utf8.contains(0) else { return self }
        return String(String.UnicodeScalarView(unicodeScalars.map { $0 == "\0" ? "\u{FFFD}" : $0 }))
    }
}
