import Base64
import TestSupport
import Testing

@Suite struct Base64Tests {
    /// RFC 4648, section 10.
    static let vectors = [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ]

    @Test(arguments: vectors)
    func `the vectors of RFC 4648`(plain: String, encoded: String) {
        let unpadded = encoded.replacing("=", with: "")
        #expect(Base64.text(of: plain.utf8, .standard) == encoded)
        #expect(Base64.bytes(of: encoded, .standard) == Array(plain.utf8))
        #expect(Base64.text(of: plain.utf8, .urlSafe) == unpadded)
        #expect(Base64.bytes(of: unpadded, .urlSafe) == Array(plain.utf8))
    }

    @Test func `both alphabets encode every value`() {
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
        var bytes: [UInt8] = []
        for first in stride(from: UInt32(0), to: 64, by: 4) {
            let bits = first << 18 | (first + 1) << 12 | (first + 2) << 6 | (first + 3)
            bytes += [16, 8, 0].map { UInt8(truncatingIfNeeded: bits >> UInt32($0)) }
        }
        for (variant, text) in [(Base64.Variant.standard, letters + "+/"), (.urlSafe, letters + "-_")] {
            #expect(Base64.text(of: bytes, variant) == text)
            #expect(Base64.bytes(of: text, variant) == bytes)
        }
    }

    @Test(arguments: [
        "Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zh==", "Zm9=", "Zm8=Zm8=", "Zg==\n", " Zg==", "Z*==", "Zm9v=", "-_8=", "Zm9\u{0}",
        "Zü==",
    ])
    func `malformed standard Base64 is rejected`(text: String) {
        #expect(Base64.bytes(of: text, .standard) == nil)
    }

    @Test(arguments: ["Z", "Zg==", "Zh", "Zm9", "Zm8=", "+/8", "Zm9vZ", "Zg\n", " Zg", "Z*", "Zü"])
    func `malformed URL-safe Base64 is rejected`(text: String) {
        #expect(Base64.bytes(of: text, .urlSafe) == nil)
    }

    @Test func `a malformed text appends nothing`() {
        var bytes: [UInt8] = [1, 2]
        #expect(!Base64.decode(Array("Zm9vZm9*".utf8).span, .standard, into: &bytes))
        #expect(bytes == [1, 2])
        #expect(Base64.decode(Array("Zm9v".utf8).span, .standard, into: &bytes))
        #expect(bytes == [1, 2] + Array("foo".utf8))
    }

    @Test func `exactly 64 characters of each alphabet are valid`() {
        for variant in [Base64.Variant.standard, .urlSafe] {
            let valid = (UInt8.min...UInt8.max).filter { character in
                var bytes: [UInt8] = []
                return Base64.decode([character, 65, 65, 65].span, variant, into: &bytes)
            }
            #expect(valid.count == 64)
        }
    }

    @Test func `random bytes are decoded to themselves`() {
        var random = TestRandom(3)
        for round in 0..<fuzzRounds(default: 3_000) {
            let bytes = (0..<round % 50).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            for variant in [Base64.Variant.standard, .urlSafe] {
                #expect(Base64.bytes(of: Base64.text(of: bytes, variant), variant) == bytes)
            }
        }
    }

    @Test func `a decoded text is encoded to itself`() {
        var random = TestRandom(4)
        let characters = Array("ABYZabyz0189+/-_==".utf8)
        var valid = 0
        for round in 0..<fuzzRounds(default: 3_000) {
            let text = String(
                decoding: (0..<round % 9).map { _ in characters[Int(random.next() % UInt64(characters.count))] }, as: UTF8.self)
            for variant in [Base64.Variant.standard, .urlSafe] {
                guard let bytes = Base64.bytes(of: text, variant) else { continue }
                valid += 1
                #expect(Base64.text(of: bytes, variant) == text)
            }
        }
        #expect(valid > 100)
    }
}
