import Infer
import JSON
import Testing
import TestSupport
import Tokenize

/// Answers in the channels of gpt-oss that a grammar constrains, that call functions, and that continue a message.
@Suite struct ChannelAnswerTests {
    private let info: ModelInfo

    init() throws {
        info = ModelInfo(name: "harmony", context: 2_048, try Tokenizer(HarmonyModel.vocabulary), try HarmonyModel.renderer())
    }

    private struct Answer: Equatable {
        var text = ""
        var thought = ""
        var calls: [ToolCall] = []
        var reason: FinishReason? = .stop
    }

    private static let next = "<|end|><|start|>assistant"
    private static let question = [Conversation.Message(.user, "Hi")]

    /// What comes out if the model wants to write a text. Special tokens that it must not write are skipped; where another token is not
    /// allowed, it takes the first one that is.
    private func answer(_ wish: String, _ request: GenerationRequest) throws -> (answer: Answer, tokens: Int) {
        var state = try GenerationState(request, for: info), answer = Answer()
        var wishes = try tokens(wish)[...]
        while state.reason == nil {
            var logits = [Float](repeating: 0, count: info.tokenizer.vocabulary.count)
            for token in info.tokenizer.vocabulary.specialTokens { logits[Int(token.id)] = -1 }
            if let wish = wishes.first { logits[Int(wish)] = 9 }
            var span = logits.mutableSpan
            let step = state.advance(&span)
            answer.text += step.piece?.text ?? ""
            answer.thought += step.piece?.reasoning ?? ""
            answer.calls += step.piece?.toolCalls ?? []
            let isSpecial = info.tokenizer.vocabulary.specialTokens.contains { $0.id == wishes.first }
            if isSpecial, step.nextTokens.first != wishes.first { wishes.removeFirst() }
            for id in step.nextTokens where id == wishes.first { wishes.removeFirst() }
        }
        answer.reason = state.reason
        return (answer, state.answerTokens)
    }

    private func tokens(_ text: String) throws -> [TokenID] {
        let vocabulary = info.tokenizer.vocabulary
        var ids: [TokenID] = [], rest = text[...]
        while let first = rest.utf8.first {
            let mark = HarmonyModel.specialTokens.first { rest.hasPrefix($0) }
            let byte = vocabulary.tokens.indices.first { vocabulary.tokens[$0].elementsEqual([first]) }
            ids.append(try #require(mark.map { vocabulary.specialTokenID($0) } ?? byte.map(TokenID.init)))
            rest = rest.dropFirst(mark?.count ?? 1)
        }
        return ids
    }

    private func request(_ grammar: Grammar?, tools: ChatTools? = nil, maxTokens: Int = 400) throws -> GenerationRequest {
        var request = GenerationRequest(.chat(Self.question), try GenerationConfig(maxTokens: maxTokens, temperature: 0))
        request.grammar = grammar
        request.tools = tools
        return request
    }

    private static func schema(_ json: String) throws -> Grammar { try Grammar(jsonSchema: JSONElement(parsing: json), isStrict: false) }

    @Test(arguments: [
        ("<|channel|>analysis<|message|>Easy: {.\(next)<|channel|>final<|message|>No", "Easy: {."),
        ("<|channel|>final<|message|>No", ""),
        // After one thought, only the answer is left.
        ("<|channel|>analysis<|message|>A\(next)<|channel|>analysis<|message|>B", "A"),
    ])
    func `a schema holds for the final message, and the thought before it is free`(wish: String, thought: String) throws {
        let found = try answer(wish, request(Self.schema(#"{"const": "Four."}"#))).answer
        #expect(found == Answer(text: #""Four.""#, thought: thought))
    }

    @Test func `a constrained text has no token of channels`() throws {
        let found = try answer("<|channel|>final<|message|>a<|channel|>b<|end|>c<|return|>", request(Grammar(regex: "[a-c]*"))).answer
        #expect(found == Answer(text: "aabac"))
    }

    @Test func `a thought ends in time for the answer`() throws {
        let wish = "<|channel|>analysis<|message|>" + String(repeating: "x", count: 400)
        let found = try answer(wish, request(Self.schema(#"{"const": "Four."}"#), maxTokens: 60))
        #expect(found.answer.text == #""Four.""# && found.answer.reason == .length && found.tokens <= 60)
        #expect(found.answer.thought.allSatisfy { $0 == "x" } && found.answer.thought.count > 10)
    }

    private static func tools() throws -> ChatTools {
        func tool(_ name: String, _ property: String, _ value: String) -> String {
            let parameters = #"{"properties":{"\#(property)":{"const":"\#(value)"}},"required":["\#(property)"]}"#
            return #"{"type":"function","function":{"name":"\#(name)","parameters":\#(parameters)}}"#
        }
        let list = "[\(tool("weather", "city", "Rome")),\(tool("weather_at", "zone", "UTC"))]"
        return try #require(try ChatTools(JSONElement(parsing: list)))
    }

    private static let weather = ToolCall(name: "weather", arguments: Array(#"{"city":"Rome"}"#.utf8))
    private static let weatherAt = ToolCall(name: "weather_at", arguments: Array(#"{"zone":"UTC"}"#.utf8))

    @Test(arguments: [
        (" to=functions.weather<|channel|>", "", weather), (" to=functions.weather_at<|channel|>", "", weatherAt),
        ("<|channel|>analysis<|message|>Hm\(next) to=functions.weather_", "Hm", weatherAt),
    ])
    func `a required call has the form of the template, and may follow a thought`(wish: String, thought: String, call: ToolCall) throws {
        let renderer = try #require(info.renderer), shape = try #require(renderer.toolCallShape)
        let grammar = try Grammar(callsOf: Self.tools(), named: nil, renderer.toolCallFormat, shape, allowsSeveral: true)
        #expect(try answer(wish, request(grammar, tools: Self.tools())).answer == Answer(thought: thought, calls: [call]))
    }

    @Test func `a call ends the answer`() throws {
        let wish = #"<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{"city": "Rome"}<|call|>more"#
        #expect(try answer(wish, request(nil, tools: Self.tools())).answer == Answer(calls: [Self.weather]))
        #expect(try answer(wish, request(nil)).answer == Answer(text: #"<think>{"city": "Rome"}"#))
        let cut = try answer(wish, request(nil, tools: Self.tools(), maxTokens: 50)).answer
        #expect(cut == Answer(reason: .length))
    }

    @Test(arguments: [
        ("The answer", " is 4.<|end|>more", " is 4."), ("The answer", " is 4.<|return|>", " is 4."),
        ("<think>Easy", ".\(next)<|channel|>final<|message|>4.<|return|>", ".</think>4."),
    ])
    func `a continued message ends with its token`(message: String, wish: String, text: String) throws {
        var request = GenerationRequest(
            .chat(Self.question + [.init(.assistant, message)]), try GenerationConfig(maxTokens: 100, temperature: 0))
        request.continuesAnswer = true
        #expect(try answer(wish, request).answer == Answer(text: text))
    }
}
