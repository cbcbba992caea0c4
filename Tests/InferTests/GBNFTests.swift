import Infer
import Testing

/// Grammars, regular expressions and choices that requests give as texts.
@Suite struct GBNFTests {
    struct Example: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let source: String
        let valid: [String]
        let invalid: [String]
    }

    private static let examples = [
        Example(
            testDescription: "arithmetic",
            source: """
                root ::= sum "=" [ ]? number
                sum ::= product ([-+] product)*   # lowest precedence
                product ::= value ([*/] value)*
                value ::= number | "(" sum ")"
                number ::= [0-9]+
                """,
            valid: ["1=1", "2*(3+4)-5= 9"], invalid: ["=", "1+", "(1", "1=x"]),
        Example(
            testDescription: "list",
            source: "root ::= item+\n# one line each\nitem ::= \"- \" [^\\r\\n\\x0b]+ \"\\n\"",
            valid: ["- a\n", "- ä\n- b c\n"], invalid: ["", "a", "- \n", "- a"]),
        Example(
            testDescription: "chess moves",
            source: """
                root ::= "1. " move " " move "\\n" ([1-9] [0-9]? ". " move " " move "\\n")*
                move ::= (pawn | piece |
                    castling) [+#]?
                pawn ::= ([a-h] "x")? [a-h] [1-8] ("=" [NBQR])?
                piece ::= [NBKQR] [a-h]? [1-8]? "x"? [a-h] [1-8]
                castling ::= "O-O" "-O"?
                """,
            valid: ["1. e4 e5\n", "1. e4 e5\n2. Nf3 Nc6\n3. O-O exd4+\n"], invalid: ["1. e9", "2. e4", "1. e4 e5"]),
        Example(
            testDescription: "json",
            source: """
                root ::= object
                value ::= object | array | string | number | "true" | "false" | "null"
                object ::= "{" ws (string ":" ws value ("," ws string ":" ws value)*)? ws "}"
                array ::= "[" ws (value ("," ws value)*)? ws "]"
                string ::= "\\"" ([^"\\\\\\x7F\\x00-\\x1F] | "\\\\" (["\\\\bfnrt] | "u" [0-9a-fA-F]{4}))* "\\""
                number ::= "-"? ("0" | [1-9] [0-9]{0,15}) ("." [0-9]+)?
                ws ::= | " " | "\\n" [ \\t]{0,20}
                """,
            valid: ["{}", "{\"a\": [1, \"é\\n\", {}]}"], invalid: ["[", "{a", "{\"a\":01"]),
        Example(
            testDescription: "a language like C",
            source: """
                root ::= function+
                function ::= "int " name "(" (("int " name) ("," ws "int " name)*)? ")" ws "{" ws statement* "}" ws
                statement ::= ("return " expression ";" | name ws "=" ws expression ";"
                    | "while" ws "(" expression ")" ws "{" ws statement* "}") ws
                expression ::= term (ws [-+*<] ws term)*
                term ::= name | [0-9]+ | "(" expression ")"
                name ::= [a-z_] [a-z0-9_]*
                ws ::= [ \\n]{0,4}
                """,
            valid: ["int f(){return 1;}", "int f(int a, int b) {\n x = a + 2*b; while (x < 9) { x = (x + 1); } return x; }"],
            invalid: ["f(", "int 1", "int f(){return", "int f(){x = ;"]),
    ]

    private func isMatch(_ grammar: Grammar, _ text: String) -> Bool {
        var matcher = GrammarMatcher(grammar), state = matcher.start
        for byte in text.utf8 { state = matcher.next(state, byte) }
        return matcher.accepts(state)
    }

    @Test(arguments: examples) func `a grammar in GBNF matches its texts`(example: Example) throws {
        let grammar = try Grammar(gbnf: example.source)
        for text in example.valid { #expect(isMatch(grammar, text), "\(text)") }
        for text in example.invalid { #expect(!isMatch(grammar, text), "\(text)") }
    }

    @Test func `repetitions of what may be empty end`() throws {
        let grammar = try Grammar(gbnf: "root ::= ((\"a\"?)* \"b\"?)* root2?\nroot2 ::= \"c\" root2 | \"\"")
        #expect(isMatch(grammar, "") && isMatch(grammar, "aabbacc") && !isMatch(grammar, "ca"))
    }

    @Test(arguments: [
        ("", "expected a rule named root."), ("root ::= x", "the rule 'x' is used, but not defined."),
        ("root ::= root \"a\" | \"b\"", "the rule 'root' is left-recursive: it begins with itself. Use a repetition, such as item+."),
        (
            "root ::= a \"x\"\na ::= \"\" b\nb ::= \"c\"? root \"y\"",
            "the rule 'root' is left-recursive: it begins with itself. Use a repetition, such as item+."
        ),
        ("root ::= \"a\" root", "the rule 'root' never ends: each of its alternatives uses it again."),
        ("root ::= \"a", "expected a closing quotation mark or bracket, found the end in line 1."),
        ("root ::= (\"a\"\n", "expected ), found the end in line 2."), ("root ::= \"a\"\nroot ::= \"b\"", "'root' is defined twice."),
        ("root ::= \"a\"{1,1000000}", "expected at most 2000 repetitions, before line 1."),
        ("root ::= <[1]>", "tokens in angle brackets are not supported, at line 1."),
        ("root ::= [z-a]", "expected a range of characters in order, before line 1."),
        ("root = \"a\"", "expected ::= after 'root', found '=' in line 1."),
    ])
    func `a grammar that cannot be used is an error`(source: String, reason: String) {
        #expect(throws: GrammarTextError(reason: reason)) { try Grammar(gbnf: source) }
    }

    /// Each is refused, or its matcher works within its limits.
    @Test func `hostile grammars end with an error or a grammar`() {
        let many = (0..<1_000_000).map { "\"\($0)\"" }.joined(separator: "|")
        #expect(throws: GrammarTextError.self) { try Grammar(gbnf: "root ::= " + many) }
        #expect(throws: GrammarTextError.self) { try Grammar(gbnf: "root ::= \"" + String(repeating: "a", count: 1_000_000) + "\"") }
        let nested = String(repeating: "(", count: 50_000) + "\"a\"" + String(repeating: ")", count: 50_000)
        #expect(throws: GrammarTextError.self) { try Grammar(gbnf: "root ::= " + nested) }
        #expect(throws: GrammarTextError.self) { try Grammar(gbnf: "root ::= \"a\"" + String(repeating: "{1000}", count: 90)) }
        let doubling = "root ::= r0\n" + (0..<60).map { "r\($0) ::= r\($0 + 1) r\($0 + 1)" }.joined(separator: "\n") + "\nr60 ::= \"a\"?"
        if let grammar = try? Grammar(gbnf: doubling) { _ = isMatch(grammar, "aaaa") }
        let ambiguous = "root ::= (\"a\"* \"a\"* \"a\"* | root2)* \"b\"\nroot2 ::= \"a\" root2 \"a\" | \"a\""
        if let grammar = try? Grammar(gbnf: ambiguous) { _ = isMatch(grammar, String(repeating: "a", count: 200) + "b") }
    }

    @Test func `a regular expression describes a whole text`() throws {
        let grammar = try Grammar(regex: "(cat|dog)s?\\d{1,2}|é.")
        for text in ["cat1", "dogs22", "éü"] { #expect(isMatch(grammar, text), "\(text)") }
        for text in ["xcat1", "cat", "cat123", "é", "é\n"] { #expect(!isMatch(grammar, text), "\(text)") }
        #expect(throws: GrammarTextError(reason: "no text matches the expression.")) { try Grammar(regex: "a^b") }
    }

    @Test func `choices are matched as they are`() throws {
        let grammar = try Grammar(choices: ["yes", "yes, sir", "no.*"])
        for text in ["yes", "yes, sir", "no.*"] { #expect(isMatch(grammar, text), "\(text)") }
        for text in ["ye", "noooo", "yes,", ""] { #expect(!isMatch(grammar, text), "\(text)") }
        #expect(throws: GrammarTextError.self) { try Grammar(choices: []) }
        #expect(throws: GrammarTextError.self) { try Grammar(choices: (0...10_000).map(String.init)) }
    }
}
