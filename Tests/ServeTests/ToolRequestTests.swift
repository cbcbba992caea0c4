import Infer
import JSON
import Serve
import TestSupport
import Testing
import Tokenize

/// Tools in `/v1/chat/completions`, with a model that calls the function `weather`.
@Suite struct ToolRequestTests {
    private let server: TestServer

    init() throws {
        server = try TestServer(of: ToolCallModel.checkpoint())
    }

    private static let question = #"{"role":"user","content":"Weather in Rome?"}"#
    private static let tools = #""tools":\#(ToolCallModel.tools)"#

    /// A function whose argument has one value.
    private static func tool(_ name: String, _ property: String, _ value: String) -> String {
        let parameters = #"{"properties":{"\#(property)":{"enum":["\#(value)"]}},"required":["\#(property)"]}"#
        return #"{"type":"function","function":{"name":"\#(name)","parameters":\#(parameters)}}"#
    }

    private func chat(_ messages: String, _ fields: String, at other: TestServer? = nil) throws -> RawHTTPConnection.Answer {
        let body = #"{"temperature":0,"messages":[\#(messages)]\#(fields.isEmpty ? "" : ",")\#(fields)}"#
        return try #require((other ?? server).connect().post("/v1/chat/completions", body))
    }

    /// The choices of an answer, or of the chunks of a stream.
    private func choices(_ answer: RawHTTPConnection.Answer) throws -> [JSONElement] {
        try answer.objects().compactMap { $0["choices"]?.list?.first }
    }

    private func choice(_ answer: RawHTTPConnection.Answer) throws -> JSONElement {
        try #require(try answer.json()["choices"]?.list?.first, "\(answer.text)")
    }

    @Test func `an answer calls a function, and the next one uses its result`() throws {
        let first = try choice(chat(Self.question, Self.tools)), message = try #require(first["message"])
        #expect(first["finish_reason"]?.string == "tool_calls" && message["content"]?.string == ToolCallModel.thought)
        let calls = try #require(message["tool_calls"]?.list), call = try #require(calls.first)
        let id = try #require(call["id"]?.string)
        #expect(calls.count == 1 && id.count == 9 && call["type"]?.string == "function" && call["index"] == nil)
        #expect(call["function"]?["name"]?.string == "weather" && call["function"]?["arguments"]?.string == ToolCallModel.arguments)
        let history = "\(Self.question),\(String(decoding: message.json, as: UTF8.self)),"
            + #"{"role":"tool","tool_call_id":"\#(id)","content":"sunny"}"#
        for fields in [Self.tools, ""] {
            let second = try choice(chat(history, fields))
            #expect(second["finish_reason"]?.string == "stop" && second["message"]?["content"]?.string == ToolCallModel.answer)
            #expect(second["message"]?["tool_calls"] == nil)
        }
    }

    @Test(arguments: [
        (#""required""#, ["weather", "time"]), (#"{"type":"function","function":{"name":"weather"}}"#, ["weather"]),
        (#"{"type":"function","function":{"name":"time"}}"#, ["time"]),
    ])
    func `an answer can be made to call a function`(choice: String, allowed: [String]) throws {
        let tools = #""tools":[\#(Self.tool("weather", "city", "Rome")),\#(Self.tool("time", "zone", "UTC"))],"tool_choice":\#(choice)"#
        for stream in [false, true] {
            // The model itself answers with a text before its call.
            let answer = try chat(Self.question, tools + #","max_tokens":200,"stream":\#(stream)"#)
            var names: [String] = [], arguments: [String] = [], content = ""
            for choice in try choices(answer) {
                let message = choice["delta"] ?? choice["message"]
                content += message?["content"]?.string ?? ""
                for call in message?["tool_calls"]?.list ?? [] {
                    names.append(call["function"]?["name"]?.string ?? "")
                    arguments.append(call["function"]?["arguments"]?.string ?? "")
                }
            }
            #expect(content.isEmpty && names.allSatisfy { allowed.contains($0) } && names.count == 1, "\(answer.text)")
            #expect(arguments.first == (names == ["time"] ? #"{"zone":"UTC"}"# : ToolCallModel.arguments), "\(answer.text)")
        }
    }

    @Test(arguments: ["", #""tool_choice":"none","# + tools, #""tools":[]"#])
    func `an answer without tools is text`(_ fields: String) throws {
        let found = try choice(chat(Self.question, fields))
        #expect(found["finish_reason"]?.string == "stop" && found["message"]?["content"]?.string == ToolCallModel.plain)
    }

    @Test func `a streamed answer has its calls in chunks`() throws {
        let stream = try chat(Self.question, Self.tools + #","stream":true,"tool_choice":"auto","parallel_tool_calls":false"#)
        var content = "", calls: [JSONElement] = [], reasons: [String] = []
        for choice in try choices(stream) {
            content += choice["delta"]?["content"]?.string ?? ""
            for call in choice["delta"]?["tool_calls"]?.list ?? [] { calls.append(call) }
            if let reason = choice["finish_reason"]?.string { reasons.append(reason) }
        }
        #expect(content == ToolCallModel.thought && reasons == ["tool_calls"] && stream.data.last == "[DONE]")
        #expect(calls.count == 1 && calls.first?["index"]?.integer == 0 && calls.first?["id"]?.string?.count == 9)
        #expect(calls.first?["function"]?["arguments"]?.string == ToolCallModel.arguments)
    }

    @Test(arguments: [false, true])
    func `a server before another one passes on tools, calls and formats`(streams: Bool) throws {
        let front = try TestServer(OpenAIBackend(address: "http://127.0.0.1:\(server.port)", model: nil, key: nil))
        func ask(_ messages: String, _ fields: String) throws -> (content: String, calls: [JSONElement], reason: String?) {
            var content = "", calls: [JSONElement] = [], reason: String?
            for choice in try choices(chat(messages, fields + #","stream":\#(streams)"#, at: front)) {
                let message = choice["delta"] ?? choice["message"]
                content += message?["content"]?.string ?? ""
                calls += message?["tool_calls"]?.list ?? []
                reason = choice["finish_reason"]?.string ?? reason
            }
            return (content, calls, reason)
        }
        let first = try ask(Self.question, Self.tools), call = try #require(first.calls.first)
        #expect(first.content == ToolCallModel.thought && first.calls.count == 1 && first.reason == "tool_calls")
        #expect(call["function"]?["name"]?.string == "weather" && call["function"]?["arguments"]?.string == ToolCallModel.arguments)
        let id = try #require(call["id"]?.string), calls = first.calls.map { String(decoding: $0.json, as: UTF8.self) }
        let history = #"\#(Self.question),{"role":"assistant","content":"\#(first.content)","tool_calls":[\#(calls[0])]},"#
            + #"{"role":"tool","tool_call_id":"\#(id)","content":"sunny"}"#
        #expect(try ask(history, Self.tools).content == ToolCallModel.answer)
        #expect(try ask(Self.question, Self.tools + #","tool_choice":"none""#).content == ToolCallModel.plain)
        let time = #""tools":[\#(Self.tool("time", "zone", "UTC"))],"tool_choice":"required","parallel_tool_calls":false"#
        let required = try ask(Self.question, time)
        #expect(required.content.isEmpty && required.calls.count == 1 && required.reason == "tool_calls", "\(required)")
        #expect(required.calls.first?["function"]?["arguments"]?.string == #"{"zone":"UTC"}"#)
        let schema = #"{"type":"json_schema","json_schema":{"name":"n","schema":{"enum":[12,"x"]}}}"#
        #expect(try [#"12"#, #""x""#].contains(ask(Self.question, #""response_format":\#(schema)"#).content))
        let refused = try chat(Self.question, #""response_format":{"type":"xml"}"#, at: front)
        #expect(refused.status >= 400, "\(refused.text)")
    }

    @Test func `an answer can call the allowed functions only`() throws {
        let tools = #""tools":[\#(Self.tool("weather", "city", "Rome")),\#(Self.tool("time", "zone", "UTC"))]"#
        func ask(_ mode: String, _ names: String...) throws -> RawHTTPConnection.Answer {
            let list = names.map { #"{"type":"function","function":{"name":"\#($0)"}}"# }.joined(separator: ",")
            let choice = #"{"type":"allowed_tools","allowed_tools":{"mode":"\#(mode)","tools":[\#(list)]}}"#
            return try chat(Self.question, tools + #","max_tokens":200,"tool_choice":\#(choice)"#)
        }
        func called(_ answer: RawHTTPConnection.Answer) throws -> [String?] {
            try choice(answer)["message"]?["tool_calls"]?.elements?.map { $0["function"]?["name"]?.string } ?? []
        }
        #expect(try called(ask("required", "time")) == ["time"])
        #expect(try called(ask("required", "weather")) == ["weather"])
        let free = try ask("auto", "weather"), all = try chat(Self.question, tools)
        #expect(try called(free) == ["weather"])
        // The prompt has no other tools.
        func promptTokens(_ answer: RawHTTPConnection.Answer) throws -> Int? { try answer.json()["usage"]?["prompt_tokens"]?.integer }
        #expect(try promptTokens(free) ?? .max < promptTokens(all) ?? 0)
        #expect(try promptTokens(ask("auto", "weather", "time")) == promptTokens(all))
        for (choice, field) in [
            (#"{"mode":"none","tools":[{"type":"function","function":{"name":"time"}}]}"#, "mode"), (#"{"mode":"auto"}"#, "tools"),
            (#"{"mode":"auto","tools":[]}"#, "tools"),
            (#"{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}}]}"#, "tools[0].function.name"),
        ] {
            let answer = try chat(Self.question, tools + #","tool_choice":{"type":"allowed_tools","allowed_tools":\#(choice)}"#)
            #expect(answer.status == 400 && answer.error("param") == "tool_choice.allowed_tools." + field, "\(answer.text)")
        }
    }

    @Test(
        "an invalid field is named",
        arguments: [
            (#""tools":{}"#, "tools"), (#""tools":[{"type":"function"}]"#, "tools[0]"), (#""tools":[{"type":"web"}]"#, "tools[0]"),
            (#""tools":[{"type":"function","function":{"name":"a b"}}]"#, "tools[0].function.name"),
            (#""tools":[{"type":"function","function":{"name":"a","parameters":[]}}]"#, "tools[0].function.parameters"),
            (tools + #","tool_choice":"always""#, "tool_choice"), (tools + #","tool_choice":{"type":"function"}"#, "tool_choice"),
            (tools + #","tool_choice":{"type":"function","function":{"name":"time"}}"#, "tool_choice.function.name"),
            (#""tool_choice":"required""#, "tool_choice"),
            (#""tool_choice":"required","tools":[{"type":"function","function":{"name":"a","parameters":{"type":7}}}]"#,
                "tools[0].function.parameters.type"),
            (tools + #","response_format":{"type":"json_object"}"#, "response_format"),
            (tools + #","parallel_tool_calls":1"#, "parallel_tool_calls"),
        ])
    func invalid(fields: String, field: String) throws {
        let answer = try chat(Self.question, fields)
        #expect(try answer.status == 400 && answer.json()["error"]?["param"]?.string == field, "\(answer.text)")
    }

    @Test(
        "an invalid message is named",
        arguments: [
            (#"{"role":"tool","content":"x"}"#, "messages[0].tool_call_id"),
            (#"{"role":"tool","tool_call_id":"1"}"#, "messages[0].content"),
            (#"{"role":"assistant","tool_calls":{}}"#, "messages[0].tool_calls"), (#"{"role":"assistant"}"#, "messages[0].content"),
            (#"{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":"[1]"}}]}"#,
                "messages[0].tool_calls[0].function.arguments"),
            (#"{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}"#, "messages[0].tool_calls[0].id"),
        ])
    func invalidMessages(message: String, field: String) throws {
        let answer = try chat(message, Self.tools)
        #expect(try answer.status == 400 && answer.json()["error"]?["param"]?.string == field, "\(answer.text)")
    }

    @Test func `a model whose template has no tools gets them in messages`() throws {
        let info = ModelInfo(
            name: "plain", context: 64, try Tokenizer(SampleCheckpoint.vocabulary),
            try ChatRenderer(.specialTokens, for: Tokenizer(SampleCheckpoint.vocabulary)))
        let server = try TestServer(modelInfo: info), connection = try server.connect()
        for more in ["", #","tool_choice":"none""#, #","tool_choice":"required""#] {
            let body = #"{"messages":[\#(Self.question)],\#(Self.tools)\#(more)}"#
            #expect(try #require(connection.post("/v1/chat/completions", body)).status == 200)
        }
        let result = #"{"messages":[\#(Self.question),{"role":"tool","tool_call_id":"1","content":"x"}]}"#
        #expect(try #require(connection.post("/v1/chat/completions", result)).status == 200)
    }

    @Test func `special tokens of tool calls are allowed in answers with tools only`() throws {
        let vocabulary = Vocabulary.ofBytes(specialTokens: ["</s>", "[INST]", "[TOOL_CALLS]", "[ARGS]"])
        var jinja = JinjaChatTemplate("""
            {% for m in messages %}{% if m.role == 'user' %}{{ '[INST]' + m.content }}{% if tools %}{{ tools | tojson }}{% endif %}\
            {% elif m.tool_calls %}{{ '[TOOL_CALLS] ' + (m.tool_calls | map(attribute='function') | list | tojson) + eos_token }}\
            {% else %}{{ m.content + eos_token }}{% endif %}{% endfor %}
            """)
        jinja.tokens = ["eos_token": "</s>"]
        let renderer = try ChatRenderer(.jinja(jinja), for: Tokenizer(vocabulary))
        func banned(_ callsTools: Bool) -> [String] {
            let rules = StopRules(for: .chat([]), vocabulary, renderer, stop: [], callsTools: callsTools)
            return rules.banned.compactMap { id in vocabulary.specialTokens.first { $0.id == id }?.text }
        }
        #expect(banned(false) == ["[INST]", "[TOOL_CALLS]", "[ARGS]"])
        #expect(renderer.toolCallFormat == .mistral && banned(true) == ["[INST]"])
    }
}
