import Files
import Glibc
import Secrets
import TestSupport
import Testing

@Suite struct SecretTests {
    let folder = TemporaryFolder()

    private func weakness(of text: String) -> SigningKeyWeakness? {
        do throws(SigningKeyError) { _ = try SigningKey(validating: text, source: "SLM_JWT_SECRET") } catch {
            if case .weak("SLM_JWT_SECRET", let weakness) = error { return weakness }
        }
        return nil
    }

    @Test func `weak secrets are rejected`() {
        #expect(weakness(of: "") == .short(bytes: 0) && weakness(of: "kJ8vXq2LmZ0pRt5WyB7nCd3FgH6sUa9") == .short(bytes: 31))
        #expect(weakness(of: String(repeating: "a", count: 64)) == .fewDistinct(bytes: 1))
        #expect(weakness(of: "kJ8vXq2LmZ0pRt5WkJ8vXq2LmZ0pRt5W") == .repeated)
        #expect(weakness(of: "battery-staplebattery-staplebattery-sta") == .repeated)
        #expect(weakness(of: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP") == .sequence)
        #expect(weakness(of: "changeme-kJ8vXq2LmZ0pRt5WyB7nCd3FgH6sUa9E") == .wellKnown(word: "changeme"))
        #expect(weakness(of: "my-Super-SECRET-jwt-key-kJ8vXq2LmZ0pRt5W") == .wellKnown(word: "secret"))
        #expect(weakness(of: "your-256-bit-key-goes-here-and-nowhere") == .wellKnown(word: "your-"))
    }

    @Test func `random secrets are accepted`() {
        var random = TestRandom(5)
        for letters in ["0123456789abcdef", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"] {
            for _ in 0..<2_000 {
                let text = String((0..<44).compactMap { _ in letters.randomElement(using: &random) })
                #expect(weakness(of: text) == nil)
            }
        }
    }

    @Test func `a secret is generated once and readable by its owner only`() throws {
        let first = try SigningKey(storedAt: folder("jwt"))
        let second = try SigningKey(storedAt: folder("jwt"))
        var status = stat()
        #expect(stat(folder("jwt"), &status) == 0 && status.st_mode & 0o7777 == 0o600 && status.st_size == 44)
        #expect(folder.names == ["jwt"])
        let text = first.text(of: SessionToken(for: "ada", at: 0, lifetime: 9))
        #expect(try second.token(text, at: 1).subject == "ada")
        let other = try SigningKey(storedAt: folder("other"))
        #expect(throws: SessionTokenError.forged) { try other.token(text, at: 1) }
    }

    @Test func `tasks that start at once share one secret`() async throws {
        let path = folder("jwt"), token = SessionToken(for: "ada", at: 0, lifetime: 9)
        let texts = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<16 { group.addTask { try SigningKey(storedAt: path).text(of: token) } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(texts.count == 1 && folder.names == ["jwt"])
    }

    @Test(arguments: [0o640, 0o604, 0o620, 0o666] as [mode_t])
    func `a file that others can read or change is rejected`(_ mode: mode_t) throws {
        _ = try SigningKey(storedAt: folder("jwt"))
        chmod(folder("jwt"), mode)
        let error = SigningKeyError.insecurePermissions(path: folder("jwt"), mode: String(mode, radix: 8))
        #expect(throws: error) { try SigningKey(storedAt: folder("jwt")) }
    }

    @Test func `short secrets, symbolic links, FIFOs and folders are rejected`() throws {
        folder.write("short\n", to: "short")
        folder.write("", to: "empty")
        for name in ["short", "empty"] { chmod(folder(name), 0o600) }
        #expect(throws: SigningKeyError.weak(source: folder("short"), .short(bytes: 5))) { try SigningKey(storedAt: folder("short")) }
        #expect(throws: SigningKeyError.weak(source: folder("empty"), .short(bytes: 0))) { try SigningKey(storedAt: folder("empty")) }
        _ = try SigningKey(storedAt: folder("jwt"))
        #expect(symlink(folder("jwt"), folder("link")) == 0 && mkfifo(folder("pipe"), 0o600) == 0)
        let isLink = SigningKeyError.unreadable(path: folder("link"), reason: "it is a symbolic link")
        #expect(throws: isLink) { try SigningKey(storedAt: folder("link")) }
        for path in [folder("pipe"), folder.path] {
            #expect(throws: SigningKeyError.unreadable(path: path, reason: "it is not a regular file")) { try SigningKey(storedAt: path) }
        }
        let noFolder = SigningKeyError.notWritten(path: folder("no/jwt"), reason: "No such file or directory")
        #expect(throws: noFolder) { try SigningKey(storedAt: folder("no/jwt")) }
    }

    @Test func `secrets and API keys are never printed`() throws {
        let text = "kJ8vXq2LmZ0pRt5WyB7nCd3FgH6sUa9E", secret = try SigningKey(validating: text, source: "a test")
        var dumped = ""
        dump([secret], to: &dumped)
        for printed in ["\(secret)", String(reflecting: secret), String(describing: [secret]), dumped] {
            #expect(!printed.contains("kJ8v") && !printed.contains("107"))                   // 107 is the byte k
        }
        let key = APIKeyToken()
        #expect(!"\(key)".contains(key.text.dropFirst(4)) && !String(reflecting: [key]).contains(key.text.dropFirst(4)))
    }
}

@Suite struct APIKeyTokenTests {
    @Test func `API keys have a prefix, 256 random bits and a digest`() {
        let key = APIKeyToken()
        #expect(key.text.hasPrefix("slm_") && key.text.utf8.count == 47 && APIKeyToken(key.text)?.digest == key.digest)
        #expect(key.digest.utf8.count == 64 && APIKeyToken().digest != key.digest)
        // Python: hashlib.sha256(b"slm_" + 43 * b"A").hexdigest()
        let digest = "eab0edd41686e9933195b5ba09600f0e91923545a5840092ee54c73fc64a04f8"
        #expect(APIKeyToken("slm_" + String(repeating: "A", count: 43))?.digest == digest)
        for text in [
            "", "slm_", key.text + "A", String(key.text.dropLast()), key.text.replacing("slm_", with: "SLM_"),
            "slm_" + String(repeating: "=", count: 43), "slm_" + String(repeating: "A", count: 42) + "B",
        ] {
            #expect(APIKeyToken(text) == nil)
        }
    }

    @Test func `hashes match known values, and comparisons work`() {
        #expect(SHA256.hex(of: Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(SHA256.hex(of: []) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(ConstantTime.equal("key", "key") && ConstantTime.equal("", ""))
        for guess in ["kez", "", "keys"] { #expect(!ConstantTime.equal(guess, "key")) }
        #expect(!ConstantTime.equal("key", "kez"))
        #expect(Set((0..<200).map { _ in RandomBytes.make(16) }).count == 200 && RandomBytes.make(0) == [])
    }
}
