import Infer
import JSON
import TestSupport
import Testing
import Tokenize

/// Answers that must be JSON, of a schema or of any kind, or calls of functions.
@Suite struct GrammarTests {
    static func grammar(_ schema: String, isStrict: Bool = false) throws -> Grammar {
        return try Grammar(jsonSchema: JSONElement(parsing: schema), isStrict: isStrict)
    }

    /// Whether the grammar matches a text; nil if it matches only its beginning, and the number of bytes before the first wrong one.
    private func match(_ grammar: Grammar, _ text: some Sequence<UInt8>) -> (isMatch: Bool?, length: Int) {
        var matcher = GrammarMatcher(grammar), state = matcher.start, length = 0
        for byte in text {
            state = matcher.next(state, byte)
            if state == GrammarMatcher.dead { return (false, length) }
            length += 1
        }
        return (matcher.accepts(state) ? true : nil, length)
    }

    struct Schema: Sendable, CustomTestStringConvertible {
        let source: String
        let valid: [String]
        var invalid: [String] = []

        var testDescription: String { source }
    }

    static let schemas = [
        Schema(
            source: "true",
            valid: [
                "{}", "[]", #"{"a":[1,-2.5e+3,true,false,null,"x"]}"#, "{ \"a\": {\n  \"b\": [ 1, 2 ]\n} }", "0", "-0.0", "\"\"", "\"ä🙂\"",
                #""\" \\ \/ \b \u00e9 \ud7ff""#,
            ],
            invalid: ["{a", "[1,]", "01", "1.}", "\"\u{1}", #""\x"#, #""\ud8"#, "tru ", "nul1", "[1 2", "{\"a\" :", "+1", "--1"]),
        Schema(
            source: #"{"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}, "c": {}}, "required": ["b"]}"#,
            valid: [#"{"a":1,"b":"x","c":[]}"#, #"{"b": "x"}"#, #"{"b":"","c":null}"#, #"{"a": -7, "b": "x"}"#],
            invalid: ["{}", #"{"a":1}"#, #"{"c"#, #"{"b":"x","a"#, #"{"a":1.5"#, #"{"b":"x","d"#, #"{"b":"x",}"#, "["]),
        Schema(
            source: #"{"properties": {"a": {"const": 1}}, "additionalProperties": {"type": "boolean"}}"#,
            valid: ["{}", #"{"a":1}"#, #"{"a":1,"x":true,"y":false}"#, #"{"x": true}"#, #"{"aa":true}"#, #"{"":true}"#, #"{"ä":true}"#],
            invalid: [#"{"a":2"#, #"{"x":1"#, #"{"x":true,"a""#, #"{"\u0061"#]),
        Schema(
            source: #"{"properties": {"ab": true, "aé": true, "b\"": true}, "additionalProperties": {"type": "null"}, "required": ["c"]}"#,
            valid: [#"{"c":1}"#, #"{"ab":1,"b\"":2,"c":3,"a":null,"abc":null,"b":null,"d\n":null}"#, #"{"c":1,"axé":null}"#],
            invalid: [#"{"c":1,"ab""#, #"{"c":1,"aé"#, #"{"c":1,"b\"#, #"{"c":1,"c""#, "{}"]),
        Schema(source: #"{"type": "object", "additionalProperties": false}"#, valid: ["{}", "{ }"], invalid: [#"{""#]),
        Schema(
            source: #"{"type": "object", "required": ["a\"b"]}"#, valid: [#"{"a\"b":1}"#, #"{"a\"b": {},"c":2}"#],
            invalid: ["{}", #"{"c"#]),
        Schema(
            source: #"{"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3}"#,
            valid: ["[true]", "[true,false]", "[ true, false, true ]"], invalid: ["[]", "[true,true,true,", "[1"]),
        Schema(source: #"{"items": {"type": "null"}}"#, valid: ["[]", "[null]", "[null,null,null,null]"], invalid: ["[1", "{"]),
        Schema(source: #"{"type": "array", "maxItems": 0}"#, valid: ["[]"], invalid: ["[1"]),
        Schema(source: #"{"type": "array", "minItems": 2}"#, valid: ["[1,2]", "[1,2,3]"], invalid: ["[]", "[1]"]),
        Schema(
            source: #"{"prefixItems": [{"type": "integer"}, {"type": "boolean"}]}"#, valid: ["[]", "[1]", "[1,true]"],
            invalid: ["[true", "[1,true,"]),
        Schema(
            source: #"{"type": "array", "prefixItems": [{"type": "integer"}], "items": {"type": "boolean"}, "minItems": 2}"#,
            valid: ["[1,true]", "[1, true, false]"], invalid: ["[]", "[1]", "[1,2"]),
        Schema(source: #"{"enum": ["a", "ab", 1, [1, {"x": null}], "\u00e9"]}"#,
            valid: [#""a""#, #""ab""#, "1", #"[1,{"x":null}]"#, #""é""#], invalid: [#""b"#, #""abc"#, "2", "[2"]),
        Schema(source: #"{"type": ["integer", "null"]}"#, valid: ["12", "null", "-3"], invalid: ["\"", "t"]),
        Schema(source: #"{"anyOf": [{"type": "boolean"}, {"type": "string", "minLength": 2, "maxLength": 3}]}"#,
            valid: ["true", #""ab""#, #""äöü""#, #""\n\"""#], invalid: [#""a""#, #""abcd"#, "1"]),
        Schema(
            source: ##"{"allOf": [{"$ref": "#/$defs/a~1b"}], "$defs": {"a/b": {"type": "number"}}}"##, valid: ["1.5", "1e9"],
            invalid: ["t"]),
        Schema(
            source: ##"{"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, "required": ["next"]}"##,
            valid: [#"{"next":null}"#, #"{"next":{"next":{"next":null}}}"#], invalid: [#"{"next":1"#, "{}"]),
    ] + mergedSchemas + limitedSchemas

    @Test(arguments: schemas) func `a grammar matches what is valid with its schema`(schema: Schema) throws {
        let grammar = try Self.grammar(schema.source, isStrict: true)
        for text in schema.valid {
            let found = match(grammar, text.utf8)
            #expect(found.isMatch == true, "\(text): \(found)")
            // No beginning of it is rejected.
            #expect(match(grammar, text.utf8.dropLast()).isMatch != false, "\(text)")
        }
        for text in schema.invalid { #expect(match(grammar, text.utf8).isMatch == false, "\(text)") }
    }

    /// Any walk through the states gives JSON of the schema, and can always be completed.
    @Test(arguments: schemas) func `any path through a grammar is JSON`(schema: Schema) throws {
        let grammar = try Self.grammar(schema.source), ends = Array("}]\"0, tfn\n".utf8)
        var random = TestRandom(7), complete = 0
        for _ in 0..<200 {
            var matcher = GrammarMatcher(grammar), state = matcher.start, text: [UInt8] = []
            while !matcher.isComplete(state), text.count < 2_000 {
                if matcher.accepts(state), random.below(3) == 0 { break }
                // Bytes that end something are preferred, so that texts end.
                var allowed = (UInt8.min...UInt8.max).filter { matcher.next(state, $0) != GrammarMatcher.dead }
                let ending = allowed.filter { ends.contains($0) }
                if !ending.isEmpty, text.count > 40 || random.below(2) == 0 { allowed = ending }
                let byte = try #require(allowed.isEmpty ? nil : allowed[random.below(allowed.count)])
                text.append(byte)
                state = matcher.next(state, byte)
                if random.below(50) == 0 {
                    matcher.forget(allBut: state)
                    state = matcher.start
                }
            }
            guard matcher.accepts(state) else { continue }
            complete += 1
            #expect(throws: Never.self, "\(String(decoding: text, as: UTF8.self))") { try JSONElement(parsing: text) }
            #expect(match(grammar, text).isMatch == true)
        }
        #expect(complete > 100)
    }

    @Test(arguments: [
        ("1", "", "expected a schema, found a number."),
        (#"{"properties": {"a": {"not": {}}}}"#, ".properties.a.not", "not supported in a strict schema."),
        (#"{"type": "text"}"#, ".type", "expected object, array, string, integer, number, boolean or null, found 'text'."),
        (#"{"enum": []}"#, ".enum", "expected a list of 1 to 1000 values."),
        (#"{"anyOf": {}}"#, ".anyOf", "expected a list of 1 to 1000 schemas."),
        (#"{"$ref": "other.json"}"#, ".$ref", "expected a reference to a part of this schema, such as #/$defs/city."),
        (##"{"$ref": "#/$defs/a"}"##, ".$ref", "#/$defs/a is not in the schema."),
        (##"{"$ref": "#"}"##, ".$ref", "# refers to itself."), (#"{"allOf": []}"#, ".allOf", "expected a list of schemas."),
        (#"{"minLength": 3, "maxLength": 2}"#, ".minLength", "expected at most maxLength."),
        (#"{"maxLength": 10001}"#, ".maxLength", "expected a whole number from 0 to 10000."),
        (#"{"properties": {}, "required": ["a"]}"#, ".required", "'a' is not in properties."),
        (#"{"properties": 1}"#, ".properties", "expected an object, found a number."),
        (#"{"prefixItems": [true], "minItems": 2}"#, "", "expected minItems of at most maxItems."),
    ])
    func `a schema that is not understood is an error at its path`(source: String, path: String, reason: String) {
        #expect(throws: JSONSchemaError(path: path, reason: reason)) { try Self.grammar(source, isStrict: true) }
    }

    @Test func `a keyword that no grammar expresses is ignored unless a schema is strict`() throws {
        let source = #"{"type": "array", "uniqueItems": true}"#
        #expect(try match(Self.grammar(source), "[1,1]".utf8).isMatch == true)
        #expect(throws: JSONSchemaError.self) { try Self.grammar(source, isStrict: true) }
    }

    @Test func `a text that could go on in thousands of places is not allowed`() throws {
        func grammar(_ count: Int) throws -> Grammar {
            let lengths = (0..<count).map { #"{"type": "string", "minLength": \#($0 % 3)}"# }.joined(separator: ",")
            return try Self.grammar(#"{"items": {"anyOf": [\#(lengths)]}}"#)
        }
        #expect(try match(grammar(200), #"["", "abc"]"#.utf8).isMatch == true)
        #expect(try match(grammar(999), #"["", "abc"]"#.utf8).isMatch == false)
    }

    @Test func `a schema of many rules, of many levels, or with long names, is an error`() {
        let name = String(repeating: "n", count: 100_000)
        #expect(throws: JSONSchemaError.self) { try Self.grammar(#"{"properties": {"\#(name)": true}, "additionalProperties": true}"#) }
        let wide = (0..<50).map { #""p\#($0)": {"type": "string", "maxLength": 10000}"# }.joined(separator: ",")
        #expect(throws: JSONSchemaError.self) { try Self.grammar(#"{"properties": {\#(wide)}}"#) }
        let deep = String(repeating: #"{"items": "#, count: 200) + "true" + String(repeating: "}", count: 200)
        #expect(throws: JSONSchemaError.self) { try Self.grammar(deep) }
    }

    /// Schemas in schemas, with members of the wrong kind here and there.
    private func randomSchema(_ random: inout TestRandom, _ depth: Int) -> String {
        func part() -> String { randomSchema(&random, depth + 1) }
        switch depth > 5 ? 0 : random.below(11) {
        case 1: return #"{"properties": {"a": \#(part()), "b": \#(part())}, "required": ["\#(["a", "b", "c"][random.below(3)])"]}"#
        case 2: return #"{"type": "array", "items": \#(part()), "minItems": \#(random.below(3)), "maxItems": \#(random.below(4))}"#
        case 3: return #"{"anyOf": [\#(part()), \#(part())]}"#
        case 4: return #"{"additionalProperties": \#(part()), "type": "object"}"#
        case 5: return #"{"prefixItems": [\#(part())], "items": \#(part())}"#
        case 6: return ##"{"$ref": "#\##(["", "/items", "/properties/a", "/anyOf/0"][random.below(4)])"}"##
        case 7: return ["1", "[]", "null", #""x""#, #"{"type": []}"#, #"{"enum": 1}"#, #"{"minLength": -1}"#][random.below(7)]
        case 8: return #"{"allOf": [\#(part()), \#(part())]}"#
        case 9: return #"{"properties": {"a": \#(part())}, "required": ["a"], "allOf": [\#(part())], "additionalProperties": \#(part())}"#
        default: return Self.schemas[random.below(Self.schemas.count)].source
        }
    }

    @Test func `fuzzed schemas end with an error or a grammar, and any text of it can be continued`() throws {
        var random = TestRandom(3), understood = 0
        for _ in 0..<fuzzRounds(default: 1_000) {
            let source = randomSchema(&random, 0)
            guard let grammar = try? Self.grammar(source, isStrict: random.below(2) == 0) else { continue }
            understood += 1
            var matcher = GrammarMatcher(grammar), state = matcher.start
            for _ in 0..<30 where !matcher.isComplete(state) {
                let allowed = (UInt8.min...UInt8.max).filter { matcher.next(state, $0) != GrammarMatcher.dead }
                state = matcher.next(state, try #require(allowed.isEmpty ? nil : allowed[random.below(allowed.count)], "\(source)"))
            }
        }
        #expect(understood > 100)
    }

    // MARK: Tokens

    /// Bytes, and pairs of what JSON has, with an end token.
    private static let vocabulary: Vocabulary = {
        var vocabulary = Vocabulary.ofBytes(specialTokens: ["<|eos|>", "\"}", "{\""])
        for text in ["{\"", "\": ", "\", \"", "}]", "true", "false", "null", "\"}", "[[", "ab\"", "\"a\": 1", "}\n\n", "12"] {
            vocabulary.tokens.append(Array(text.utf8))
        }
        return vocabulary
    }()

    /// Random logits stand for a model that has learned nothing.
    private func answer(
        _ grammar: Grammar, seed: UInt64, _ vocabulary: Vocabulary = vocabulary, maximum: Int = 400, spread: Float = 6
    ) throws -> (text: String, reason: FinishReason?) {
        let info = ModelInfo(name: "random", context: 1_024, try Tokenizer(vocabulary), nil)
        var request = GenerationRequest(.text("x"), try GenerationConfig(maxTokens: maximum, seed: seed))
        request.grammar = grammar
        var state = try GenerationState(request, for: info), random = TestRandom(seed), text = ""
        while state.reason == nil {
            var logits = random.numbers(vocabulary.count).map { spread * $0 }, span = logits.mutableSpan
            text += state.advance(&span).piece?.text ?? ""
        }
        return (text, state.reason)
    }

    @Test(arguments: schemas) func `a model that knows nothing answers with valid JSON`(schema: Schema) throws {
        let grammar = try Self.grammar(schema.source)
        var stopped = 0
        for seed in 0..<20 {
            let (text, reason) = try answer(grammar, seed: UInt64(seed))
            let found = match(grammar, text.utf8)
            if reason == .stop {
                stopped += 1
                #expect(found.isMatch == true, "\(text)")
            } else {
                #expect(reason == .length && found.isMatch != false, "\(text)")
            }
        }
        #expect(stopped > 3)
    }

    @Test(arguments: schemas) func `the allowed tokens are those whose bytes continue the text`(schema: Schema) throws {
        try expectExactMasks(of: Self.grammar(schema.source), Self.vocabulary)
    }

    /// Characters of several bytes, whole, cut and wrong; long tokens, and equal ones.
    private static let widerVocabulary: Vocabulary = {
        var vocabulary = Self.vocabulary
        var random = TestRandom(5)
        let letters = "éä日本🙂abz \"\\\n0\u{7FF}\u{FFFF}\u{10FFFF}", parts = letters.unicodeScalars.map { Array(String($0).utf8) }
        for _ in 0..<400 {
            var token = (0...random.below(4)).flatMap { _ in parts[random.below(parts.count)] }
            if random.below(4) == 0 { token.removeLast() }
            if random.below(8) == 0 { token.insert(UInt8(0x80 + random.below(128)), at: random.below(token.count + 1)) }
            if !token.isEmpty { vocabulary.tokens.append(token) }
        }
        for length in [20, 39, 40, 41, 80, 300] { vocabulary.tokens.append(Array(repeating: UInt8(ascii: "a"), count: length)) }
        for token: [UInt8] in [[97, 98], [97, 98], [0xED, 0xA0, 0x80], [0xC0, 0x80], [0xF4, 0x90]] { vocabulary.tokens.append(token) }
        return vocabulary
    }()

    @Test(arguments: [
        "[^\"\n]*\n", ".{0,45}z", "[^é]{3,90}", "[a-z]+é*[^a]", "(a|ab|日本)*0", "[ -~]{1,3}", "([^\\n]{5,9}\\n)+",
        "([^\n\"]{0,3}\"){9}", "([^z]|z[^z])*", "\\S+ \\S+", ".{250,}",
    ]) func `the allowed tokens of a regular expression are exact`(pattern: String) throws {
        try expectExactMasks(of: Grammar(regex: pattern), Self.widerVocabulary)
    }

    @Test(arguments: [
        ("\\S", "é", true), ("\\S", "\u{85}", false), ("\\S", "\u{1F}", false), ("[^\\s]", "\u{85}", false), ("\\s", "\u{A0}", true),
        ("\\s", "\u{FEFF}", false), ("[^\\S]", " ", true), ("\\d", "٣", false), ("\\D", "٣", false), ("\\D", "ä", true),
        ("\\w", "é", false), ("\\W", "é", false), ("[^\\w]", "é", false), ("\\W", "€", true),
    ]) func `a class has the characters that JavaScript and Python agree on`(pattern: String, text: String, isMember: Bool) throws {
        #expect(try (match(Grammar(regex: pattern), Array(text.utf8)).isMatch == true) == isMember)
    }

    @Test(arguments: [
        #"{"type": "string"}"#, #"{"type": "string", "maxLength": 30}"#, #"{"type": "string", "minLength": 42, "maxLength": 44}"#,
        #"{"properties": {"ab": {"type": "integer"}}, "additionalProperties": {"type": "string"}}"#,
        #"{"type": "string", "pattern": "^[^b]*$"}"#,
    ]) func `the allowed tokens of a text in a schema are exact`(schema: String) throws {
        try expectExactMasks(of: Self.grammar(schema), Self.widerVocabulary)
    }

    /// Compares masks with tokens that are matched byte by byte.
    private func expectExactMasks(of grammar: Grammar, _ vocabulary: Vocabulary) throws {
        let end = vocabulary.endOfTextToken ?? 0
        var random = TestRandom(11), filter = AnswerFilter(grammar, GrammarTokens(vocabulary), stopTokens: [end]), text: [UInt8] = []
        for _ in 0..<60 where !filter.isComplete {
            var logits = [Float](repeating: 0, count: vocabulary.count + 3), span = logits.mutableSpan
            filter.restrict(&span)
            let allowed = logits.indices.filter { logits[$0] == 0 }
            // A new matcher for each text; not for each token, which would take minutes.
            var matcher = GrammarMatcher(grammar)
            let state = text.reduce(matcher.start) { matcher.next($0, $1) }
            let expected = vocabulary.tokens.indices.filter { id in
                if id == end { return matcher.accepts(state) }
                var next = state
                for byte in vocabulary.tokens[id] where next != GrammarMatcher.dead { next = matcher.next(next, byte) }
                return next != GrammarMatcher.dead
            }
            #expect(allowed == expected, "\(String(decoding: text, as: UTF8.self))")
            let choices = allowed.filter { $0 != end }
            let id = try #require(choices.isEmpty ? nil : choices[random.below(choices.count)])
            text += vocabulary.tokens[id]
            filter.add(TokenID(id))
        }
    }

    @Test func `a vocabulary without the characters of the format is an error`() throws {
        var vocabulary = Vocabulary()
        vocabulary.add(specialTokens: ["<|eos|>"])
        for text in ["x", "y"] { vocabulary.tokens.append(Array(text.utf8)) }
        #expect(try answer(.anyObject, seed: 1, vocabulary).reason == .error(.noAllowedToken))
    }

    @Test func `logits that are all NaN are an error of the model, not of the format`() throws {
        #expect(try answer(.anyObject, seed: 1, spread: .nan).reason == .error(.invalidLogits))
    }

    @Test func `an answer may begin with a space`() {
        #expect(match(Grammar.anyObject.afterOptionalSpace, " {}".utf8).isMatch == true)
        #expect(match(Grammar.anyObject.afterOptionalSpace, "{}".utf8).isMatch == true)
        #expect(match(Grammar.anyObject, " {}".utf8).isMatch == false)
        #expect(match(Grammar.anyObject, "[".utf8).isMatch == false)
    }

    // MARK: Calls

    @Test(arguments: [true, false]) func `calls of functions have the model's form`(allowsSeveral: Bool) throws {
        let renderer = try ChatRenderer(.jinja(JinjaChatTemplate(ToolCallModel.template)), for: Tokenizer(ToolCallModel.vocabulary))
        let format = renderer.toolCallFormat, shape = try #require(renderer.toolCallShape)
        let parameters = #"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#
        let tools = ChatTools(
            json: Array(#"[{"type":"function","function":{"name":"weather","parameters":\#(parameters)}},"#.utf8)
                + Array(#"{"type":"function","function":{"name":"time"}}]"#.utf8),
            names: ["weather", "time"])
        func text(_ calls: [ToolCall]) throws -> [UInt8] {
            let tokenizer = try Tokenizer(ToolCallModel.vocabulary)
            var encoder = try Encoder(tokenizer), whole = ChatTokens()
            let answer = Conversation.Message("", calling: calls.map { .init(id: "1", $0) })
            try renderer.append(Conversation([.init(.user, "U"), answer], tools: tools), with: &encoder, to: &whole)
            let said = try #require(whole.ranges(of: .assistant).first)
            return tokenizer.bytes(of: Array(whole.ids[said].dropLast()))
        }
        let weather = ToolCall(name: "weather", arguments: Array(#"{"city":"Rome"}"#.utf8))
        let time = ToolCall(name: "time", arguments: Array("{}".utf8))
        let any = try Grammar(callsOf: tools, named: nil, format, shape, allowsSeveral: allowsSeveral)
        let one = try Grammar(callsOf: tools, named: "time", format, shape, allowsSeveral: allowsSeveral)
        for calls in [[weather], [time]] { #expect(try match(any, text(calls)).isMatch == true) }
        #expect(try match(any, text([weather, time])).isMatch == allowsSeveral)
        #expect(try match(one, text([time])).isMatch == true && match(one, text([weather])).isMatch == false)
        let wrong = ToolCall(name: "weather", arguments: Array(#"{"town":"Rome"}"#.utf8))
        #expect(try match(any, text([wrong])).isMatch == false)
        // What the grammar gives is read as calls again.
        for seed in 0..<10 {
            let answer = try answer(any, seed: UInt64(seed), ToolCallModel.vocabulary, maximum: 300)
            guard answer.reason == .stop else { continue }
            let (content, calls) = format.read(answer.text.utf8, names: tools.names)
            #expect(content.trimmed.isEmpty && !calls.isEmpty && (allowsSeveral || calls.count == 1), "\(answer.text.debugDescription)")
        }
    }
}
