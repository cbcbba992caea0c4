import JSON
import Secrets
import TestSupport
import Testing

@Suite struct SessionTokenTests {
    static let key = "kJ8vXq2LmZ0pRt5WyB7nCd3FgH6sUa9E-golden"
    let signingKey: SigningKey

    init() throws { signingKey = try SigningKey(validating: Self.key, source: "a test") }

    /// Created by Python's hmac and json with the same key.
    static let golden = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + payload
        + ".pMCefjTrqSw_6Z5SttghYJx_L-4ZYGagkwqDzNfW1yk"
    static let reorderedHeader = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9." + payload
        + ".LNC959HyzgERN5x6RDRxjoA6bJ1LvJa7r19MFJm-G8s"

    private static let payload = "eyJzdWIiOiI1aDF2a3owdzdjNG04cTJyOXQzZTZ5MGJuYSIsImlhdCI6MTcw"
        + "MDAwMDAwMCwiZXhwIjoxNzAwMDAzNjAwLCJqdGkiOiJvbmUiLCJlcG9jaCI6M30"

    private func error(for text: String, at now: Int = 1_700_000_000) -> SessionTokenError? {
        do throws(SessionTokenError) { _ = try signingKey.token(text, at: now) } catch { return error }
        return nil
    }

    @Test func `a signed token is valid until it expires`() throws {
        let token = SessionToken(for: "ada", at: 1_000, lifetime: 60), text = signingKey.text(of: token)
        #expect(try signingKey.token(text, at: 1_000) == token && signingKey.token(text, at: 1_059) == token)
        #expect(error(for: text, at: 1_060) == .expired(since: 1_060) && error(for: text, at: .max) == .expired(since: 1_060))
        #expect(SessionToken(for: "ada", at: 1_000, lifetime: 60).id != token.id)
        #expect(text.split(separator: ".").count == 3 && !text.contains("="))
    }

    @Test func `tokens match those of other implementations`() throws {
        #expect(signed(Self.golden.split(separator: ".")[..<2].joined(separator: ".")) == Self.golden)
        for text in [Self.golden, Self.reorderedHeader] {
            let token = try signingKey.token(text, at: 1_700_003_599)
            #expect(token.subject == "5h1vkz0w7c4m8q2r9t3e6y0bna" && token.id == "one" && token.epoch == 3)
            #expect(token.issuedAt == 1_700_000_000 && token.expiresAt == 1_700_003_600)
            #expect(signingKey.text(of: token) == Self.golden)
        }
    }

    @Test func `a token with a wrong signature is rejected`() throws {
        let other = try SigningKey(validating: Self.key + "!", source: "a test")
        let token = SessionToken(for: "ada", at: 1_000, lifetime: 60)
        #expect(error(for: other.text(of: token)) == .forged)
        let valid = signingKey.text(of: token).split(separator: ".")
        let eve = signingKey.text(of: SessionToken(for: "eve", at: 1_000, lifetime: 60)).split(separator: ".")
        #expect(error(for: "\(valid[0]).\(eve[1]).\(valid[2])") == .forged)
        #expect(error(for: "\(valid[0]).\(valid[1]).") == .forged)
        #expect(error(for: "\(valid[0]).\(valid[1]).\(valid[2].dropLast(3))") == .forged)
        #expect(error(for: signingKey.text(of: token), at: 2_000) == .expired(since: 1_060))
        // The signature is checked before the expiry.
        #expect(error(for: other.text(of: token), at: 2_000) == .forged)
    }

    /// All are signed with the right secret; the header is the reason to reject them.
    @Test(arguments: [
        #"{"alg":"none"}"#, #"{"alg":"None","typ":"JWT"}"#, #"{"alg":"hs256","typ":"JWT"}"#, #"{"alg":"RS256"}"#, #"{"alg":"HS512"}"#,
        #"{"typ":"JWT"}"#, "{}", "[]", "null", "", #"{"alg":["HS256"]}"#, #"{"alg":"HS256","typ":"JWE"}"#,
        #"{"alg":"HS256","crit":["exp"]}"#, #"{"alg":"HS256 "}"#, #"{"alg":"HS256","alg":"none"}"#, #"{"alg":"HS256"}x"#,
    ])
    func `other algorithms, types and extensions are rejected`(_ header: String) throws {
        let body = Self.golden.split(separator: ".")[1]
        for text in ["\(base64url(header)).\(body).", signed("\(base64url(header)).\(body)")] {
            guard case .malformed = error(for: text) else {
                Issue.record("\(header) is accepted")
                continue
            }
        }
    }

    @Test func `malformed tokens are rejected`() throws {
        let parts = Self.golden.split(separator: ".")
        let header = parts[0], body = parts[1], signature = parts[2]
        let last = signature.last.map { $0 == "o" ? "p" : "q" } ?? ""                       // same bytes, different unused bits
        let malformed: [String] = [
            "", ".", "..", "...", "\(header)", "\(header).\(body)", "\(Self.golden).", ".\(Self.golden)",
            "\(Self.golden).\(signature)", "\(Self.golden)=", " \(Self.golden)", "\(Self.golden)\n",
            "\(header)=.\(body).\(signature)", "\(header).\(body).\(signature.dropLast())\(last)",
            "\(header).\(body).\(signature.replacing("_", with: "/").replacing("-", with: "+"))",
            "\(header).\(body).\(signature)AA", String(repeating: "a", count: 100_000), "ü.ü.ü", "\(header).\(body).\u{0}\(signature)",
        ]
        for text in malformed {
            guard case .malformed = error(for: text) else {
                Issue.record("\(text.prefix(400)) is accepted, or has a valid format")
                continue
            }
        }
        #expect(error(for: Self.golden) == nil)
        #expect(error(for: "a.b")?.description == "invalid session token: expected 3 parts, found 2. Sign in again.")
    }

    @Test func `fuzz: every change of a token is rejected`() {
        var mutator = Mutator(seed: 11, words: [".", "..", "=", "eyJhbGciOiJub25lIn0", "\n", "é"])
        for _ in 0..<fuzzRounds(default: 3_000) {
            var bytes = Array(Self.golden.utf8)
            mutator.damage(&bytes)
            let text = String(decoding: bytes, as: UTF8.self)
            let isAccepted = error(for: text) == nil
            #expect(isAccepted == (text == Self.golden))
        }
    }

    /// Another program with the same secret may sign any payload.
    @Test func `fuzz: a signed payload is parsed or rejected`() throws {
        var mutator = Mutator(seed: 12, words: ["null", "-1", "1e400", "\"", "{", "99999999999999999999", "\"exp\":"])
        let claims = Array(#"{"sub":"ada","iat":1700000000,"exp":1700003600,"jti":"one","epoch":0}"#.utf8)
        var accepted = 0, rejected = 0
        for _ in 0..<fuzzRounds(default: 3_000) {
            var bytes = claims
            mutator.damage(&bytes)
            let text = signed(base64url(#"{"alg":"HS256"}"#) + "." + base64url(bytes))
            switch error(for: text) {
            case nil, .expired: accepted += 1
            case .malformed: rejected += 1
            case .forged: Issue.record("a valid signature was rejected")
            }
        }
        #expect(accepted > 0 && rejected > 0)
    }

    /// HMAC (RFC 2104), written out.
    private func signed(_ text: String) -> String {
        let key = Array(Self.key.utf8) + [UInt8](repeating: 0, count: 64 - Self.key.utf8.count)
        let inner = SHA256.digest(of: key.map { $0 ^ 0x36 } + Array(text.utf8))
        return "\(text).\(base64url(SHA256.digest(of: key.map { $0 ^ 0x5C } + inner)))"
    }

    private func base64url(_ text: String) -> String { base64url(Array(text.utf8)) }

    /// A slow reference implementation.
    private func base64url(_ bytes: [UInt8]) -> String {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        let bits = bytes.flatMap { byte in (0..<8).map { byte >> (7 - UInt8($0)) & 1 } }
        return String(stride(from: 0, to: bits.count, by: 6).map { start in
            letters[(0..<6).reduce(0) { $0 << 1 | (start + $1 < bits.count ? Int(bits[start + $1]) : 0) }]
        })
    }
}
