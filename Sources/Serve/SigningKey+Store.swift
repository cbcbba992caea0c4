import Glibc
package import Secrets
package import Store

extension SigningKey {
    private static let digestSetting = "jwt_secret_digest"

    /// Takes the key from the environment or from a file, which is created if it does not exist.
    ///
    ///     let key = try SigningKey(in: "slm_chat.db.secret", environment: nil, store) { print($0) }
    ///
    /// - Parameters:
    ///   - text: The value of `SLM_JWT_SECRET`, which takes precedence over the file.
    ///   - note: Receives sentences for the operator.
    package init(in path: String, environment text: String?, _ store: Store, note: (String) -> Void) throws {
        if let text {
            self = try SigningKey(validating: text, source: "SLM_JWT_SECRET")
        } else {
            self = try SigningKey(storedAt: path)
        }
        try checkDigest(store, note)
    }

    /// Compares the key with the last one used. Servers that share a database accept each other's sessions only with the same key.
    private func checkDigest(_ store: Store, _ note: (String) -> Void) throws {
        let known = try store.setting(Self.digestSetting)
        guard known != digest else { return }
        try Self.checkServers(of: store, have: digest)
        try store.set(Self.digestSetting, to: digest)
        if known != nil {
            note("the key that signs session tokens has changed, so all users have to sign in again. Servers that share a database need "
                + "the same key: set SLM_JWT_SECRET, or copy the key's file.")
        }
    }

    /// Throws if a server that is alive has another key. A server that was killed a moment ago still counts as alive, so this waits until
    /// its last heartbeat is too old.
    static func checkServers(of store: Store, have digest: String) throws {
        let end = ContinuousClock.now + store.leaseTime + .seconds(1)
        while true {
            let others = try store.servers(withOtherKeyThan: digest)
            if others.isEmpty { return }
            guard ContinuousClock.now < end else { throw SigningKeyError.differs(from: others) }
            usleep(200_000)
        }
    }
}
