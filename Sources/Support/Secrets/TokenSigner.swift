import CSodium
import JSON

/// Signs tokens, and knows its own again: JSON Web Tokens (RFC 7519) with HMAC-SHA-256 (`HS256`) and nothing else.
///
///     let signer = TokenSigner(secret)
///
/// Another algorithm, `none` among them, is refused by name, and nothing of what a token says is read before its signature is found to be right.
package struct TokenSigner: Sendable {
    private let secret: Secret
    /// Ours have some 250 bytes.
    private static let longest = 2_048
    private static let header = Base64.text(Array(#"{"alg":"HS256","typ":"JWT"}"#.utf8))

    /// - Parameter secret: Of any length, at least 32 bytes: HMAC takes the digest of one that is longer than its block.
    package init(_ secret: Secret) { self.secret = secret }

    package func text(of token: Token) -> String {
        var claims = JSONWriter()
        claims.object {
            $0.key("sub"); $0.string(token.subject)
            $0.key("iat"); $0.integer(token.issuedAt)
            $0.key("exp"); $0.integer(token.expiresAt)
            $0.key("jti"); $0.string(token.id)
        }
        let signed = "\(Self.header).\(Base64.text(claims.bytes))"
        return "\(signed).\(Base64.text(signature(of: signed)))"
    }

    package func token(_ text: String, at now: Int) throws(TokenError) -> Token {
        guard text.utf8.count <= Self.longest else { throw .malformed(reason: "it is longer than \(Self.longest) bytes") }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw .malformed(reason: "it has \(parts.count) parts instead of 3") }
        try checkHeader(parts[0])
        guard let signature = Base64.bytes(parts[2]) else { throw .malformed(reason: "the signature is not in base64url") }
        guard isSignature(signature, of: "\(parts[0]).\(parts[1])") else { throw .forged }
        let token = try claims(parts[1])
        if token.expiresAt <= now { throw .expired(since: token.expiresAt) }
        return token
    }

    private func checkHeader(_ part: Substring) throws(TokenError) {
        if part == Self.header { return }
        let header = try Self.object(part, "the header")
        guard header["alg"]?.isString("HS256") ?? false else { throw .malformed(reason: "it is not signed with HS256") }
        guard header["typ"].map({ $0.isString("JWT") }) ?? true else { throw .malformed(reason: "its type is not JWT") }
        guard header["crit"] == nil else { throw .malformed(reason: "it asks for extensions") }
    }

    private func claims(_ part: Substring) throws(TokenError) -> Token {
        let claims = try Self.object(part, "what it says")
        do {
            return try Token(subject: claims.string("sub"), issuedAt: claims.integer("iat"), expiresAt: claims.integer("exp"), id: claims.string("jti"))
        } catch { throw .malformed(reason: "\(error)") }
    }

    private static func object(_ part: Substring, _ name: String) throws(TokenError) -> JSONElement {
        guard let bytes = Base64.bytes(part) else { throw .malformed(reason: "\(name) is not in base64url") }
        var parser = JSONParser()
        do {
            let root = try parser.parse(bytes)
            if root.kind == .object { return root }
        } catch {}                                               // the same sentence: where it breaks helps nobody who signs in
        throw .malformed(reason: "\(name) is no JSON object")
    }

    private func signature(of text: String) -> [UInt8] {
        let message = Array(text.utf8)
        var state = crypto_auth_hmacsha256_state()
        crypto_auth_hmacsha256_init(&state, secret.bytes, secret.bytes.count)
        crypto_auth_hmacsha256_update(&state, message, UInt64(message.count))
        var signature = [UInt8](repeating: 0, count: Int(crypto_auth_hmacsha256_BYTES))
        crypto_auth_hmacsha256_final(&state, &signature)
        return signature
    }

    private func isSignature(_ bytes: [UInt8], of text: String) -> Bool {
        let right = signature(of: text)
        return bytes.count == right.count && sodium_memcmp(bytes, right, right.count) == 0
    }
}
