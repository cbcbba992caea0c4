import Base64
import CSodium
import JSON

/// Session tokens are JSON Web Tokens (RFC 7519) with HMAC-SHA-256 (`HS256`). Other algorithms, including `none`, are rejected. Claims are
/// parsed only after the signature has been verified.
extension SigningKey {
    /// Typical tokens have 250 bytes.
    private static let maxBytes = 2_048
    private static let header = Base64.text(of: Array(#"{"alg":"HS256","typ":"JWT"}"#.utf8))

    package func text(of token: SessionToken) -> String {
        var claims = JSONWriter()
        claims.object {
            $0["sub"] = token.subject
            $0["iat"] = token.issuedAt
            $0["exp"] = token.expiresAt
            $0["jti"] = token.id
            $0["epoch"] = token.epoch
        }
        let signed = "\(Self.header).\(Base64.text(of: claims.bytes))"
        return "\(signed).\(Base64.text(of: signature(of: signed)))"
    }

    package func token(_ text: String, at now: Int) throws(SessionTokenError) -> SessionToken {
        guard text.utf8.count <= Self.maxBytes else { throw .malformed(reason: "it is longer than \(Self.maxBytes) bytes") }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw .malformed(reason: "expected 3 parts, found \(parts.count)") }
        try checkHeader(parts[0])
        guard let signature = Base64.bytes(of: parts[2]) else { throw .malformed(reason: "the signature is not base64url") }
        guard isSignature(signature, of: "\(parts[0]).\(parts[1])") else { throw .forged }
        let token = try claims(parts[1])
        if token.expiresAt <= now { throw .expired(since: token.expiresAt) }
        return token
    }

    private func checkHeader(_ part: Substring) throws(SessionTokenError) {
        if part == Self.header { return }
        let header = try Self.object(part, "the header")
        guard header["alg"]?.isString("HS256") ?? false else { throw .malformed(reason: "its algorithm is not HS256") }
        guard header["typ"].map({ $0.isString("JWT") }) ?? true else { throw .malformed(reason: "its type is not JWT") }
        guard header["crit"] == nil else { throw .malformed(reason: "its header has critical extensions") }
    }

    private func claims(_ part: Substring) throws(SessionTokenError) -> SessionToken {
        let claims = try Self.object(part, "the payload")
        do {
            return try SessionToken(
                subject: claims.string("sub"), issuedAt: claims.integer("iat"), expiresAt: claims.integer("exp"), id: claims.string("jti"),
                epoch: claims.integer("epoch"))
        } catch { throw .malformed(reason: "\(error)") }
    }

    private static func object(_ part: Substring, _ name: String) throws(SessionTokenError) -> JSONElement {
        guard let bytes = Base64.bytes(of: part) else { throw .malformed(reason: "\(name) is not base64url") }
        do {
            let root = try JSONElement(parsing: bytes)
            if root.kind == .object { return root }
        } catch {}                                               // the position of the syntax error does not help the user
        throw .malformed(reason: "\(name) is not a JSON object")
    }

    private func signature(of text: String) -> [UInt8] {
        let message = Array(text.utf8)
        var state = crypto_auth_hmacsha256_state()
        crypto_auth_hmacsha256_init(&state, bytes, bytes.count)
        crypto_auth_hmacsha256_update(&state, message, UInt64(message.count))
        var signature = [UInt8](repeating: 0, count: Int(crypto_auth_hmacsha256_BYTES))
        crypto_auth_hmacsha256_final(&state, &signature)
        return signature
    }

    private func isSignature(_ bytes: [UInt8], of text: String) -> Bool {
        let expected = signature(of: text)
        return bytes.count == expected.count && sodium_memcmp(bytes, expected, expected.count) == 0
    }
}
