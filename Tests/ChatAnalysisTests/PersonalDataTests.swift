import ChatAnalysis
import TestSupport
import Testing

@Suite struct PersonalDataTests {
    private func found(_ text: String) -> [String] {
        let units = Array(text.utf16)
        return PersonalData.found(in: text).map { "\($0.kind.rawValue) \(String(decoding: units[$0.range], as: UTF16.self))" }
    }

    @Test(arguments: [
        ("Write to ada.lovelace+x@mail.example.org, please.", ["email ada.lovelace+x@mail.example.org"]),
        ("<bob@example.com>;eve@example.de", ["email bob@example.com", "email eve@example.de"]),
        ("ünï 🎉 müller@example.ch!", ["email müller@example.ch"]),
        ("Call +49 (0)30 1234567 or 0171/1234567.", ["phone +49 (0)30 1234567", "phone 0171/1234567"]),
        ("030 12 34 56 78", ["phone 030 12 34 56 78"]),
        ("tel. 01711234567", ["phone 01711234567"]),
        ("(555) 123-4567 or 555-123-4567 or 555.123.4567", ["phone (555) 123-4567", "phone 555-123-4567", "phone 555.123.4567"]),
        ("0049 30 1234567", ["phone 0049 30 1234567"]),
        ("IBAN: DE89 3704 0044 0532 0130 00.", ["iban DE89 3704 0044 0532 0130 00"]),
        ("GB82WEST12345698765432", ["iban GB82WEST12345698765432"]),
        ("Invoice RE2024 0815 IBAN DE89370400440532013000", ["iban DE89370400440532013000"]),
        ("DE89 3704 0044 0532 0130 00 GB82 WEST 1234 5698 7654 32",
         ["iban DE89 3704 0044 0532 0130 00", "iban GB82 WEST 1234 5698 7654 32"]),
        ("0171 1234567 / 0172 7654321", ["phone 0172 7654321"]),
        ("Write to ...ada@example.org", ["email ada@example.org"]),
        (String(repeating: "。", count: 70) + " ada@example.org", ["email ada@example.org"]),
        ("secret: password: hunter2", ["key hunter2"]),
        ("ftp://bob@example.com:pw1234@ftp.example.com, please", ["url ftp://bob@example.com:pw1234@ftp.example.com"]),
        ("jdbc:postgres://ada:secret@db", ["url postgres://ada:secret@db"]),
        ("card 4111 1111 1111 1111, 378282246310005", ["card 4111 1111 1111 1111", "card 378282246310005"]),
        ("5500-0000-0000-0004", ["card 5500-0000-0000-0004"]),
        ("server 192.168.7.20 and 2001:db8::8a2e:370:7334.", ["ip 192.168.7.20", "ip 2001:db8::8a2e:370:7334"]),
        ("2001:0db8:0000:0000:0000:8a2e:0370:7334", ["ip 2001:0db8:0000:0000:0000:8a2e:0370:7334"]),
        ("key sk-abcdefghijklmnopqrstuvwx12", ["key sk-abcdefghijklmnopqrstuvwx12"]),
        ("GITHUB_TOKEN=ghp_abcdefghijklmnopqrstuvwxyz0123456789", ["key ghp_abcdefghijklmnopqrstuvwxyz0123456789"]),
        ("AKIAIOSFODNN7EXAMPLE", ["key AKIAIOSFODNN7EXAMPLE"]),
        ("my password is hunter2, yours?", ["key hunter2"]),
        ("password: \"tr0ub4dor&3\"", ["key tr0ub4dor&3"]),
        ("api_key='abc123def'", ["key abc123def"]),
        ("Authorization: Bearer abcdefghijklmnop1234.xyz", ["key abcdefghijklmnop1234.xyz"]),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nbye",
         ["key -----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"]),
        ("postgres://ada:secret@db.example/x and https://example.org/a", ["url postgres://ada:secret@db.example/x"]),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
         ["key eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"]),
    ])
    func `finds`(_ text: String, _ expected: [String]) { #expect(found(text) == expected) }

    @Test(arguments: [
        "Version 1.2.3 of 2026-11-22, 22.11.2026, 11/22/2026 and 08:46:29.", "From 1999-2004, then 2010 to 2012.",
        "Pi is 3.14159265358979.",
        "Windows 10.0.19045.3693", "1,234,567 people", "A @ B, @ada, a@b, ada@localhost", "std::vector<int> at 12:30:45",
        "face::detector bad::access Feed::Base", "see C++11/14/17/20",
        "4111 1111 1111 1112", "DE88370400440532013000", "ISBN 978-3-16-148410-0", "1234567890", "2 + 2 = 4; 10 - 3 = 7",
        "The password must be long.", "Enter your password: then press OK", "https://example.org/?a=b@c", "127.0.0.1 and 0.0.0.0",
        "task-list-of-words sk-short", "x = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]", "room 0815", "0.5 0.25 0.125", "", "@", "+", "(", "://@",
        "a secret garden", "token by token", "1 2 3 4 5 6 7 8 9 10 11 12", "100 000 000", "phone v1.2.3.4beta", "#0171123456",
    ])
    func `finds nothing`(_ text: String) { #expect(found(text).isEmpty) }

    /// Any text is read to its end, and ranges are in order.
    @Test func `survives random texts`() {
        var random = TestRandom(7)
        let parts = [
            "@", ".", "+49", "0", "12", "345", " ", "-", "/", "(", ")", "DE", "89", ":", "::", "://", "=", "password", "is ", "eyJ", "sk-",
            "-----BEGIN", " PRIVATE KEY-----", "-----END", "Bearer ", "é", "🎉", "\u{301}", "\n", "a", "Z", "4111", "\"", "192.168",
        ]
        for _ in 0..<3_000 {
            let text = (0..<random.below(30)).map { _ in parts[random.below(parts.count)] }.joined()
            var last = 0
            for item in PersonalData.found(in: text) {
                #expect(item.range.lowerBound >= last && !item.range.isEmpty && item.range.upperBound <= text.utf16.count, "\(text)")
                last = item.range.upperBound
            }
        }
        for part in parts { #expect(PersonalData.found(in: String(repeating: part, count: 20_000)).count <= 40_000) }
    }
}

@Suite struct TextSketchTests {
    private func shingles(_ text: String) -> Set<UInt64> {
        var found: Set<UInt64> = []
        TextSketch.forEachShingle(of: [text]) { found.insert($0) }
        return found
    }

    private func jaccard(_ a: String, _ b: String) -> Double {
        let (a, b) = (shingles(a), shingles(b))
        return Double(a.intersection(b).count) / Double(a.union(b).count)
    }

    @Test func `case, punctuation and white space do not count`() {
        #expect(TextSketch(of: ["The red fox.", "It runs"]) == TextSketch(of: ["the  RED fox!\nit", "runs"]))
        #expect(TextSketch(of: ["日本語のテキスト"]).similarity(to: TextSketch(of: ["日本語のテキスト。"])) == 1)
        #expect(TextSketch(of: ["", " "]).bands.isEmpty && TextSketch(of: [""]).similarity(to: TextSketch(of: [""])) == 0)
        #expect(TextSketch(of: ["Hi"]).similarity(to: TextSketch(of: ["hi!"])) == 1)
    }

    @Test func `the similarity of short texts is exact, and that of long ones is near`() {
        var random = TestRandom(3)
        func words(_ count: Int) -> [String] { (0..<count).map { _ in "w\(random.below(5_000))" } }
        for count in [3, 10, 20, 400] {
            for changes in [0, 1, count / 4, count / 2] {
                let a = words(count)
                var b = a
                for i in 0..<changes { b[i * 2 % count] = "x\(i)" }
                let (one, two) = (a.joined(separator: " "), b.joined(separator: " "))
                let exact = jaccard(one, two), found = TextSketch(of: [one]).similarity(to: TextSketch(of: [two]))
                if shingles(one).count < 128, shingles(two).count < 128 {
                    #expect(found == exact)
                } else {
                    #expect(abs(found - exact) < 0.15)
                }
                let shared = Set(TextSketch(of: [one]).bands).intersection(TextSketch(of: [two]).bands)
                if exact > 0.9 { #expect(!shared.isEmpty) }
            }
        }
    }
}
