import TestSupport
import Testing
import Tokenize

/// Tool calls in answers, in the forms of different models.
@Suite struct ToolCallTests {
    private static let names = ["weather", "time"]

    /// The content and the calls of an answer in pieces of these lengths; as a whole without them.
    private func read(_ format: ToolCallFormat, _ text: [UInt8], pieces: (inout TestRandom) -> Int, _ random: inout TestRandom)
        -> (content: String, calls: [ToolCall])
    {
        var parser = ToolCallParser(format, names: Self.names), content: [UInt8] = [], calls: [ToolCall] = [], start = 0
        func add(_ output: ToolCallParser.Output) {
            content += output.content
            calls += output.calls
        }
        while start < text.count {
            let end = min(text.count, start + max(1, pieces(&random)))
            add(parser.add(Array(text[start..<end])))
            start = end
        }
        add(parser.finish())
        return (String(decoding: content, as: UTF8.self), calls)
    }

    private func read(_ format: ToolCallFormat, _ text: String) -> (content: String, calls: [ToolCall]) {
        var random = TestRandom(1)
        return read(format, Array(text.utf8), pieces: { _ in Int.max / 2 }, &random)
    }

    @Test(arguments: [
        (ToolCallFormat.hermes, #"Let me see.<tool_call>{"name": "weather", "arguments": {"city": "Ro"#),
        (.mistral, #"Let me see.[TOOL_CALLS][{"name": "weather", "arguments": {"city": "Ro"#),
    ])
    func `a call that the limit of tokens cuts is no text`(_ format: ToolCallFormat, _ text: String) {
        for isCut in [true, false] {
            var parser = ToolCallParser(format, names: Self.names)
            let (content, calls) = parser.add(Array(text.utf8)), last = parser.finish(isCut: isCut)
            #expect(calls.isEmpty && last.calls.isEmpty)
            #expect(String(decoding: content + last.content, as: UTF8.self) == (isCut ? "Let me see." : text))
        }
    }

    @Test func `a whole call without its end mark is a call, also where the limit of tokens ends the answer`() {
        var parser = ToolCallParser(.hermes, names: Self.names)
        _ = parser.add(Array("<tool_call>\(Self.weatherJSON)".utf8))
        #expect(parser.finish(isCut: true).calls == [Self.weather])
    }

    private static let weather = ToolCall(name: "weather", arguments: Array(#"{"city":"Rome"}"#.utf8))
    private static let time = ToolCall(name: "time", arguments: Array("{}".utf8))
    private static let weatherJSON = #"{"name": "weather", "arguments": {"city": "Rome"}}"#
    private static let timeJSON = #"{"name": "time", "arguments": {}}"#

    struct Answer: Sendable {
        let format: ToolCallFormat
        let text: String
        var content = ""
        var calls: [ToolCall] = []
    }

    static let answers = [
        Answer(format: .hermes, text: "Hello, you.", content: "Hello, you."),
        Answer(format: .hermes, text: "<tool_call>\n\(weatherJSON)\n</tool_call>", calls: [weather]),
        Answer(
            format: .hermes, text: "Let me see.\n\n<tool_call>\n\(weatherJSON)\n</tool_call>\n<tool_call>\(timeJSON)</tool_call>\n",
            content: "Let me see.", calls: [weather, time]),
        Answer(format: .hermes, text: "<tool_call>\(timeJSON)</tool_call> Done.", content: " Done.", calls: [time]),
        Answer(format: .hermes, text: "<tool_call>\(weatherJSON)", calls: [weather]),
        Answer(format: .hermes, text: "<tool_call>{\"name\": \"time\"}</tool_call>", calls: [time]),
        Answer(
            format: .hermes, text: #"<tool_call>{"name": "weather", "arguments": "{\"city\": \"Rome\"}"}</tool_call>"#, calls: [weather]),
        Answer(format: .hermes, text: "a <tool_call>nothing</tool_call> b", content: "a<tool_call>nothing</tool_call> b"),
        Answer(
            format: .hermes, text: #"<tool_call>{"name": "time", "arguments": {"a": "\"</tool_call>"}}</tool_call>"#,
            calls: [ToolCall(name: "time", arguments: Array(#"{"a":"\"</tool_call>"}"#.utf8))]),
        Answer(format: .hermes, text: #"<tool_call>{"name": "f</tool_call> b"#, content: #"<tool_call>{"name": "f</tool_call> b"#),
        Answer(format: .hermes, text: "1 <tool_ca", content: "1 <tool_ca"),
        Answer(format: .mistral, text: "Hello", content: "Hello"),
        Answer(format: .mistral, text: "[TOOL_CALLS] [\(weatherJSON), \(timeJSON)]", calls: [weather, time]),
        Answer(format: .mistral, text: "I look. [TOOL_CALLS][\(timeJSON)]", content: "I look.", calls: [time]),
        Answer(
            format: .mistral, text: #"[TOOL_CALLS]weather[ARGS]{"city": "Rome"}[TOOL_CALLS]time[CALL_ID]123456789[ARGS]{}"#,
            calls: [weather, time]),
        Answer(format: .mistral, text: #"[TOOL_CALLS]weather{"city": "Rome"}"#, calls: [weather]),
        Answer(format: .mistral, text: "[TOOL_CALLS] what?", content: "[TOOL_CALLS] what?"),
        Answer(format: .llama, text: "Hello {}", content: "Hello {}"),
        Answer(format: .llama, text: #"{"name": "weather", "parameters": {"city": "Rome"}}"#, calls: [weather]),
        Answer(
            format: .llama, text: #"<|python_tag|>{"name": "weather", "parameters": {"city": "Rome"}}; \#(timeJSON)"#,
            calls: [weather, time]),
        // JSON that the user has asked for is not a call.
        Answer(format: .llama, text: #"{"name": "Ada", "parameters": {}}"#, content: #"{"name": "Ada", "parameters": {}}"#),
        Answer(format: .llama, text: #"{"a": "}"} and more"#, content: #"{"a": "}"} and more"#),
        Answer(format: .llama, text: "", content: ""),
    ]

    @Test(arguments: answers) func `calls are separated from text, however the answer is divided`(_ answer: Answer) {
        let whole = read(answer.format, answer.text)
        #expect(whole.content == answer.content && whole.calls == answer.calls, "\(answer.text)")
        var random = TestRandom(3)
        for most in [1, 2, 5, 12] {
            let found = read(answer.format, Array(answer.text.utf8), pieces: { Int($0.next() % UInt64(most)) + 1 }, &random)
            #expect(found.content == whole.content && found.calls == whole.calls, "\(answer.text) in pieces of \(most)")
        }
    }

    @Test func `random answers give the same however they are divided`() {
        let parts = [
            "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[ARGS]", "<|python_tag|>", Self.weatherJSON, Self.timeJSON, "{", "}", "[", "]",
            "\"", " ", "\n", "a", "é", "weather", "\\", ";", ",",
        ].map { Array($0.utf8) }
        var random = TestRandom(5)
        for _ in 0..<4_000 {
            var text: [UInt8] = []
            for _ in 0..<random.next() % 12 {
                var part = parts[Int(random.next() % UInt64(parts.count))]
                if random.next() % 4 == 0 { part.removeLast(Int(random.next() % UInt64(part.count + 1))) }
                text += part
            }
            for format in ToolCallFormat.allCases {
                let whole = read(format, text, pieces: { _ in Int.max / 2 }, &random)
                let divided = read(format, text, pieces: { Int($0.next() % 4) }, &random)
                let isSame = whole.content == divided.content && whole.calls == divided.calls
                #expect(isSame, "\(format): \(String(decoding: text, as: UTF8.self))")
            }
        }
    }

    // MARK: Templates

    private static let specialTokens = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|eot_id|>", "[TOOL_CALLS]", "[INST]", "[/INST]"]

    private static func renderer(_ template: String) throws -> ChatRenderer {
        var jinja = JinjaChatTemplate(template)
        jinja.tokens = ["eos_token": "</s>", "bos_token": "<s>"]
        return try ChatRenderer(.jinja(jinja), for: Tokenizer(.ofBytes(specialTokens: specialTokens)))
    }

    private func format(_ template: String) throws -> ToolCallFormat? { try Self.renderer(template).toolCallFormat }

    /// The form of Mistral 7B v0.3: tools before the last question, calls with ids of nine characters.
    private static let mistral = """
        {{ bos_token }}{% set users = messages | selectattr('role', 'equalto', 'user') | list %}\
        {% for m in messages %}{% if m.role == 'user' %}{% if tools and m == users[-1] %}\
        {{ '[AVAILABLE_TOOLS] ' + tools | tojson + '[/AVAILABLE_TOOLS]' }}{% endif %}\
        {{ '[INST] ' + m.content + '[/INST]' }}{% elif m.tool_calls %}{{ '[TOOL_CALLS] [' }}{% for c in m.tool_calls %}\
        {% if c.id | length != 9 %}{{ raise_exception('nine') }}{% endif %}\
        {{ (c.function | tojson)[:-1] + ', "id": "' + c.id + '"}' }}{% endfor %}{{ ']' + eos_token }}\
        {% else %}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}
        """
    /// The form of Llama 3.1.
    private static let llama = """
        {{ bos_token }}{% if tools %}{{ 'Functions: ' + tools | tojson }}{% endif %}{% for m in messages %}\
        {{ m.role + ':\\n\\n' }}{% if m.tool_calls %}{% for c in m.tool_calls %}\
        {{ '{"name": "' + c.function.name + '", "parameters": ' + c.function.arguments | tojson + '}' }}{% endfor %}\
        {% else %}{{ m.content }}{% endif %}{{ '<|eot_id|>' }}{% endfor %}\
        {% if add_generation_prompt %}{{ 'assistant:\\n\\n' }}{% endif %}
        """

    private static let chatML = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

    @Test func `the form of calls is that of the template`() throws {
        #expect(try format(ToolCallModel.template) == .hermes)
        // The forms of Qwen3, which writes an empty thought before the last answer, and of QwQ, whose prompts begin one.
        #expect(try format(Self.thinking(last: "<think>\\n\\n</think>\\n\\n", prompt: "")) == .hermes)
        #expect(try format(Self.thinking(last: "", prompt: "<think>\\n")) == .hermes)
        #expect(try format(Self.mistral) == .mistral)
        #expect(try format(Self.llama) == .llama)
        // A template that ignores tools, one that writes calls in a form of its own, and slm's own: the form of Hermes in messages.
        #expect(try format(Self.chatML) == .hermes)
        #expect(try format(Self.chatML + "{% if tools %}{{ tools | tojson }}{% endif %}") == .hermes)
        #expect(try ChatRenderer(.specialTokens, for: Tokenizer(SampleCheckpoint.vocabulary)).toolCallFormat == .hermes)
    }

    private static func prompt(_ renderer: ChatRenderer, _ tokenizer: Tokenizer, _ messages: [Conversation.Message]) throws -> String {
        let function = #"{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}"#
        let form = ChatPromptForm(tools: ChatTools(json: Array("[\(function), \(function)]".utf8), names: ["weather", "weather"]))
        var encoder = try Encoder(tokenizer, cacheBits: 0), chat = ChatTokens()
        try renderer.append(promptOf: messages, form, with: &encoder, to: &chat)
        return String(decoding: tokenizer.bytes(of: chat.ids), as: UTF8.self)
    }

    private static let toolMessages: [Conversation.Message] = {
        let call = ToolCall(name: "weather", arguments: Array(#"{"city":"Rome"}"#.utf8))
        return [
            .init(.user, "Hi"), .init("Well", calling: [.init(id: "1", call), .init(id: "2", call)]), .init(resultOf: "1", "sunny"),
            .init(resultOf: "2", "<|im_end|>"),
        ]
    }()

    @Test func `a template without tools gets tools, calls and results as text in the form of Hermes`() throws {
        let tokenizer = try Tokenizer(.ofBytes(specialTokens: Self.specialTokens)), renderer = try Self.renderer(Self.chatML)
        let text = try Self.prompt(renderer, tokenizer, [.init(.system, "Be brief.")] + Self.toolMessages)
        let function = #"{"type":"function","function":{"name":"weather","parameters":{"type":"object"}}}"#
        let call = #"<tool_call>{"name": "weather", "arguments": {"city":"Rome"}}</tool_call>"#
        let compact = text.filter { $0 != " " }
        #expect(compact.hasPrefix("<|im_start|>system\nBebrief.\n\n#Tools\n\n"), "\(text)")
        #expect(compact.contains("<tools>\n\(function)\n\(function)\n</tools>\n"), "\(text)")
        #expect(text.hasSuffix("""
            <|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nWell\n\(call)\n\(call)<|im_end|>\n\
            <|im_start|>user\n<tool_response>\nsunny\n</tool_response>\n<tool_response>\n<|im_end|>\n</tool_response><|im_end|>\n\
            <|im_start|>assistant\n
            """), "\(text)")
        // A call as the prompt shows it, and as the grammar of a required call has it, is one that can be read.
        let shape = try #require(renderer.toolCallShape)
        let written = shape.beforeName + Array("weather".utf8) + shape.beforeArguments + Array("{}".utf8) + shape.end
        #expect(ToolCallFormat.hermes.read(written, names: ["weather"]).calls == [ToolCall(name: "weather", arguments: Array("{}".utf8))])
        #expect(ToolCallFormat.hermes.read(Array(call.utf8), names: ["weather"]).calls.first?.arguments == Array(#"{"city":"Rome"}"#.utf8))
    }

    @Test func `a result is one message with the user's text around it, for templates that want roles in turns`() throws {
        let tokenizer = try Tokenizer(.ofBytes(specialTokens: Self.specialTokens)), renderer = try Self.renderer(Self.chatML)
        let text = try Self.prompt(renderer, tokenizer, Self.toolMessages.dropLast() + [.init(.user, "And now?")])
        #expect(text.contains("<|im_start|>user\n<tool_response>\nsunny\n</tool_response>\nAnd now?<|im_end|>\n"), "\(text)")
    }

    @Test func `a template of slm has tools without a system message, too`() throws {
        let tokenizer = try Tokenizer(SampleCheckpoint.vocabulary), renderer = try ChatRenderer(.specialTokens, for: tokenizer)
        let text = try Self.prompt(renderer, tokenizer, Self.toolMessages)
        #expect(text.contains("# Tools") && text.contains("</tools>"), "\(text)")
        #expect(text.contains("<tool_response>\nsunny\n</tool_response>"), "\(text)")
    }

    @Test func `a template sees tools, calls and results, and none of them writes special tokens`() throws {
        let tokenizer = try Tokenizer(ToolCallModel.vocabulary)
        let renderer = try ChatRenderer(.jinja(JinjaChatTemplate(ToolCallModel.template)), for: tokenizer)
        var encoder = try Encoder(tokenizer, cacheBits: 0), chat = ChatTokens()
        let call = ToolCall(name: "weather", arguments: Array(#"{"city":"<|im_end|>","n":[1,2.5,true,null]}"#.utf8))
        let messages: [Conversation.Message] = [
            .init(.user, "Hi"), .init("Well", calling: [.init(id: "1", call)]), .init(resultOf: "1", "sunny<|im_end|>"),
        ]
        let function = #"{"name":"weather","description":"<|im_end|>"}"#
        let tools = ChatTools(json: Array(#"[{"type":"function","function":\#(function)}]"#.utf8), names: ["weather"])
        try renderer.append(promptOf: messages, ChatPromptForm(tools: tools), with: &encoder, to: &chat)
        #expect(tokenizer.text(of: chat.ids) == """
            <|im_start|>system\nTools:\n{"type": "function", "function": {"name": "weather", "description": "<|im_end|>"}}\n<|im_end|>
            <|im_start|>user\nHi<|im_end|>
            <|im_start|>assistant\nWell\n<tool_call>\n{"name": "weather", "arguments": {"city": "<|im_end|>", "n": [1, 2.5, true, null]}}
            </tool_call><|im_end|>
            <|im_start|>tool\nsunny<|im_end|><|im_end|>
            <|im_start|>assistant\n\r
            """)
        let end = try #require(ToolCallModel.vocabulary.specialTokenID("<|im_end|>"))
        #expect(chat.ids.filter { $0 == end }.count == 4)
    }

    private static func thinking(last: String, prompt: String) -> String {
        """
        {{ tools | tojson }}{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}\
        {{ '\(last)' if loop.last and m.role == 'assistant' else '' }}{{ m.content }}{% for c in m.tool_calls %}\
        {{ '<tool_call>\\n{"name": "' + c.function.name + '", "arguments": ' + c.function.arguments | tojson + '}\\n</tool_call>' }}\
        {% endfor %}{{ '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n\(prompt)' }}{% endif %}
        """
    }

    // MARK: Training

    /// In the forms of Qwen2.5, Qwen3, Mistral and Llama: a question, two calls, their results, an answer, and again with one call.
    @Test(arguments: [
        (
            ToolCallModel.template,
            [
                "One\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": [1]}}\n</tool_call>"
                    + "\n<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call><|im_end|>",
                "Two<|im_end|>", "\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": \"<|im_end|>\"}}\n</tool_call><|im_end|>",
                "Three<|im_end|>",
            ]
        ),
        (
            thinking(last: "<think>\\n\\n</think>\\n\\n", prompt: "<think>\\n"),
            [
                "One<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": [1]}}\n</tool_call>"
                    + "<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call><|im_end|>",
                "Two<|im_end|>", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": \"<|im_end|>\"}}\n</tool_call><|im_end|>",
                "\n</think>\n\nThree<|im_end|>",
            ]
        ),
        (
            mistral,
            [
                #"[TOOL_CALLS] [{"name": "f", "arguments": {"x": [1]}, "id": "call00001"}"#
                    + #"{"name": "g", "arguments": {}, "id": "call00002"}]</s>"#,
                " Two</s>", #"[TOOL_CALLS] [{"name": "f", "arguments": {"x": "<|im_end|>"}, "id": "call00003"}]</s>"#, " Three</s>",
            ]
        ),
        (
            llama,
            [
                #"{"name": "f", "parameters": {"x": [1]}}{"name": "g", "parameters": {}}<|eot_id|>"#, "Two<|eot_id|>",
                #"{"name": "f", "parameters": {"x": "<|im_end|>"}}<|eot_id|>"#, "Three<|eot_id|>",
            ]
        ),
    ])
    func `the assistant has said its calls, with the token that ends its turn`(template: String, said: [String]) throws {
        func call(_ id: String, _ name: String, _ arguments: String) -> Conversation.IdentifiedToolCall {
            .init(id: id, ToolCall(name: name, arguments: Array(arguments.utf8)))
        }
        let messages: [Conversation.Message] = [
            .init(.user, "U"), .init("One", calling: [call("call00001", "f", #"{"x":[1]}"#), call("call00002", "g", "{}")]),
            .init(resultOf: "call00001", "R"), .init(resultOf: "call00002", "S"), .init(.assistant, "Two"), .init(.user, "V"),
            .init("", calling: [call("call00003", "f", #"{"x":"<|im_end|>"}"#)]), .init(resultOf: "call00003", "T"),
            .init(.assistant, "Three"),
        ]
        let list = #"[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]"#
        let tools = ChatTools(json: Array(list.utf8), names: ["f", "g"])
        let isQwen = template == ToolCallModel.template
        let tokenizer = try isQwen ? Tokenizer(ToolCallModel.vocabulary) : Tokenizer(.ofBytes(specialTokens: Self.specialTokens))
        let renderer = try isQwen ? ChatRenderer(.jinja(JinjaChatTemplate(template)), for: tokenizer) : Self.renderer(template)
        var encoder = try Encoder(tokenizer, cacheBits: 0), whole = ChatTokens()
        try renderer.append(Conversation(messages, tools: tools), with: &encoder, to: &whole)
        let ranges = whole.ranges(of: .assistant)
        #expect(ranges.map { tokenizer.text(of: Array(whole.ids[$0])) } == said)
        // What precedes an answer is its prompt, if the template writes no other one.
        for (answer, range) in zip([1, 4, 6, 8], ranges) {
            var prompt = ChatTokens()
            try renderer.append(promptOf: Array(messages[..<answer]), ChatPromptForm(tools: tools), with: &encoder, to: &prompt)
            let isPrefix = template == Self.llama || template == Self.mistral && answer > 5
            if isPrefix { #expect(prompt.ids == Array(whole.ids[..<range.lowerBound]), "answer \(answer)") }
        }
    }
}
