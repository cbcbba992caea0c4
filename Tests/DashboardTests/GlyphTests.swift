import AdminAPI
import Dashboard
import Testing

/// How characters are shown that users wrote.
@Suite struct GlyphTests {
    private func shown(_ text: String) -> String { text.glyphs.text }

    @Test func `control characters and escape sequences are shown as pictures`() {
        #expect(shown("a\u{1B}[31mred\u{7}\u{0}\u{7F}") == "a␛[31mred␇␀␡")
        #expect(shown("\u{9B}31m\u{85}") == "\u{FFFD}31m\u{FFFD}")
        #expect(shown("a\tb\nc\r\nd\re") == "a b c d␍e")
        #expect(shown("\u{1B}]0;title\u{7}\u{1B}[2J") == "␛]0;title␇␛[2J")
    }

    @Test func `characters that change the direction of text, or are invisible, do not reach the terminal`() {
        #expect(shown("\u{202E}evil\u{2066}x\u{2069}\u{200F}") == "\u{FFFD}evil\u{FFFD}x\u{FFFD}\u{FFFD}")
        #expect(shown("a\u{200B}b\u{FEFF}c\u{AD}d\u{2060}") == "abcd")
        #expect(shown("\u{E0041}\u{E000}\u{10FFFF}\u{2028}").unicodeScalars.allSatisfy { $0 == "\u{FFFD}" })
        // Hidden in a cluster behind a letter.
        #expect(!shown("a\u{202E}\u{301}b\u{1B}\u{301}").unicodeScalars.contains { $0.value == 0x202E || $0.value == 0x1B })
    }

    @Test(arguments: [
        ("a", "a", 1), ("é", "é", 1), ("e\u{301}", "e\u{301}", 1), ("日", "日", 2), ("한", "한", 2), ("🎉", "🎉", 2), ("ｱ", "ｱ", 1),
        // Joined emoji, skin tones and flags differ between terminals.
        ("👩‍👩‍👧", "👩", 2), ("👍🏽", "👍", 2), ("🇩🇪", "DE", 2), ("❤️", "❤", 1),
        // A mark without a letter, and more marks than a cell holds.
        ("\u{301}", "◌\u{301}", 1), ("a" + String(repeating: "\u{301}", count: 9), "a" + String(repeating: "\u{301}", count: 4), 1),
    ])
    func `a character has a form and a width that all terminals agree on`(text: String, expected: String, columns: Int) {
        #expect(Array(shown(text).unicodeScalars) == Array(expected.unicodeScalars))
        #expect(text.glyphs.columns == columns)
    }

    private static let ranges: [ClosedRange<UInt32>] = [
        0...0x1F, 0x20...0x7E, 0x80...0x9F, 0x300...0x36F, 0x2000...0x206F, 0x3040...0x30FF, 0xFE00...0xFE0F, 0x1F1E6...0x1F1FF,
        0x1F300...0x1F6FF, 0xE0000...0xE007F,
    ]

    @Test func `any text becomes characters that are safe to write`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            var text = String.UnicodeScalarView()
            for _ in 0..<20 {
                let range = Self.ranges.randomElement(using: &generator) ?? 0...0
                if let scalar = Unicode.Scalar(UInt32.random(in: range, using: &generator)) { text.append(scalar) }
            }
            for glyph in String(text).glyphs {
                let scalars = Array(glyph.text.unicodeScalars)
                #expect((1...2).contains(glyph.columns) && (1...5).contains(scalars.count), "\(scalars)")
                for scalar in scalars {
                    let isUnsafe = switch scalar.value {
                    case 0...0x1F, 0x7F...0x9F, 0x200B...0x200F, 0x202A...0x202E, 0x2060...0x206F, 0xFE00...0xFE0F, 0xE0000...0xE0FFF: true
                    default: false
                    }
                    #expect(!isUnsafe, "\(scalars)")
                }
            }
        }
    }

    @Test func `a text is shortened to columns, never through a wide character`() {
        let text = "日本語ab".glyphs
        #expect(text.columns == 8)
        #expect((0...9).map { text.clipped(to: $0).text } == ["", "…", "…", "日…", "日…", "日本…", "日本…", "日本語…", "日本語ab", "日本語ab"])
        #expect((0...9).allSatisfy { text.clipped(to: $0).columns <= $0 })
    }

    @Test func `lines are broken at spaces, before wide characters, and inside long words`() {
        func wrapped(_ text: String, _ columns: Int) -> [String] { text.wrappedGlyphs(to: columns).map(\.text) }
        #expect(wrapped("one two three", 7) == ["one two", "three"])
        #expect(wrapped("one two three", 8) == ["one two ", "three"])
        #expect(wrapped("abcdefghij", 4) == ["abcd", "efgh", "ij"])
        #expect(wrapped("日本語日本語", 5) == ["日本", "語日", "本語"])
        #expect(wrapped("a\n\n  b", 10) == ["a", "", "  b"])
        #expect(wrapped("", 10) == [""])
        #expect(wrapped("ab cdefgh", 5) == ["ab ", "cdefg", "h"] || wrapped("ab cdefgh", 5) == ["ab cd", "efgh"])
        for columns in 2...30 {
            for line in "Ein längerer Satz mit 日本語 und 🎉🎉🎉 und einemsehrlangenwort.\n\tTab\u{1B}[0m".wrappedGlyphs(to: columns) {
                #expect(line.columns <= columns)
            }
        }
    }
}
