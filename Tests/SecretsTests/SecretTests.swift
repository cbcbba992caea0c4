import Files
import Glibc
import Secrets
import TestSupport
import Testing

@Suite struct SecretTests {
    let folder = TemporaryFolder()

    private func weakness(of text: String) -> Weakness? {
        do throws(SecretError) { _ = try Secret(checking: text, from: "SLM_JWT_SECRET") } catch {
            if case .weak("SLM_JWT_SECRET", let weakness) = error { return weakness }
        }
        return nil
    }

    @Test func `secrets that are guessed are refused`() {
        #expect(weakness(of: "") == .short(bytes: 0) && weakness(of: "kJ8vXq2LmZ0pRt5WyB7nCd3FgH6sUa9") == .short(bytes: 31))
        #expect(weakness(of: String(repeating: "a", count: 64)) == .fewDifferent(bytes: 1))
        #expect(weakness(of: "kJ8vXq2LmZ0pRt5WkJ8vXq2LmZ0pRt5W") == .repeated && weakness(of: "battery-staplebattery-staplebattery-sta") == .repeated)
        #expect(weakness(of: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP") == .sequence)
        #expect(weakness(of: "changeme-kJ8vXq2LmZ0pRt5WyB7nCd3FgH6sUa9E") == .wellKnown(word: "changeme"))
        #expect(weakness(of: "my-Super-SECRET-jwt-key-kJ8vXq2LmZ0pRt5W") == .wellKnown(word: "secret"))
        #expect(weakness(of: "your-256-bit-key-goes-here-and-nowhere") == .wellKnown(word: "your-"))
    }

    @Test func `secrets that were drawn are taken`() {
        var random = Noise(5)
        for letters in ["0123456789abcdef", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"] {
            for _ in 0..<2_000 { #expect(weakness(of: String((0..<44).compactMap { _ in letters.randomElement(using: &random) })) == nil) }
        }
    }

    @Test func `a secret is made once, for its owner alone`() throws {
        let first = TokenSigner(try Secret(keptIn: folder("jwt"))), second = TokenSigner(try Secret(keptIn: folder("jwt")))
        var status = stat()
        #expect(stat(folder("jwt"), &status) == 0 && status.st_mode & 0o7777 == 0o600 && status.st_size == 44 && folder.names == ["jwt"])
        #expect(try second.token(first.text(of: Token(for: "ada", at: 0, lifetime: 9)), at: 1).subject == "ada")
        let other = TokenSigner(try Secret(keptIn: folder("other")))
        #expect(throws: TokenError.forged) { try other.token(first.text(of: Token(for: "ada", at: 0, lifetime: 9)), at: 1) }
    }

    @Test func `of many that start at once, all have the same`() async throws {
        let path = folder("jwt"), token = Token(for: "ada", at: 0, lifetime: 9)
        let texts = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<16 { group.addTask { TokenSigner(try Secret(keptIn: path)).text(of: token) } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(texts.count == 1 && folder.names == ["jwt"])
    }

    @Test(arguments: [0o640, 0o604, 0o620, 0o666] as [mode_t]) func `a file that others may read or change is refused`(_ mode: mode_t) throws {
        _ = try Secret(keptIn: folder("jwt"))
        chmod(folder("jwt"), mode)
        #expect(throws: SecretError.notPrivate(path: folder("jwt"), mode: String(mode, radix: 8))) { try Secret(keptIn: folder("jwt")) }
    }

    @Test func `what is no file of a secret is refused`() throws {
        folder.write("short\n", to: "short")
        folder.write("", to: "empty")
        for name in ["short", "empty"] { chmod(folder(name), 0o600) }
        #expect(throws: SecretError.weak(source: folder("short"), .short(bytes: 5))) { try Secret(keptIn: folder("short")) }
        #expect(throws: SecretError.weak(source: folder("empty"), .short(bytes: 0))) { try Secret(keptIn: folder("empty")) }
        _ = try Secret(keptIn: folder("jwt"))
        #expect(symlink(folder("jwt"), folder("link")) == 0 && mkfifo(folder("pipe"), 0o600) == 0)
        #expect(throws: SecretError.unreadable(path: folder("link"), reason: "it is a symbolic link")) { try Secret(keptIn: folder("link")) }
        for path in [folder("pipe"), folder.path] { #expect(throws: SecretError.unreadable(path: path, reason: "it is not a file")) { try Secret(keptIn: path) } }
        #expect(throws: SecretError.notWritten(path: folder("no/jwt"), reason: "No such file or directory")) { try Secret(keptIn: folder("no/jwt")) }
    }

    @Test func `nothing prints a secret`() throws {
        let text = "kJ8vXq2LmZ0pRt5WyB7nCd3FgH6sUa9E", secret = try Secret(checking: text, from: "a test")
        var dumped = ""
        dump(secret, to: &dumped)
        dump([TokenSigner(secret)], to: &dumped)
        for printed in ["\(secret)", String(reflecting: secret), String(describing: [secret]), "\(TokenSigner(secret))", dumped] {
            #expect(!printed.contains("kJ8v") && !printed.contains("107"))                   // neither as letters nor as bytes
        }
        let key = ProgramKey()
        #expect(!"\(key)".contains(key.text.dropFirst(4)) && !String(reflecting: [key]).contains(key.text.dropFirst(4)))
    }
}

@Suite struct ProgramKeyTests {
    @Test func `a key is found by its digest`() {
        let key = ProgramKey()
        #expect(key.text.hasPrefix("slm_") && key.text.utf8.count == 47 && ProgramKey(key.text)?.digest == key.digest)
        #expect(key.digest.utf8.count == 64 && ProgramKey().digest != key.digest)
        // Python: hashlib.sha256(b"slm_" + 43 * b"A").hexdigest()
        #expect(ProgramKey("slm_" + String(repeating: "A", count: 43))?.digest == "eab0edd41686e9933195b5ba09600f0e91923545a5840092ee54c73fc64a04f8")
        for text in ["", "slm_", key.text + "A", String(key.text.dropLast()), key.text.replacing("slm_", with: "SLM_"), "slm_" + String(repeating: "=", count: 43), "slm_" + String(repeating: "A", count: 42) + "B"] {
            #expect(ProgramKey(text) == nil)
        }
    }

    @Test func `digests and comparisons are what they should be`() {
        #expect(SHA256.hex(of: Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(SHA256.hex(of: []) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(ConstantTime.equal("key", "key") && ConstantTime.equal("", "") && !ConstantTime.equal("key", "kez") && !ConstantTime.equal("", "key") && !ConstantTime.equal("keys", "key"))
        #expect(Set((0..<200).map { _ in RandomBytes.make(16) }).count == 200 && RandomBytes.make(0) == [])
    }
}
