import Infer
import JSON
import Random
import Tokenize

/// A format of answers with answers, for `slm bench grammar`.
enum GrammarSample: String, CaseIterable, OptionValue {
    case schema, gbnf, regex

    var grammar: Grammar {
        get throws {
            switch self {
            case .schema:
                return try Grammar(jsonSchema: JSONElement(parsing: Array(Self.schemaText.utf8)), isStrict: true)
            case .gbnf: return try Grammar(gbnf: Self.gbnfText)
            case .regex: return try Grammar(regex: Self.regexText)
            }
        }
    }

    private static let schemaText = """
        {"type": "array", "items": {"type": "object", "additionalProperties": false,
         "required": ["id", "title", "kind", "price", "tags", "author"], "properties": {
            "id": {"type": "integer", "minimum": 0}, "title": {"type": "string"}, "kind": {"enum": ["book", "film", "record"]},
            "price": {"type": "number"}, "tags": {"type": "array", "items": {"type": "string", "maxLength": 30}},
            "author": {"type": "object", "additionalProperties": false, "required": ["name", "born"], "properties": {
                "name": {"type": "string"}, "born": {"type": ["integer", "null"]}}}}}}
        """

    private static let gbnfText = #"""
        root ::= (section "\n")+
        section ::= "[" name "]\n" entry+
        entry ::= name " = " value "\n"
        name ::= [a-z] [a-z0-9_]*
        value ::= number | text | list
        number ::= "-"? [0-9]+ ("." [0-9]+)?
        text ::= "\"" ([^"\\\x00-\x1F] | "\\" ["\\nt])* "\""
        list ::= "[" value (", " value)* "]"
        """#

    private static let regexText = #"(20[0-9]{2}-[01][0-9]-[0-3][0-9] (INFO|WARN|ERROR) [a-z]+(/[a-z]+)*: .{1,80}\n)+"#

    /// The beginning of an answer with at least so many bytes.
    func text(seed: UInt64, bytes: Int) -> String {
        var random = SeededRandom(seed: seed, stream: 1), text = self == .schema ? "[" : ""
        while text.utf8.count < bytes {
            switch self {
            case .schema: text += (text.utf8.count == 1 ? "" : ", ") + Self.record(&random)
            case .gbnf: text += Self.section(&random)
            case .regex: text += Self.line(&random)
            }
        }
        return text
    }

    // MARK: Answers

    private static let words = """
        the river a house of stone and rain we remember summer night how do you know where city light ein Fluß über été señor \
        город река 時間 世界 don't 3 7/8 (old) very small things; changed again, slowly.
        """.split(separator: " ").map(String.init)

    private static func phrase(_ random: inout SeededRandom, _ count: ClosedRange<Int>) -> String {
        (0..<Int.random(in: count, using: &random)).map { _ in words[Int.random(in: words.indices, using: &random)] }
            .joined(separator: " ")
    }

    private static func name(_ random: inout SeededRandom) -> String {
        ["timeout", "path", "user", "log", "retry", "cache"][Int.random(in: 0..<6, using: &random)]
    }

    private static func record(_ random: inout SeededRandom) -> String {
        func number(_ most: Int) -> Int { Int.random(in: 0..<most, using: &random) }
        let tags = (0..<number(4)).map { _ in "\"" + phrase(&random, 1...2) + "\"" }.joined(separator: ", ")
        return """
            {"id": \(number(100_000)), "title": "\(phrase(&random, 2...8))", "kind": "\(["book", "film", "record"][number(3)])", \
            "price": \(number(900)).\(number(90) + 10), "tags": [\(tags)], \
            "author": {"name": "\(phrase(&random, 1...3))", "born": \(number(3) == 0 ? "null" : "\(1_900 + number(100))")}}
            """
    }

    private static func section(_ random: inout SeededRandom) -> String {
        let entries = (0..<Int.random(in: 1...5, using: &random)).map { index in
            let value = index % 2 == 0 ? "\"" + phrase(&random, 1...6) + "\"" : "[\(random.next() % 1_000), -2.5]"
            return "\(name(&random)) = \(value)\n"
        }
        return "[\(name(&random))]\n" + entries.joined() + "\n"
    }

    private static func line(_ random: inout SeededRandom) -> String {
        func two(_ range: ClosedRange<Int>) -> String { String("0\(Int.random(in: range, using: &random))".suffix(2)) }
        let level = ["INFO", "WARN", "ERROR"][Int.random(in: 0..<3, using: &random)]
        return "20\(two(10...26))-\(two(1...12))-\(two(1...28)) \(level) \(name(&random))/\(name(&random)): "
            + String(phrase(&random, 2...9).prefix(70)) + "\n"
    }
}

extension GrammarSample {
    /// Random tokens in the mixture of large vocabularies: words with and without a space, other scripts, numbers, and code.
    static func vocabulary(of size: Int) -> Vocabulary {
        var random = SeededRandom(seed: 7, stream: 0), vocabulary = Vocabulary.ofBytes()
        func pick(_ letters: [Unicode.Scalar], _ count: ClosedRange<Int>) -> String {
            String(String.UnicodeScalarView((0..<Int.random(in: count, using: &random)).map { _ in
                letters[Int.random(in: letters.indices, using: &random)]
            }))
        }
        func letters(_ range: ClosedRange<UInt32>) -> [Unicode.Scalar] { range.compactMap(Unicode.Scalar.init) }
        // Frequent letters more than once, so that tokens share beginnings.
        let latin = Array("eeeeettttaaaooiinnsshhrrddlluucmfpgwybvkxjqz".unicodeScalars)
        let cyrillic = letters(0x430...0x44F), hangul = letters(0xAC00...0xAFFF), chinese = letters(0x4E00...0x5FFF)
        let code = Array("\"\"':;,.(){}[]<>/\\=+-*_#@!&|\n\t ".unicodeScalars), digits = letters(0x30...0x39)
        var known = Set(vocabulary.tokens.indices.map { Array(vocabulary.tokens[$0]) })
        while vocabulary.tokens.count < size {
            let space = Bool.random(using: &random) ? " " : ""
            let text = switch Int.random(in: 0..<100, using: &random) {
            case 0..<62: space + pick(latin, 2...9)
            case 62..<70: space + pick(latin, 1...6).uppercased()
            case 70..<76: space + pick(cyrillic, 2...6)
            case 76..<80: pick(hangul, 1...3)
            case 80..<90: pick(chinese, 1...3)
            case 90..<98: space + pick(code, 1...4) + pick(latin, 0...3)
            default: pick(digits, 1...3)
            }
            let bytes = Array(text.utf8)
            if known.insert(bytes).inserted { vocabulary.tokens.append(bytes) }
        }
        return vocabulary
    }

    /// Spells texts with the longest tokens.
    struct Spelling {
        private let ids: [ArraySlice<UInt8>: TokenID]
        private let longest: Int

        init(_ vocabulary: Vocabulary) {
            let special = Set(vocabulary.specialTokens.map(\.id)), tokens = vocabulary.tokens
            let ordinary = tokens.indices.filter { !tokens[$0].isEmpty && !special.contains(TokenID($0)) }
            ids = Dictionary(ordinary.map { (tokens[$0], TokenID($0)) }) { first, _ in first }
            longest = ids.keys.map(\.count).max() ?? 0
        }

        /// The first tokens of a text.
        func ids(of text: String, count: Int) throws -> [TokenID] {
            var rest = Array(text.utf8)[...], found: [TokenID] = []
            while found.count < count {
                let length = stride(from: min(longest, rest.count), to: 0, by: -1).first { ids[rest.prefix($0)] != nil }
                guard let length, let id = ids[rest.prefix(length)] else {
                    throw UsageError("slm bench grammar: --tokenizer: no token has the byte \(rest.first.map { "\($0)" } ?? "").")
                }
                found.append(id)
                rest = rest.dropFirst(length)
            }
            return found
        }
    }
}
