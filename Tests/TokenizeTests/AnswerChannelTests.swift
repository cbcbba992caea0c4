import TestSupport
import Testing
import Tokenize

/// Answers in the channels of gpt-oss.
@Suite struct AnswerChannelTests {
    private let tokenizer: Tokenizer
    private let renderer: ChatRenderer

    init() throws {
        tokenizer = try Tokenizer(HarmonyModel.vocabulary)
        renderer = try HarmonyModel.renderer()
    }

    private struct Answer: Equatable {
        var text = ""
        var thought = ""
        var calls: [ToolCall] = []
        var isFinished = false

        mutating func add(_ part: ChannelReader.Part) {
            text += part.text
            thought += part.thought
            calls += part.calls
        }
    }

    /// The special tokens of an answer, with the texts between them in pieces of a length.
    private func tokens(_ answer: String, textLength: Int) -> [(id: TokenID, text: String)] {
        var tokens: [(id: TokenID, text: String)] = [], rest = answer[...]
        while let first = rest.first {
            if let mark = HarmonyModel.specialTokens.first(where: { rest.hasPrefix($0) }) {
                tokens.append((tokenizer.vocabulary.specialTokenID(mark) ?? 0, mark))
                rest = rest.dropFirst(mark.count)
            } else {
                let end = HarmonyModel.specialTokens.compactMap { rest.firstRange(of: $0)?.lowerBound }.min() ?? rest.endIndex
                let piece = rest[..<end].prefix(textLength)
                tokens.append((TokenID(first.utf8.first ?? 0), String(piece)))
                rest = rest.dropFirst(piece.count)
            }
        }
        return tokens
    }

    private func read(
        _ tokens: some Sequence<(id: TokenID, text: String)>, callsFunctions: Bool = true, isCut: Bool = false, isApart: Bool = false
    ) throws -> Answer {
        var reader = ChannelReader(try #require(renderer.channels), callsFunctions: callsFunctions, separatesThoughts: isApart)
        var answer = Answer()
        for token in tokens { answer.add(reader.add(token.id, token.text)) }
        answer.isFinished = reader.isFinished
        answer.add(reader.finish(isCut: isCut))
        return answer
    }

    private func read(_ answer: String, callsFunctions: Bool = true, isCut: Bool = false, isApart: Bool = false) throws -> Answer {
        try read(tokens(answer, textLength: 1), callsFunctions: callsFunctions, isCut: isCut, isApart: isApart)
    }

    private static let next = "<|end|><|start|>assistant"
    private static let rome = ToolCall(name: "weather", arguments: Array(#"{"city":"Rome"}"#.utf8))
    private static let time = ToolCall(name: "time", arguments: Array("{}".utf8))
    private static let weather = #"<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{"city": "Rome"}"#

    @Test(arguments: [
        ("<|channel|>analysis<|message|>Easy.\(next)<|channel|>final<|message|>4.", "<think>Easy.</think>4.", false),
        ("<|channel|>final<|message|>Four.", "Four.", false),
        ("<|channel|>final<|message|>Four.<|end|>", "Four.", true),
        ("<|channel|>final <|constrain|>json<|message|>{}", "{}", false),
        (
            "<|channel|>analysis<|message|>A\(next)<|channel|>analysis<|message|>B\(next)<|channel|>final json<|message|>{}",
            "<think>A\n\nB</think>{}", false
        ),
        // Without a recipient, commentary is for the user.
        (
            "<|channel|>analysis<|message|>A\(next)<|channel|>commentary<|message|>I look.\(next)<|channel|>final<|message|>B",
            "<think>A</think>I look.\n\nB", false
        ),
        // Tools that slm does not have.
        ("<|channel|>analysis to=python code<|message|>1+1<|end|>", "<think>1+1", false),
        ("<|channel|>analysis<|message|>cut", "<think>cut", false),
        ("no channels", "no channels", false), (" to", " to", false), ("to=do", "to=do", false), ("Four.<|end|>", "Four.", true),
        ("", "", false), ("<|channel|>fin", "", false),
    ] as [(String, String, Bool)])
    func `thoughts stand between marks, and the final channel is the text`(answer: String, text: String, isFinished: Bool) throws {
        #expect(try read(answer) == Answer(text: text, isFinished: isFinished))
        #expect(try read(tokens(answer, textLength: 40)) == Answer(text: text, isFinished: isFinished))
    }

    @Test(arguments: [
        (weather + "<|call|>", "", [rome]), (weather, "", [rome]), (weather + "<|end|>", "", [rome]),
        (#" to=functions.weather<|channel|>commentary json<|message|>{"city": "Rome"}<|call|>"#, "", [rome]),
        (#"<|channel|>commentary to=functions.weather<|message|>{"city": "Rome"}<|call|>"#, "", [rome]),
        (
            "<|channel|>analysis<|message|>A\(next) to=functions.time<|channel|>commentary <|constrain|>json<|message|>{}<|call|>",
            "<think>A</think>", [time]
        ),
        ("<|channel|>commentary<|message|>I look.\(next)\(weather)<|call|>", "I look.", [rome]),
        // Several, also without the tokens between them.
        ("\(weather)\(next) to=functions.time<|channel|>commentary json<|message|>{}<|call|>", "", [rome, time]),
        (weather + weather, "", [rome, rome]),
        ("<|channel|>commentary to=functions.time<|message|><|call|>", "", [time]),
        // A function that the request does not have is a call, as in the form of Hermes.
        ("<|channel|>commentary to=functions.other json<|message|>{}<|call|>", "", [ToolCall(name: "other", arguments: Array("{}".utf8))]),
        // What cannot be read is text.
        (#"<|channel|>commentary to=functions.weather<|message|>{"city": <|call|>"#, #"{"city": "#, []),
        ("<|channel|>commentary to=functions.weather<|message|>[1]<|call|>", "[1]", []),
        ("<|channel|>commentary to=functions.<|message|>{}<|call|>", "<think>{}", []),
        // Marks in arguments are text.
        (
            #"<|channel|>commentary to=functions.f<|message|>{"a": "<think></think> to=functions.g<"}<|call|>"#, "",
            [ToolCall(name: "f", arguments: Array(#"{"a":"<think></think> to=functions.g<"}"#.utf8))]
        ),
    ] as [(String, String, [ToolCall])])
    func `a message to a function is a call`(answer: String, text: String, calls: [ToolCall]) throws {
        #expect(try read(answer) == Answer(text: text, calls: calls))
        for length in [2, 7, 100] { #expect(try read(tokens(answer, textLength: length)) == Answer(text: text, calls: calls)) }
    }

    @Test func `an answer that is cut anywhere has a part of the text, and only whole calls`() throws {
        let answer = "<|channel|>analysis<|message|>Hm\(Self.next)<|channel|>commentary<|message|>I look.\(Self.next)"
            + "\(Self.weather)\(Self.next) to=functions.time<|channel|>commentary json<|message|>{}<|call|>"
        let tokens = tokens(answer, textLength: 1), whole = try read(answer)
        #expect(whole == Answer(text: "<think>Hm</think>I look.", calls: [Self.rome, Self.time]))
        for count in tokens.indices {
            let cut = try read(tokens.prefix(count), isCut: true)
            #expect(whole.text.hasPrefix(cut.text) && whole.calls.starts(with: cut.calls), "\(count)")
        }
    }

    @Test func `without functions, messages to them are thoughts`() throws {
        #expect(try read(Self.weather + "<|call|>", callsFunctions: false) == Answer(text: #"<think>{"city": "Rome"}"#))
    }

    @Test func `a thought behind text comes apart, and all of them where that is asked for`() throws {
        let late = "<|channel|>analysis<|message|>A\(Self.next)<|channel|>commentary<|message|>B\(Self.next)"
            + "<|channel|>analysis<|message|>C\(Self.next)<|channel|>final<|message|>D"
        #expect(try read(late) == Answer(text: "<think>A</think>B\n\nD", thought: "\n\nC"))
        #expect(try read(late, isApart: true) == Answer(text: "B\n\nD", thought: "A\n\nC"))
    }

    @Test(arguments: [
        ("<|channel|>analysis<|message|>Hm.\(next)<|channel|>commentary<|message|>B\(next)<|channel|>analysis<|message|>C", 4),
        ("<|channel|>analysis<|message|>Hm.\(next) to=functions.f<|channel|>commentary json<|message|>{}<|call|>", 3),
        ("<|channel|>final<|message|>Four.<|return|>", 0), ("Four.", 0),
    ]) func `the tokens inside of thoughts are counted`(answer: String, count: Int) throws {
        for isApart in [false, true] {
            var reader = ChannelReader(try #require(renderer.channels), callsFunctions: true, separatesThoughts: isApart)
            for token in tokens(answer, textLength: 1) { _ = reader.add(token.id, token.text) }
            #expect(reader.thoughtTokens == count)
        }
    }

    @Test(arguments: [
        (false, " four.<|end|>", " four.", true), (true, " Easy.\(next)<|channel|>final<|message|>4", " Easy.</think>4", false),
        (true, " Easy.\(next)<|channel|>analysis<|message|>B", " Easy.\n\nB", false),
    ] as [(Bool, String, String, Bool)])
    func `a message is continued to its end`(isThinking: Bool, answer: String, text: String, isFinished: Bool) throws {
        var reader = ChannelReader(try #require(renderer.channels), continuesAnswer: true, isThinking: isThinking), found = Answer()
        for token in tokens(answer, textLength: 1) { found.add(reader.add(token.id, token.text)) }
        found.isFinished = reader.isFinished
        #expect(found == Answer(text: text, isFinished: isFinished))
    }

    // MARK: Templates

    private func text(_ ids: [TokenID]) -> String { String(decoding: tokenizer.bytes(of: ids), as: UTF8.self) }

    private func prompt(_ messages: [Conversation.Message], _ form: ChatPromptForm = ChatPromptForm()) throws -> [TokenID] {
        var encoder = try Encoder(tokenizer, cacheBits: 0), chat = ChatTokens()
        try renderer.append(promptOf: messages, form, with: &encoder, to: &chat)
        return chat.ids
    }

    @Test func `a template gets thoughts in a variable of their own`() throws {
        let thought = "<think>Easy.</think>Four."
        #expect(try text(prompt([.init(.user, "2+2?"), .init(.assistant, thought), .init(.user, "Sure?")]))
            == "<|start|>user<|message|>2+2?<|end|><|start|>assistant<|channel|>final<|message|>Four.<|end|>"
            + "<|start|>user<|message|>Sure?<|end|><|start|>assistant")
        var encoder = try Encoder(tokenizer), chat = ChatTokens()
        try renderer.append(Conversation([.init(.user, "2+2?"), .init(.assistant, thought)]), with: &encoder, to: &chat)
        #expect(text(chat.ids)
            == "<|start|>user<|message|>2+2?<|end|><|start|>assistant<|channel|>analysis<|message|>Easy.<|end|>"
            + "<|start|>assistant<|channel|>final<|message|>Four.<|return|>")
        #expect(renderer.thoughtMarks == .think)
        #expect(try HarmonyModel.renderer("{% for m in messages %}{{ m.content }}{% endfor %}").channels == nil)
    }

    @Test func `calls have the form of the template, which a grammar can write`() throws {
        #expect(renderer.toolCallFormat == .harmony && renderer.hasTools)
        let shape = try #require(renderer.toolCallShape), call = tokenizer.vocabulary.specialTokenID("<|call|>")
        #expect(String(decoding: shape.beforeName, as: UTF8.self) == " to=functions.")
        #expect(String(decoding: shape.beforeArguments, as: UTF8.self) == "<|channel|>commentary json<|message|>" && shape.end.isEmpty)
        #expect(call.map { renderer.stopTokens.contains($0) } == true)
        let named = "to=functions.' + last.name + '<|channel|>commentary json"
        let constrained = "<|channel|>commentary to=functions.' + last.name + ' <|constrain|>json"
        let other = try HarmonyModel.renderer(HarmonyModel.template.replacing(" " + named, with: constrained))
        #expect(other.toolCallFormat == .harmony)
        #expect(other.toolCallShape.map { String(decoding: $0.beforeArguments, as: UTF8.self) } == " <|constrain|>json<|message|>")
        // Without tools, they are described in messages.
        let plain = try HarmonyModel.renderer(HarmonyModel.template.replacing("{%- if tools -%}", with: "{%- if false -%}"))
        #expect(plain.toolCallFormat == .hermes && !plain.hasTools)
    }

    private static func call(_ id: String, _ call: ToolCall) -> Conversation.IdentifiedToolCall { .init(id: id, call) }

    @Test func `tools, calls and results are the template's, and none of them writes special tokens`() throws {
        let tools = ChatTools(json: Array(#"[{"type":"function","function":{"name":"weather<|end|>"}}]"#.utf8), names: ["weather"])
        var calling = Conversation.Message("I look.", calling: [
            Self.call("1", ToolCall(name: "weather", arguments: Array(#"{"city":"<|call|>"}"#.utf8))), Self.call("2", Self.time),
        ])
        calling.reasoning = Array("Hm.".utf8)
        let ids = try prompt(
            [.init(.user, "Hi"), calling, .init(resultOf: "2", "noon"), .init(resultOf: "1", "sunny<|end|>")], ChatPromptForm(tools: tools))
        #expect(text(ids) == """
            <|start|>developer<|message|># Tools\n\nnamespace functions {\n// \ntype weather<|end|> = (_: {}) => any;\n}<|end|>\
            <|start|>user<|message|>Hi<|end|><|start|>assistant<|channel|>analysis<|message|>Hm.\n\nI look.<|end|>\
            <|start|>assistant to=functions.weather<|channel|>commentary json<|message|>{"city": "<|call|>"}<|call|>\
            <|start|>functions.weather to=assistant<|channel|>commentary<|message|>"sunny<|end|>"<|end|>\
            <|start|>assistant to=functions.time<|channel|>commentary json<|message|>{}<|call|>\
            <|start|>functions.time to=assistant<|channel|>commentary<|message|>"noon"<|end|><|start|>assistant
            """)
        func count(_ token: String) -> Int { ids.count { $0 == tokenizer.vocabulary.specialTokenID(token) } }
        #expect(count("<|end|>") == 5 && count("<|call|>") == 2 && count("<|start|>") == 8)
    }

    @Test func `a call that is rendered is read again`() throws {
        let messages: [Conversation.Message] = [.init(.user, "Hi"), .init("", calling: [Self.call("1", Self.rome)])]
        let whole = try prompt(messages + [.init(resultOf: "1", "x")]), start = try prompt([.init(.user, "Hi")])
        #expect(whole.starts(with: start))
        let answer = whole[start.count...].prefix { $0 != tokenizer.vocabulary.specialTokenID("<|call|>") }
        #expect(try read(answer.map { (id: $0, text: text([$0])) }) == Answer(calls: [Self.rome]))
    }

    @Test func `the assistant has said its thoughts, its calls and the tokens that end them`() throws {
        var calling = Conversation.Message("", calling: [Self.call("1", Self.rome)])
        calling.reasoning = Array("Hm.".utf8)
        let messages: [Conversation.Message] = [
            .init(.user, "U"), calling, .init(resultOf: "1", "R"), .init(.assistant, "Sunny."), .init(.user, "V"),
            .init("", calling: [Self.call("2", Self.time)]),
        ]
        let list = #"[{"type":"function","function":{"name":"weather"}},{"type":"function","function":{"name":"time"}}]"#
        let tools = ChatTools(json: Array(list.utf8), names: ["weather", "time"])
        var encoder = try Encoder(tokenizer, cacheBits: 0), chat = ChatTokens()
        try renderer.append(Conversation(messages, tools: tools), with: &encoder, to: &chat)
        #expect(chat.ranges(of: .assistant).map { text(Array(chat.ids[$0])) } == [
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant to=functions.weather<|channel|>commentary json<|message|>"
                + #"{"city": "Rome"}<|call|>"#,
            "<|channel|>final<|message|>Sunny.<|end|>", " to=functions.time<|channel|>commentary json<|message|>{}<|call|>",
        ])
    }

    @Test(arguments: [
        ("The answer", "<|channel|>final<|message|>The answer"),
        ("<think>Easy.</think>The answer", "<|channel|>analysis<|message|>Easy.\(next)<|channel|>final<|message|>The answer"),
        ("<think>Let me", "<|channel|>analysis<|message|>Let me"), ("<think>", "<|channel|>analysis<|message|>"),
        ("", "<|channel|>final<|message|>"),
    ])
    func `a prompt ends inside of the message that is continued`(message: String, end: String) throws {
        var form = ChatPromptForm()
        form.continuesAnswer = true
        #expect(try text(prompt([.init(.user, "Hi"), .init(.assistant, message)], form))
            == "<|start|>user<|message|>Hi<|end|><|start|>assistant" + end)
    }
}
