import Infer
import JSON
import TestSupport
import Testing
import Tokenize

extension GrammarTests {
    /// Numbers and texts with limits.
    static let limitedSchemas = [
        Schema(
            source: #"{"type": "integer", "minimum": -12, "maximum": 105}"#,
            valid: ["-12", "-9", "-1", "0", "7", "99", "100", "105"],
            invalid: ["-13", "-0", "106", "110", "01", "200", "1000", "1.", "1e"]),
        Schema(
            source: #"{"type": "integer", "exclusiveMinimum": 9, "exclusiveMaximum": 12.5}"#, valid: ["10", "11", "12"],
            invalid: ["13", "2", "-"]),
        Schema(source: #"{"type": "integer", "minimum": 10, "exclusiveMinimum": true}"#, valid: ["11", "20"], invalid: ["-"]),
        Schema(source: #"{"type": "integer", "maximum": -3}"#, valid: ["-3", "-10", "-123456"], invalid: ["0", "1"]),
        Schema(source: #"{"type": "integer", "multipleOf": 7}"#, valid: ["0", "7", "14", "-21", "700"], invalid: ["1.", "-0"]),
        Schema(source: #"{"type": "number", "multipleOf": 1}"#, valid: ["0", "12", "-7"], invalid: ["1.", "1e"]),
        Schema(
            source: #"{"type": "number", "multipleOf": 5, "minimum": 8, "maximum": 23}"#, valid: ["10", "15", "20"],
            invalid: ["8", "11", "25", "3", "5", "10."]),
        Schema(source: #"{"allOf": [{"multipleOf": 4}, {"multipleOf": 6}], "type": "integer", "maximum": 30, "minimum": 1}"#,
            valid: ["12", "24"], invalid: ["4", "6", "0", "36"]),
        Schema(
            source: #"{"type": "number", "minimum": 0.25, "exclusiveMaximum": 1.5}"#,
            valid: ["0.25", "0.3", "0.250", "1", "1.0", "1.49999"], invalid: ["0.24", "0.1", "1.5", "2", "-", "1e"]),
        Schema(
            source: #"{"exclusiveMinimum": -0.5, "maximum": 0}"#, valid: ["-0.49", "-0.01", "0", "0.0", "-0.4999"],
            invalid: ["-0.6", "-1", "0.1", "1", "-0.51"]),
        Schema(source: #"{"type": "number", "minimum": 1e-7, "maximum": 1e300}"#, valid: ["0.0000001", "5", "0.1"], invalid: ["-"]),
        Schema(
            source: #"{"type": "string", "pattern": "^[a-z]{2,3}$"}"#, valid: [#""ab""#, #""abc""#], invalid: [#""a""#, #""abcd"#, #""A"#]),
        Schema(source: #"{"pattern": "b+c", "maxLength": 8}"#, valid: [#""bc""#, #""äbbc!""#, #""xbcx\n""#], invalid: [#""bd""#, "1"]),
        Schema(
            source: #"{"type": "string", "pattern": "[0-9]$", "maxLength": 3, "minLength": 2}"#, valid: [#""a1""#, #""aé1""#],
            invalid: [#""1""#, #""abcd"#, #""ab""#, #""abc""#]),
        Schema(source: #"{"pattern": "^(a|é|\\u{1F642})*$"}"#, valid: ["\"\"", "\"aé🙂a\""], invalid: ["\"b", "\"è", "\"🙃"]),
        Schema(source: #"{"pattern": "^\"\\\\\\n.$"}"#, valid: [#""\"\\\nx""#], invalid: [#""x"#, #""\\"#]),
        Schema(
            source: #"{"allOf": [{"pattern": "a"}, {"pattern": "b"}], "maxLength": 2}"#, valid: [#""ab""#, #""ba""#],
            invalid: [#""aa"#, #""a""#, #""c"#]),
        Schema(
            source: #"{"type": "string", "format": "date"}"#, valid: [#""2024-02-29""#, #""1999-12-31""#, #""2000-02-29""#],
            invalid: [#""2023-02-29"#, #""1900-02-29"#, #""2024-13"#, #""2024-04-31"#, #""0000-0"#]),
        Schema(source: #"{"format": "time"}"#, valid: [#""23:59:59Z""#, #""00:00:00.5+02:00""#], invalid: [#""24"#, #""12:00:00""#]),
        Schema(source: #"{"format": "date-time"}"#, valid: [#""2024-02-29T12:30:00Z""#], invalid: [#""2024-02-29 "#]),
        Schema(source: #"{"format": "uuid"}"#, valid: [#""123e4567-e89b-12d3-a456-426614174000""#], invalid: [#""123e4567e"#, #""g"#]),
        Schema(source: #"{"format": "email"}"#, valid: [#""a.b@c-d.org""#], invalid: [#""a@b""#, #""@"#, #""a..b"#]),
        Schema(source: #"{"format": "ipv4"}"#, valid: [#""127.0.0.1""#, #""255.10.0.0""#], invalid: [#""256"#, #""1.2.3""#, #""01"#]),
        Schema(source: #"{"enum": [1, 4, "ab", "x", 10], "minimum": 3, "multipleOf": 2, "pattern": "b"}"#,
            valid: ["4", "10", #""ab""#], invalid: ["1\"", #""x"#]),
    ]
}

/// Limits that no grammar expresses, white space, and answers that a budget shortens.
@Suite struct SchemaLimitTests {
    @Test(arguments: [
        (#"{"type": "integer", "minimum": 3, "maximum": 2}"#, "", "no number of at most 15 digits is within the limits."),
        (#"{"multipleOf": 0.5}"#, ".multipleOf", "expected a whole number from 1 to 1000000000: others are not supported."),
        (#"{"minimum": "3"}"#, ".minimum", "expected a number, found a string."),
        (#"{"pattern": "a(?=b)"}"#, ".pattern", "look-ahead at character 2 cannot be expressed by a grammar."),
        (#"{"pattern": "(?<!a)b"}"#, ".pattern", "look-behind at character 1 cannot be expressed by a grammar."),
        (#"{"pattern": "(a)\\1"}"#, ".pattern", "a back-reference at character 5 cannot be expressed by a grammar."),
        (#"{"pattern": "a{1,1000000}"}"#, ".pattern", "expected at most 10000 repetitions, before character 11."),
        (#"{"pattern": "((a{100}){100}){100}"}"#, ".pattern", "too large: expected at most 20000 states, or fewer repetitions."),
        (#"{"pattern": "^a$", "minLength": 2}"#, "", "no text satisfies pattern, format, minLength and maxLength."),
        (#"{"pattern": "(a"}"#, ".pattern", "expected ), found the end at character 3."),
    ])
    func `a limit that cannot be kept is named`(source: String, path: String, reason: String) {
        let error = #expect(throws: JSONSchemaError.self) { try GrammarTests.grammar(source, isStrict: true) }
        #expect(error?.path == path && error?.reason == reason)
    }

    @Test(arguments: ["(.*a.{20})", "(a|b|ab)*(c|d){500}e.{500}$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(a?){300}(a){300}"])
    func `an expression that needs many states ends with an error or a grammar`(pattern: String) {
        _ = try? GrammarTests.grammar(#"{"pattern": "\#(pattern)", "maxLength": 900}"#, isStrict: true)
    }

    @Test func `white space is that of a pretty printer`() throws {
        func isRefused(_ text: String) -> Bool {
            var matcher = GrammarMatcher(.anyObject), state = matcher.start
            for byte in text.utf8 { state = matcher.next(state, byte) }
            return state == GrammarMatcher.dead
        }
        for text in ["{  ", "{\t", "{\n\n", "{\n \t", "{\"a\":\n", "{\"a\" ", "{\n" + String(repeating: " ", count: 21)] {
            #expect(isRefused(text), "\(text.debugDescription)")
        }
        #expect(!isRefused("{\n    \"a\": [\n\t\t1,\n\t\t2\n\t]\n}") && !isRefused("{ \"a\":1, \"b\":2 }"))
    }

    /// A model that prefers letters never ends a text by itself.
    private func answer(_ schema: String, maximum: Int) throws -> (text: String, state: GenerationState) {
        let vocabulary = Vocabulary.ofBytes(specialTokens: ["<|eos|>"])
        let info = ModelInfo(name: "letters", context: 1_024, try Tokenizer(vocabulary), nil)
        var request = GenerationRequest(.text("x"), try GenerationConfig(maxTokens: maximum, temperature: 0))
        request.grammar = try GrammarTests.grammar(schema)
        var state = try GenerationState(request, for: info), text = ""
        while state.reason == nil {
            var logits = [Float](repeating: 0, count: vocabulary.count), span = logits.mutableSpan
            for id in vocabulary.tokens.indices where vocabulary.tokens[id].elementsEqual("a".utf8) { span[id] = 9 }
            text += state.advance(&span).piece?.text ?? ""
        }
        return (text, state)
    }

    private static let nested = #"{"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}, "minItems": 1}, "#
        + #""b": {"type": "integer", "minimum": 10}}, "required": ["a", "b"]}"#

    @Test(arguments: 17...60) func `an answer that would be cut is completed within its tokens`(maximum: Int) throws {
        let (text, state) = try answer(Self.nested, maximum: maximum)
        let value = try JSONElement(parsing: Array(text.utf8))
        #expect(value["b"]?.integer ?? 0 >= 10 && value["a"] != nil && state.answerTokens <= maximum, "\(text)")
        #expect(state.reason == .length)
    }

    @Test func `an answer that no completion fits is cut`() throws {
        let (text, state) = try answer(Self.nested, maximum: 6)
        #expect(state.reason == .length && state.answerTokens == 6 && text.utf8.count == 6)
    }

    @Test func `an answer that ends by itself is not shortened`() throws {
        let (text, state) = try answer(#"{"enum": ["aaa"]}"#, maximum: 5)
        #expect(text == #""aaa""# && state.reason == .stop)
    }

    @Test func `a long text without a choice is added in runs of bounded length`() throws {
        let vocabulary = Vocabulary.ofBytes(specialTokens: ["<|eos|>"])
        let info = ModelInfo(name: "bytes", context: 4_096, try Tokenizer(vocabulary), nil)
        var request = GenerationRequest(.text("x"), try GenerationConfig(maxTokens: 3_000, seed: 1))
        request.grammar = try Grammar(gbnf: "root ::= a{5}\na ::= \"a\"{500}")
        var state = try GenerationState(request, for: info), runs: [Int] = [], text = ""
        while state.reason == nil {
            var logits = [Float](repeating: 0, count: vocabulary.count), span = logits.mutableSpan
            let step = state.advance(&span)
            text += step.piece?.text ?? ""
            runs.append(step.nextTokens.count)
        }
        #expect(text == String(repeating: "a", count: 2_500) && state.reason == .stop && state.answerTokens == 2_500)
        #expect(runs.max() == 65)
    }
}
