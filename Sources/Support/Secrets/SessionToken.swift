import Base64

/// The claims of a session token (JWT): the user who signed in, and when the session expires.
///
///     let token = SessionToken(for: user.description, id: session.description, epoch: 0, at: now, lifetime: 86_400)
///     let text = key.text(of: token)                           // "eyJhbGci….eyJzdWIi….k3Jx…"
///     try key.token(text, at: now).subject                     // throws if the token is invalid
package struct SessionToken: Sendable, Equatable {
    package let subject: String
    /// Seconds since 1970-01-01 UTC. At `expiresAt` the token is no longer valid.
    package let issuedAt, expiresAt: Int
    /// Unique for each token: the id of its session.
    package let id: String
    /// The token is valid only as long as the user has the same epoch.
    package let epoch: Int
}

extension SessionToken {
    /// - Parameter id: nil for a random one.
    package init(for subject: String, id: String? = nil, epoch: Int = 0, at now: Int, lifetime: Int) {
        let id = id ?? Base64.text(of: RandomBytes.make(16))
        self.init(subject: subject, issuedAt: now, expiresAt: now + lifetime, id: id, epoch: epoch)
    }
}

/// Why a session token is rejected. Descriptions contain no part of the token.
package enum SessionTokenError: Error, Equatable, CustomStringConvertible {
    /// Not a JSON Web Token of the expected kind.
    case malformed(reason: String)
    /// Not signed with this server's key.
    case forged
    /// `since` is in seconds since 1970-01-01 UTC.
    case expired(since: Int)

    package var description: String {
        switch self {
        case .malformed(let reason): "invalid session token: \(reason). Sign in again."
        case .forged: "the session token was not signed by this server. Sign in again."
        case .expired: "the session has expired. Sign in again."
        }
    }
}
