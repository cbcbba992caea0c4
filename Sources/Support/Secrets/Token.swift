/// Who somebody is, signed by us, until it expires.
///
///     let token = Token(for: user.description, at: now, lifetime: 86_400)
///     let text = signer.text(of: token)                        // "eyJhbGci….eyJzdWIi….k3Jx…"
///     try signer.token(text, at: now).subject                  // throws what is wrong with it
package struct Token: Sendable, Equatable {
    package let subject: String
    /// Seconds since 1970, UTC. From `expiresAt` on it is no longer valid.
    package let issuedAt, expiresAt: Int
    /// Another for each token.
    package let id: String

    package init(for subject: String, at now: Int, lifetime: Int) {
        (self.subject, issuedAt, expiresAt, id) = (subject, now, now + lifetime, Base64.text(RandomBytes.make(16)))
    }

    init(subject: String, issuedAt: Int, expiresAt: Int, id: String) {
        (self.subject, self.issuedAt, self.expiresAt, self.id) = (subject, issuedAt, expiresAt, id)
    }
}

/// Why a token is not taken. None of the descriptions holds a part of it.
package enum TokenError: Error, Equatable, CustomStringConvertible {
    /// No JSON Web Token, or not one of the kind that we write.
    case malformed(reason: String)
    /// Not signed with our secret.
    case forged
    /// Since when, in seconds since 1970.
    case expired(since: Int)

    package var description: String {
        switch self {
        case .malformed(let reason): "this is no token of ours: \(reason). Sign in again."
        case .forged: "the token was not signed by this server. Sign in again."
        case .expired: "the token has expired. Sign in again."
        }
    }
}
