import Testing
import Tokenize
import TestSupport

/// Compares the C implementation with a simple one that tries the alternatives of the patterns in turn.
@Suite struct BuiltInPreTokenizerTests {
    /// A character of a text, or a byte of invalid UTF-8, whose kind is `other`.
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

    /// The end of the word that starts at `i`.
    private func end(of text: [Character], from i: Int, _ pattern: BuiltInPreTokenizer.Pattern) -> Int {
        func run(_ from: Int, _ isIn: (Character) -> Bool) -> Int { text[from...].firstIndex { !isIn($0) } ?? text.count }
        func kind(_ at: Int) -> Character.Kind? { at < text.count ? text[at].kind : nil }
        func isLine(_ c: Character) -> Bool { c.bytes == [10] || c.bytes == [13] }
        // '(?:[sdmt]|ll|ve|re)
        if text[i].bytes == [39] {
            for contraction in ["s", "d", "m", "t", "ll", "ve", "re"] where i + contraction.count < text.count {
                let next = text[(i + 1)...(i + contraction.count)].map { $0.scalar.map(String.init) ?? "\0" }.joined()
                // GPT-4 ignores case, and ſ folds to s.
                let folded = pattern == .gpt2 || pattern == .smollm ? next : next.lowercased().replacing("ſ", with: "s")
                if folded == contraction { return i + 1 + contraction.count }
            }
        }
        let spaces = run(i) { $0.kind == .space }
        if pattern == .smollm {
            // Each digit is a word; the text between digits is split as by GPT-2's pattern, as if it ended before them.
            let next = run(i) { $0.kind != .number }
            return next == i ? i + 1 : end(of: Array(text[..<next]), from: i, .gpt2)
        }
        if pattern == .gpt2 {
            let blank = text[i].bytes == [32] ? 1 : 0
            if let next = kind(i + blank), next != .space { return run(i + blank) { $0.kind == next } }
        } else {
            if text[i].kind == .letter { return run(i) { $0.kind == .letter } }
            if text[i].kind != .number, !isLine(text[i]), kind(i + 1) == .letter { return run(i + 1) { $0.kind == .letter } }
            if text[i].kind == .number { return min(i + (pattern == .qwen2 ? 1 : 3), run(i) { $0.kind == .number }) }
            let blank = text[i].bytes == [32] ? 1 : 0
            if kind(i + blank) == .other { return run(run(i + blank) { $0.kind == .other }, isLine) }
            if pattern == .gpt4, spaces == text.count { return spaces }
            if let line = text[i..<spaces].lastIndex(where: isLine) { return line + 1 }
        }
        return spaces == text.count || spaces == i + 1 ? spaces : spaces - 1
    }

    private func split(_ text: [UInt8], _ pattern: BuiltInPreTokenizer.Pattern) -> [UInt32] {
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

    /// Pieces for all alternatives of the patterns; texts contain them in every order.
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

    @Test(arguments: BuiltInPreTokenizer.Pattern.allCases)
    func `every instruction set splits by the pattern`(pattern: BuiltInPreTokenizer.Pattern) {
        var random = TestRandom(17), texts: [[UInt8]] = [[]]
        for a in Self.pieces {
            for b in Self.pieces {
                texts += [a, a + b, a + [32] + b, Array("some words that fill sixty-four bytes of ASCII, then ".utf8) + a + b]
            }
        }
        for _ in 0..<2_000 {
            // Every other text is ASCII only, for the vector implementation.
            let isASCII = Bool.random(using: &random)
            let choice = isASCII ? Self.pieces.filter { $0.allSatisfy { $0 < 0x80 } } : Self.pieces
            texts.append((0..<Int.random(in: 1...80, using: &random)).flatMap { _ in choice.randomElement(using: &random) ?? [] })
        }
        // All short texts of one character of each class.
        let classes = Array("as'1 \t\n!".utf8)
        for number in 0..<(1 << 15) { texts.append((0..<5).map { classes[number >> (3 * $0) & 7] }) }
        let instructionSets = BuiltInPreTokenizer.instructionSets
        let preTokenizers = instructionSets.map { BuiltInPreTokenizer(pattern, instructionSet: $0) }
        for text in texts {
            let expected = split(text, pattern)
            for (instructionSet, preTokenizer) in zip(instructionSets, preTokenizers) {
                var ends: [UInt32] = []
                preTokenizer.split(text.span, isLast: true, into: &ends)
                if ends != expected { Issue.record("\(instructionSet): \(String(decoding: text, as: UTF8.self).debugDescription)") }
            }
        }
    }

    @Test(arguments: BuiltInPreTokenizer.Pattern.allCases)
    func `a text in pieces has the words of the whole text`(pattern: BuiltInPreTokenizer.Pattern) {
        var random = TestRandom(23)
        for instructionSet in BuiltInPreTokenizer.instructionSets {
            let preTokenizer = BuiltInPreTokenizer(pattern, instructionSet: instructionSet)
            for _ in 0..<400 {
                let text = (0..<60).flatMap { _ in Self.pieces.randomElement(using: &random) ?? [] }
                var whole: [UInt32] = [], ends: [UInt32] = [], pieces: [UInt32] = [], at = 0, given = 0
                preTokenizer.split(text.span, isLast: true, into: &whole)
                while at < text.count {
                    given = min(text.count, max(given, at) + Int.random(in: 1...100, using: &random))
                    preTokenizer.split(
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
