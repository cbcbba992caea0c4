import JSON
import Secrets
import TestSupport
import Testing

@Suite struct TokenTests {
    static let key = "kJ8vXq2LmZ0pRt5WyB7nCd3FgH6sUa9E-golden"
    let signer: TokenSigner

    init() throws { signer = TokenSigner(try Secret(checking: Self.key, from: "a test")) }

    /// Written by Python's hmac and json with the same key.
    static let golden = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI1aDF2a3owdzdjNG04cTJyOXQzZTZ5MGJuYSIsImlhdCI6MTcwMDAwMDAwMCwiZXhwIjoxNzAwMDAzNjAwLCJqdGkiOiJvbmUifQ"
        + "._FqZceCNLFeSBrUy7M6vrigGEfRhFmZc2rfg0e-em5o"
    static let otherOrder = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI1aDF2a3owdzdjNG04cTJyOXQzZTZ5MGJuYSIsImlhdCI6MTcwMDAwMDAwMCwiZXhwIjoxNzAwMDAzNjAwLCJqdGkiOiJvbmUifQ"
        + ".PfyUbpp4G56t5eyU8BfIkXuDdjjsdRAdKpJoZUAZ1QY"

    private func refusal(_ text: String, at now: Int = 1_700_000_000) -> TokenError? {
        do throws(TokenError) { _ = try signer.token(text, at: now) } catch { return error }
        return nil
    }

    @Test func `what was signed is read again, until it expires`() throws {
        let token = Token(for: "ada", at: 1_000, lifetime: 60), text = signer.text(of: token)
        #expect(try signer.token(text, at: 1_000) == token && signer.token(text, at: 1_059) == token)
        #expect(refusal(text, at: 1_060) == .expired(since: 1_060) && refusal(text, at: .max) == .expired(since: 1_060))
        #expect(Token(for: "ada", at: 1_000, lifetime: 60).id != token.id)
        #expect(text.split(separator: ".").count == 3 && !text.contains("="))
    }

    @Test func `tokens are what others make them`() throws {
        #expect(signed(Self.golden.split(separator: ".")[..<2].joined(separator: ".")) == Self.golden)
        for text in [Self.golden, Self.otherOrder] {
            let token = try signer.token(text, at: 1_700_003_599)
            #expect(token.subject == "5h1vkz0w7c4m8q2r9t3e6y0bna" && token.issuedAt == 1_700_000_000 && token.expiresAt == 1_700_003_600 && token.id == "one")
            #expect(signer.text(of: token) == Self.golden)
        }
    }

    @Test func `another secret, and another text, is forged`() throws {
        let other = TokenSigner(try Secret(checking: Self.key + "!", from: "a test")), token = Token(for: "ada", at: 1_000, lifetime: 60)
        #expect(refusal(other.text(of: token)) == .forged)
        let mine = signer.text(of: token).split(separator: "."), eve = signer.text(of: Token(for: "eve", at: 1_000, lifetime: 60)).split(separator: ".")
        #expect(refusal("\(mine[0]).\(eve[1]).\(mine[2])") == .forged)
        #expect(refusal("\(mine[0]).\(mine[1]).") == .forged && refusal("\(mine[0]).\(mine[1]).\(mine[2].dropLast(3))") == .forged)
        #expect(refusal(signer.text(of: token), at: 2_000) == .expired(since: 1_060))           // forged ones are not told when they would have expired
        #expect(refusal(other.text(of: token), at: 2_000) == .forged)
    }

    /// Signed with our secret, all of them: it is the header that is refused.
    @Test(arguments: [#"{"alg":"none"}"#, #"{"alg":"None","typ":"JWT"}"#, #"{"alg":"hs256","typ":"JWT"}"#, #"{"alg":"RS256"}"#, #"{"alg":"HS512"}"#, #"{"typ":"JWT"}"#, "{}", "[]", "null", "",
                      #"{"alg":["HS256"]}"#, #"{"alg":"HS256","typ":"JWE"}"#, #"{"alg":"HS256","crit":["exp"]}"#, #"{"alg":"HS256 "}"#, #"{"alg":"HS256","alg":"none"}"#, #"{"alg":"HS256"}x"#])
    func `a header that asks for anything else is refused`(_ header: String) throws {
        let body = Self.golden.split(separator: ".")[1]
        for text in ["\(address(header)).\(body).", signed("\(address(header)).\(body)")] {
            guard case .malformed = refusal(text) else {
                Issue.record("\(header) is taken")
                continue
            }
        }
    }

    @Test func `whatever is not written as we write it is refused`() throws {
        let parts = Self.golden.split(separator: "."), (header, body, signature) = (parts[0], parts[1], parts[2])
        let last = signature.last.map { $0 == "o" ? "p" : "q" } ?? ""                       // the same bytes, but for bits that are left over
        let written: [String] = ["", ".", "..", "...", "\(header)", "\(header).\(body)", "\(Self.golden).", ".\(Self.golden)", "\(Self.golden).\(signature)", "\(Self.golden)=", " \(Self.golden)", "\(Self.golden)\n",
                                 "\(header)=.\(body).\(signature)", "\(header).\(body).\(signature.dropLast())\(last)", "\(header).\(body).\(signature.replacing("_", with: "/").replacing("-", with: "+"))",
                                 "\(header).\(body).\(signature)AA", String(repeating: "a", count: 100_000), "ü.ü.ü", "\(header).\(body).\u{0}\(signature)"]
        for text in written {
            guard case .malformed = refusal(text) else {
                Issue.record("\(text.prefix(400)) is taken, or forged")
                continue
            }
        }
        #expect(refusal(Self.golden) == nil)
        #expect(refusal("a.b")?.description == "this is no token of ours: it has 2 parts instead of 3. Sign in again.")
    }

    @Test func `whatever comes is refused, unless it is the token itself`() {
        var mutator = Mutator(seed: 11, words: [".", "..", "=", "eyJhbGciOiJub25lIn0", "\n", "é"])
        for _ in 0..<fuzzRounds(else: 3_000) {
            var bytes = Array(Self.golden.utf8)
            mutator.damage(&bytes)
            let text = String(decoding: bytes, as: UTF8.self)
            let isTaken = refusal(text) == nil
            #expect(isTaken == (text == Self.golden))
        }
    }

    /// What comes behind a right signature may be anything, too, if another program has the secret.
    @Test func `whatever was signed is read, or refused`() throws {
        var mutator = Mutator(seed: 12, words: ["null", "-1", "1e400", "\"", "{", "99999999999999999999", "\"exp\":"])
        let claims = Array(#"{"sub":"ada","iat":1700000000,"exp":1700003600,"jti":"one"}"#.utf8)
        var taken = 0, refused = 0
        for _ in 0..<fuzzRounds(else: 3_000) {
            var bytes = claims
            mutator.damage(&bytes)
            let text = signed(address(#"{"alg":"HS256"}"#) + "." + address(bytes))
            switch refusal(text) {
            case nil, .expired: taken += 1
            case .malformed: refused += 1
            case .forged: Issue.record("a right signature is forged")
            }
        }
        #expect(taken > 0 && refused > 0)
    }

    /// HMAC (RFC 2104) as it is written down.
    private func signed(_ text: String) -> String {
        let key = Array(Self.key.utf8) + [UInt8](repeating: 0, count: 64 - Self.key.utf8.count)
        let inner = SHA256.digest(of: key.map { $0 ^ 0x36 } + Array(text.utf8))
        return "\(text).\(address(SHA256.digest(of: key.map { $0 ^ 0x5C } + inner)))"
    }

    private func address(_ text: String) -> String { address(Array(text.utf8)) }

    /// Base64url, the plain way.
    private func address(_ bytes: [UInt8]) -> String {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        let bits = bytes.flatMap { byte in (0..<8).map { byte >> (7 - UInt8($0)) & 1 } }
        return String(stride(from: 0, to: bits.count, by: 6).map { start in
            letters[(0..<6).reduce(0) { $0 << 1 | (start + $1 < bits.count ? Int(bits[start + $1]) : 0) }]
        })
    }
}
