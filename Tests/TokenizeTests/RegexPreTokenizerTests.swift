import Testing
import Tokenize
import TestSupport

@Suite struct RegexPreTokenizerTests {
    static let patterns = [
        PreTokenizationPattern.gpt2.regex ?? "", PreTokenizationPattern.gpt4.regex ?? "", PreTokenizationPattern.llama3.regex ?? "",
        #"\p{L}+"#, #"\p{N}{1,3}+"#, "", "x*", #"(?=[A-Z0-9])"#, #"(?<=a)b|(?<!\s)\S"#, #"\b"#, #"^.*$"#, #"\A.|.\z"#, #"(?<=(?<=a).)."#,
        #"\R|\X"#, #"(a)|(b)|(\w+)"#, #"\S\K\s"#, "日|本本", #"[^\s\w]+|\h+"#, #"(?m:a.b)"#, "e(?!\u{301})",
    ]

    @Test("matches and the text between them are words", arguments: [
        (#"\p{L}+"#, "to be, or", ["to", " ", "be", ", ", "or"]),
        (#"\d{1,3}"#, "12345", ["123", "45"]),
        (#"\d{1,3}+"#, "12345", ["12345"]),
        (#"(?=[A-Z])"#, "oneTwoThree", ["one", "Two", "Three"]),
        (#"^\w+"#, "a b\nc d", ["a", " b\n", "c", " d"]),
        (#"\w+$"#, "a b\nc d", ["a ", "b", "\nc ", "d"]),
        (#"\s"#, "a\u{180E}b c", ["a\u{180E}b", " ", "c"]),
        (#"\w+"#, "ⓐ½⅓١", ["ⓐ½", "⅓", "١"]),
        (#"\h+|\v"#, "xfgA\u{B}\u{C}", ["x", "f", "g", "A", "\u{B}", "\u{C}"]),
        (#"(?m:a.)"#, "a\nb", ["a\n", "b"]),
        (#"\u0062{,1}c"#, "abc", ["a", "bc"]),
        (#"\p{Letter}+|\p{^Uppercase_Letter}"#, "a1", ["a", "1"]),
        ("{|}", "a{}", ["a", "{", "}"]),
        ("", "añb", ["a", "ñ", "b"]),
        ("x", "", []),
    ])
    func words(pattern: String, text: String, words: [String]) throws {
        #expect(try split(Array(text.utf8), by: pattern).map { String(decoding: $0, as: UTF8.self) } == words)
    }

    @Test func `invalid UTF-8 is matched as U+FFFD and returned unchanged`() throws {
        #expect(
            try split([0x61, 0x20, 0xFF, 0xE2, 0x82, 0x62], by: PreTokenizationPattern.gpt2.regex ?? "") == [
                [0x61], [0x20, 0xFF, 0xE2, 0x82], [0x62],
            ])
        #expect(try split([0xE2, 0x82, 0x41, 0xC3], by: ".") == [[0xE2, 0x82], [0x41], [0xC3]])
    }

    @Test("a text in pieces has the words of the whole text", arguments: patterns) func streaming(pattern: String) throws {
        var random = TestRandom(11)
        for round in 0..<200 {
            let text = random.text(pieces: 1 + random.below(30), broken: round % 2 == 0)
            let whole = try split(text, by: pattern)
            #expect(whole.flatMap(\.self) == text)
            #expect(whole.allSatisfy { !$0.isEmpty })
            #expect(try splitInPieces(text, by: pattern, &random) == whole, "\(String(decoding: text, as: UTF8.self).debugDescription)")
        }
    }

    @Test("invalid patterns", arguments: [
        ("a(b", "the pattern 'a(b' is invalid at character 3: missing closing parenthesis."),
        (#"\s+["#, #"the pattern '\s+[' is invalid at character 4: missing terminating ] for character class."#),
        (#"\s*)"#, #"the pattern '\s*)' is invalid at character 3: unmatched closing parenthesis."#),
        (
            "[a[b]]",
            #"the pattern '[a[b]]' is invalid at character 2: a set inside a set is not supported; write a literal bracket as \[."#
        ),
        (
            #"[a&&\w]"#,
            #"the pattern '[a&&\w]' is invalid at character 2: && between sets is not supported; "#
                + #"write two literal ampersands as &\&."#
        ),
        (#"[\W]"#, #"the pattern '[\W]' is invalid at character 1: \W inside a set is not supported; write the set without it."#),
        (#"\u12"#, #"the pattern '\u12' is invalid at character 0: \u needs four hexadecimal digits."#),
    ])
    func invalid(pattern: String, message: String) {
        let error = #expect(throws: TokenizeError.self) { _ = try RegexPreTokenizer(pattern) }
        #expect(error?.description == message)
    }

    @Test("exponential backtracking throws an error", arguments: ["x|(a+)+b", "x|(?:a|aa)+b", "x|(a|a?)+b"]) func catastrophe(
        pattern: String
    ) {
        let text = "x" + String(repeating: "a", count: 100) + "-b"
        let error = #expect(throws: TokenizeError.self) { _ = try split(Array(text.utf8), by: pattern) }
        #expect(error?.description == "the pattern '\(pattern)' takes too long at byte 1 of the text: match limit exceeded. "
            + "Usually caused by nested quantifiers, such as (a+)+.")
    }

    /// Threads share the compiled pattern, but not match data, lookbehind or stacks.
    @Test func `one tokenizer encodes on several threads at once`() async throws {
        let tokenizer = try Tokenizer(VocabularyFixtures.trained(pattern: .regex(#"(?<=t)h|\p{L}+(?!x)|\s+|(a|b)+?c"#)))
        let text = String(repeating: VocabularyFixtures.text + " abababc ", count: 50), expected = try tokenizer.ids(of: text)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<16 { group.addTask { try tokenizer.ids(of: text) == expected } }
            for try await isSame in group { #expect(isSame) }
        }
    }

    private func split(_ text: [UInt8], by pattern: String) throws -> [[UInt8]] {
        var regex = try RegexPreTokenizer(pattern), ends: [UInt32] = []
        try regex.split(text.span, isLast: true, into: &ends)
        return zip([0] + ends, ends).map { Array(text[Int($0)..<Int($1)]) }
    }

    /// Splits a text in random pieces, each preceded by the rest of the previous one.
    private func splitInPieces(_ text: [UInt8], by pattern: String, _ random: inout TestRandom) throws -> [[UInt8]] {
        var regex = try RegexPreTokenizer(pattern), ends: [UInt32] = [], words: [[UInt8]] = []
        var start = 0, given = 0
        while given < text.count {
            given += min(text.count - given, 1 + random.below(6))
            try regex.split(text.span.extracting(start..<given), isLast: given == text.count, into: &ends)
            let begin = start
            for end in ends {
                words.append(Array(text[start..<begin + Int(end)]))
                start = begin + Int(end)
            }
        }
        return words
    }
}
