import Testing
import TestSupport
import Tokenize

@Suite struct NFCTests {
    private func normalized(_ text: String) -> String {
        var bytes: [UInt8] = []
        NFC.append(Array(text.utf8).span, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Cases of the Unicode standard, section 3.11, and of its test data.
    @Test(arguments: [
        ("e\u{301}", "é"), ("\u{1E0A}\u{323}", "\u{1E0C}\u{307}"), ("a\u{315}\u{300}\u{5AE}\u{300}b", "\u{E0}\u{5AE}\u{300}\u{315}b"),
        ("\u{212B}", "Å"), ("\u{2126}", "Ω"), ("\u{1100}\u{1161}\u{11A8}", "각"), ("\u{AC00}\u{11A8}", "각"),
        ("\u{AC01}\u{11A8}", "각\u{11A8}"),
        ("\u{958}", "\u{915}\u{93C}"), ("\u{F900}", "\u{8C48}"), ("\u{2ADC}", "\u{2ADD}\u{338}"), ("\u{1D15E}", "\u{1D157}\u{1D165}"),
        ("\u{9C7}\u{9BE}", "\u{9CB}"), ("\u{301}e", "\u{301}e"), ("\u{344}", "\u{308}\u{301}"), ("a\u{5B0}\u{94D}", "a\u{94D}\u{5B0}"),
        ("\u{1112}\u{1161}\u{11AB}\u{1100}\u{1173}\u{11AF}", "한글"), ("", ""), ("plain ASCII", "plain ASCII"),
    ])
    func cases(text: String, expected: String) {
        #expect(Array(normalized(text).unicodeScalars) == Array(expected.unicodeScalars))
        #expect(NFC.isNormalized(Array(expected.utf8).span) || normalized(expected) == expected)
    }

    @Test func `normalizing twice changes nothing, and texts that Swift compares as equal become equal`() {
        var random = TestRandom(9)
        let pieces = Array("ae\u{301}\u{323}\u{308}\u{304}éṩÅ\u{1112}\u{1161}\u{11AB}가\u{93C}\u{915}\u{5AE}\u{315} ".unicodeScalars)
        for _ in 0..<2_000 {
            let text = String(String.UnicodeScalarView((0..<random.below(30)).map { _ in pieces[random.below(pieces.count)] }))
            let once = normalized(text)
            #expect(once == text)                                 // canonically equivalent
            #expect(normalized(once).utf8.elementsEqual(once.utf8))
            #expect(once.utf8.elementsEqual(normalized(String(text.reversed().reversed())).utf8))
        }
    }

    @Test func `bytes that are not UTF-8 stay`() {
        var bytes: [UInt8] = []
        NFC.append([0xFF, 0x65, 0xCC, 0x81, 0xE2, 0x80].span, to: &bytes)
        #expect(bytes == [0xFF, 0xC3, 0xA9, 0xE2, 0x80])
    }

    @Test func `very many marks are sorted in time`() {
        let marks = String(repeating: "\u{301}\u{323}", count: 50_000)
        let text = normalized("a" + marks)
        #expect(text.unicodeScalars.first == "\u{1EA1}")
        #expect(text.unicodeScalars.count == 100_000)
    }
}
