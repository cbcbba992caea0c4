import Testing
import Tokenize
import TestSupport

/// The scanner in C against the patterns, alternative by alternative, on characters.
@Suite struct WordCutterTests {
    /// One character of a text: its bytes, and what it is. A byte that is not UTF-8 is something else.
    private struct Character {
        enum Kind { case letter, number, space, other }
        let bytes: [UInt8]
        let kind: Kind
        let scalar: Unicode.Scalar?

        init(_ bytes: [UInt8]) {
            self.bytes = bytes
            scalar = String(validating: bytes, as: UTF8.self)?.unicodeScalars.first
            kind = switch scalar?.properties.generalCategory {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: .letter
            case .decimalNumber, .letterNumber, .otherNumber: .number
            default: scalar?.properties.isWhitespace == true ? .space : .other
            }
        }

        static func all(of text: [UInt8]) -> [Character] {
            var result: [Character] = [], at = 0
            while at < text.count {
                let length =
                    (1...4).first {
                        at + $0 <= text.count && String(validating: text[at..<at + $0], as: UTF8.self)?.unicodeScalars.count == 1
                    } ?? 1
                result.append(Character(Array(text[at..<at + length])))
                at += length
            }
            return result
        }
    }

    /// Where the word that begins at `i` ends.
    private func end(of text: [Character], from i: Int, _ pattern: BuiltInPreTokenizer.Pattern) -> Int {
        func run(_ from: Int, _ isIn: (Character) -> Bool) -> Int { text[from...].firstIndex { !isIn($0) } ?? text.count }
        func kind(_ at: Int) -> Character.Kind? { at < text.count ? text[at].kind : nil }
        func isLine(_ c: Character) -> Bool { c.bytes == [10] || c.bytes == [13] }
        // '(?:[sdmt]|ll|ve|re)
        if text[i].bytes == [39] {
            for contraction in ["s", "d", "m", "t", "ll", "ve", "re"] where i + contraction.count < text.count {
                let next = text[(i + 1)...(i + contraction.count)].map { $0.scalar.map(String.init) ?? "\0" }.joined()
                // In any case, where the pattern says so: ſ is an s then.
                let folded = pattern == .gpt2 ? next : next.lowercased().replacing("ſ", with: "s")
                if folded == contraction { return i + 1 + contraction.count }
            }
        }
        let spaces = run(i) { $0.kind == .space }
        if pattern == .gpt2 {
            let blank = text[i].bytes == [32] ? 1 : 0
            if let next = kind(i + blank), next != .space { return run(i + blank) { $0.kind == next } }
        } else {
            if text[i].kind == .letter { return run(i) { $0.kind == .letter } }
            if text[i].kind != .number, !isLine(text[i]), kind(i + 1) == .letter { return run(i + 1) { $0.kind == .letter } }
            if text[i].kind == .number { return min(i + 3, run(i) { $0.kind == .number }) }
            let blank = text[i].bytes == [32] ? 1 : 0
            if kind(i + blank) == .other { return run(run(i + blank) { $0.kind == .other }, isLine) }
            if pattern == .gpt4, spaces == text.count { return spaces }
            if let line = text[i..<spaces].lastIndex(where: isLine) { return line + 1 }
        }
        return spaces == text.count || spaces == i + 1 ? spaces : spaces - 1
    }

    private func cut(_ text: [UInt8], _ pattern: BuiltInPreTokenizer.Pattern) -> [UInt32] {
        let characters = Character.all(of: text)
        var ends: [UInt32] = [], at = 0, byte = 0
        while at < characters.count {
            let end = end(of: characters, from: at, pattern)
            byte += characters[at..<end].map(\.bytes.count).reduce(0, +)
            ends.append(UInt32(byte))
            at = end
        }
        return ends
    }

    /// Pieces that meet in every order: what the alternatives of the patterns care about.
    private static let pieces: [[UInt8]] =
        [
            "a", "Z", "don", "'", "'s", "'S", "'ſ", "'ll", "'LL", "'re", "'l", "'v", "it's", "1", "2024", "½", "Ⅷ", "٣", " ", "  ", "\t",
            "\n", "\r\n", "\n\n ",
            "\u{A0}", "\u{3000}", "\u{2028}", "\u{85}", ".", "...", "!?", "-", "é", "e\u{301}", "日本語", "ß", "ﬁ", "👩‍🚀", "🇨🇭", "\u{200D}", "_",
            "<|eos|>", "\0",
        ].map { Array($0.utf8) } + [
            [0xC3], [0xE6, 0x97], [0xF0, 0x9F, 0x91], [0x80], [0xFF], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80],
            [0xE0, 0x80, 0x80],
        ]

    private static let paths = BuiltInPreTokenizer.instructionSets

    @Test(arguments: BuiltInPreTokenizer.Pattern.allCases)
    func `words are those of the pattern`(pattern: BuiltInPreTokenizer.Pattern) {
        var random = TestRandom(17), texts: [[UInt8]] = [[]]
        for a in Self.pieces {
            for b in Self.pieces {
                texts += [a, a + b, a + [32] + b, Array("some words that fill sixty-four bytes of ASCII, then ".utf8) + a + b]
            }
        }
        for _ in 0..<2_000 {
            // ASCII alone in one of two, so that 64 bytes are cut at once.
            let ascii = Bool.random(using: &random), choice = ascii ? Self.pieces.filter { $0.allSatisfy { $0 < 0x80 } } : Self.pieces
            texts.append((0..<Int.random(in: 1...80, using: &random)).flatMap { _ in choice.randomElement(using: &random) ?? [] })
        }
        let cutters = Self.paths.map { BuiltInPreTokenizer(pattern, instructionSet: $0) }
        for text in texts {
            let expected = cut(text, pattern)
            for (path, cutter) in zip(Self.paths, cutters) {
                var ends: [UInt32] = []
                cutter.split(text.span, isLast: true, into: &ends)
                if ends != expected { Issue.record("\(path): \(String(decoding: text, as: UTF8.self).debugDescription)") }
            }
        }
    }

    @Test(arguments: BuiltInPreTokenizer.Pattern.allCases)
    func `words before the end of a piece do not depend on what follows`(pattern: BuiltInPreTokenizer.Pattern) {
        var random = TestRandom(23)
        for path in Self.paths {
            let cutter = BuiltInPreTokenizer(pattern, instructionSet: path)
            for _ in 0..<400 {
                let text = (0..<60).flatMap { _ in Self.pieces.randomElement(using: &random) ?? [] }
                var whole: [UInt32] = [], ends: [UInt32] = [], pieces: [UInt32] = [], at = 0, given = 0
                cutter.split(text.span, isLast: true, into: &whole)
                while at < text.count {
                    given = min(text.count, max(given, at) + Int.random(in: 1...100, using: &random))
                    cutter.split(
                        text.span.extracting(at..<given), isLast: given == text.count, maxCount: Int.random(in: 1...90, using: &random),
                        into: &ends)
                    pieces += ends.map { $0 + UInt32(at) }
                    at = Int(pieces.last ?? 0)
                }
                let isEqual = whole == pieces
                #expect(isEqual)
            }
        }
    }
}
