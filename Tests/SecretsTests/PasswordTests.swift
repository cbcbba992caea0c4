import Secrets
import Synchronization
import Testing

@Suite struct PasswordTests {
    let passwords = PasswordHasher(cost: 4)

    @Test func `only the hashed password verifies`() throws {
        let hash = try passwords.hash("correct horse")
        #expect(hash.hasPrefix("$2b$04$") && hash.utf8.count == 60)
        #expect(passwords.verify("correct horse", against: hash) && PasswordHasher().verify("correct horse", against: hash))
        for wrong in ["correct hors", "correct horse ", "Correct horse", "", hash] { #expect(!passwords.verify(wrong, against: hash)) }
        #expect(try passwords.hash("correct horse") != hash)                    // a different salt
        #expect(PasswordHasher.defaultCost == 12)
    }

    /// The first is a test vector of bcrypt's authors. The others were computed by libxcrypt's `crypt` from Python, the last two of the
    /// base64 of Python's SHA-256.
    @Test(arguments: [
        ("U*U", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        ("correct horse", "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"),
        (String(repeating: "ü", count: 36), "$2b$04$abcdefghijklmnopqrstuuOpC9dTG2WsKNcYAQYyllT7OMl4pRk1S"),
        (String(repeating: "x", count: 73), "$2b$04$abcdefghijklmnopqrstuu1QFLCSIi24M6jYRTQl3M6yob0afu182"),
        ("nul\0inside", "$2b$04$abcdefghijklmnopqrstuu6dD14fpE8FhsIsWTIwwpgxvG3Jy/4m6"),
    ]) func `hashes of other implementations verify`(_ password: String, _ hash: String) {
        #expect(passwords.verify(password, against: hash))
        #expect(!passwords.verify(password + "!", against: hash))
    }

    @Test(arguments: [72, 73, 200, 1_024]) func `every byte of a long password matters`(_ count: Int) throws {
        let password = String(repeating: "a", count: count - 1), hash = try passwords.hash(password + "b")
        #expect(passwords.verify(password + "b", against: hash))
        #expect(!passwords.verify(password + "c", against: hash) && !passwords.verify(password, against: hash))
    }

    @Test func `every byte after a NUL matters`() throws {
        let hash = try passwords.hash("12345678\0right")
        #expect(passwords.verify("12345678\0right", against: hash))
        #expect(!passwords.verify("12345678\0wrong", against: hash) && !passwords.verify("12345678", against: hash))
    }

    @Test func `the minimum is in characters, the maximum in bytes`() throws {
        #expect(throws: PasswordError.tooShort(characters: 7)) { try passwords.hash("1234567") }
        #expect(throws: PasswordError.tooLong(bytes: 1_025)) { try passwords.hash(String(repeating: "x", count: 1_025)) }
        #expect(passwords.verify("ünïcödés", against: try passwords.hash("ünïcödés")))            // 12 bytes
        #expect("\(PasswordError.tooLong(bytes: 2_000))" == "the password has 2000 bytes; the limit is 1024. Choose a shorter one.")
    }

    /// libcrypt reports failures as strings such as *0, which must not be accepted as hashes, nor may hashes of weaker methods.
    @Test(arguments: [
        nil, "", "*0", "*1", "x", "$2b$", "$2b$04$abcdefghijklmnopqrstuu", "$2b$99$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
        "$1$abcdefgh$irWbblnpmw.5z7wgBnprh0", "ab0tFN8ZxPZ2E", "$2b$04$abcdefghijklmnopqrstuu1QFLCSIi24M6jYRTQl3M6yob0afu182\0x",
    ])
    func `no password verifies against a missing or invalid hash`(_ hash: String?) {
        for password in ["", "*0", "password", hash ?? ""] { #expect(!passwords.verify(password, against: hash)) }
    }

    /// The time of `verify` is that of its hashes.
    @Test func `verifying without a valid hash costs one hash, as with one`() throws {
        let costs = Mutex<[String]>([])
        let passwords = PasswordHasher(cost: 5) { cost in costs.withLock { $0.append(cost) } }
        let hash = try passwords.hash("correct horse")
        #expect(costs.withLock { $0 } == ["05"])
        for given in [hash, nil, "", "*0", "x", "$2b$", "$1$abcdefgh$irWbblnpmw.5z7wgBnprh0"] {
            costs.withLock { $0 = [] }
            #expect(!passwords.verify("wrong horse", against: given))
            #expect(costs.withLock { $0 } == ["05"], "\(given ?? "nil")")
        }
    }
}
