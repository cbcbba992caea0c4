import Glibc
package import Secrets
package import Store

/// The key that signs session tokens.
///
///     let key = try Secret(signingKeyIn: "slm_chat.db.secret", environment: nil, store) { print($0) }
extension Secret {
    private static let digestSetting = "jwt_secret_digest"

    /// Takes the key from the environment or from a file, which is created if it does not exist.
    ///
    /// - Parameters:
    ///   - text: The value of `SLM_JWT_SECRET`, which takes precedence over the file.
    ///   - note: Receives sentences for the operator.
    package init(signingKeyIn path: String, environment text: String?, _ store: Store, note: (String) -> Void) throws {
        if let text {
            self = try Secret(validating: text, source: "SLM_JWT_SECRET")
        } else {
            self = try Secret(storedAt: path)
        }
        try checkDigest(store, note)
    }

    /// Compares the key with the last one used. Servers that share a database accept each other's sessions only with the same key.
    private func checkDigest(_ store: Store, _ note: (String) -> Void) throws {
        let known = try store.setting(Self.digestSetting)
        guard known != digest else { return }
        try SigningKeyError.check(digest, store)
        try store.set(Self.digestSetting, to: digest)
        if known != nil {
            note("the key that signs session tokens has changed, so all users have to sign in again. Servers that share a database need "
                + "the same key: set SLM_JWT_SECRET, or copy the key's file.")
        }
    }
}

/// Servers that share a database sign session tokens with different keys.
package enum SigningKeyError: Error, Equatable, CustomStringConvertible {
    /// The names of the other servers.
    case differs(from: [String])

    package var description: String {
        switch self {
        case .differs(let servers):
            "expected the key that signs session tokens on \(servers.joined(separator: ", ")), found another one: users would be signed "
                + "out at random. Set SLM_JWT_SECRET to the same value on all servers of the database, or copy the key's file "
                + "(--secret-file)."
        }
    }

    /// Throws if a server that is alive has another key. A server that was killed a moment ago still counts as alive, so this waits until
    /// its last heartbeat is too old.
    static func check(_ digest: String, _ store: Store) throws {
        let end = ContinuousClock.now + store.leaseTime + .seconds(1)
        while true {
            let others = try store.servers(withOtherKeyThan: digest)
            if others.isEmpty { return }
            guard ContinuousClock.now < end else { throw differs(from: others) }
            usleep(200_000)
        }
    }
}
