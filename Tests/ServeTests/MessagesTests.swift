import Infer
import JSON
import Serve
import TestSupport
import Testing

/// Anthropic's Messages API, with a model that calls the function `weather`.
@Suite struct MessagesTests {
    private let server: TestServer

    init() throws {
        server = try TestServer(of: ToolCallModel.checkpoint())
    }

    private static let question = #"{"role":"user","content":"Weather in Rome?"}"#
    private static let tools = """
        "tools":[{"name":"weather","input_schema":{"type":"object","properties":{"city":{"enum":["Rome"]}},"required":["city"]}}]
        """

    private func ask(_ messages: String, _ fields: String = "", path: String = "/v1/messages") throws -> RawHTTPConnection.Answer {
        let body = #"{"max_tokens":200,"temperature":0,"messages":[\#(messages)]\#(fields.isEmpty ? "" : ",")\#(fields)}"#
        return try #require(server.connect().post(path, body))
    }

    private func blocks(_ answer: RawHTTPConnection.Answer) throws -> [JSONElement] {
        try #require(try answer.json()["content"]?.list, "\(answer.text)")
    }

    @Test func `an answer is a message of text blocks`() throws {
        let answer = try ask(Self.question, #""system":[{"type":"text","text":"Be brief."}]"#), message = try answer.json()
        #expect(answer.status == 200 && message["type"]?.string == "message" && message["role"]?.string == "assistant")
        #expect(message["stop_reason"]?.string == "end_turn" && message["usage"]?["output_tokens"]?.integer == 1)
        let content = try blocks(answer)
        #expect(content.count == 1 && content.first?["type"]?.string == "text")
        #expect(content.first?["text"]?.string == ToolCallModel.plain)
    }

    @Test(arguments: [false, true]) func `an answer that a stop sequence ends names it`(streams: Bool) throws {
        let parrot = try TestServer(ScriptedBackend())
        func ends(_ server: TestServer, _ stop: String) throws -> [String?] {
            let body = #"""
                {"max_tokens":200,"temperature":0,"stream":\#(streams),"stop_sequences":\#(stop),"messages":[\#(Self.question)]}
                """#
            let answer = try #require(server.connect().post("/v1/messages", body))
            let end = streams
                ? try answer.data.map { try JSONElement(parsing: $0) }.first { $0["type"]?.string == "message_delta" }?["delta"]
                : try answer.json()
            return [end?["stop_reason"]?.string, end?["stop_sequence"]?.string]
        }
        let front = try TestServer(OpenAIBackend(address: "http://127.0.0.1:\(server.port)", model: nil, key: nil))
        for server in [server, front] {
            #expect(try ends(server, #"["zzz","know"]"#) == ["stop_sequence", "know"])
            #expect(try ends(server, #"["zzz"]"#) == ["end_turn", nil])
        }
        #expect(try ends(parrot, #"["you"]"#) == ["stop_sequence", "you"])
    }

    @Test(arguments: [false, true]) func `what the model thinks is a block of its own`(streams: Bool) throws {
        let thinking = try TestServer(of: ThinkingModel.checkpoint())
        func blocks(_ fields: String = "", after history: String = "") throws -> [[String?]] {
            let body = #"""
                {"max_tokens":200,"temperature":0,"stream":\#(streams),"messages":[\#(history){"role":"user","content":"2 + 2?"}]\#(fields)}
                """#
            let answer = try #require(thinking.connect().post("/v1/messages", body))
            guard streams else {
                return try answer.json()["content"]?.elements?.map {
                    [$0["type"]?.string, $0["thinking"]?.string ?? $0["text"]?.string]
                } ?? []
            }
            var found: [[String?]] = []
            for event in try answer.data.map({ try JSONElement(parsing: $0) }) {
                if let block = event["content_block"] { found.append([block["type"]?.string, ""]) }
                let text = event["delta"]?["thinking"]?.string ?? event["delta"]?["text"]?.string
                if let text, let index = event["index"]?.integer { found[index][1]? += text }
            }
            return found
        }
        let thought = [["thinking", ThinkingModel.thought], ["text", ThinkingModel.answer]]
        #expect(try blocks() == thought)
        #expect(try blocks(#","thinking":{"type":"enabled","budget_tokens":1024}"#) == thought)
        #expect(try blocks(#","thinking":{"type":"adaptive","display":"summarized"}"#) == thought)
        #expect(try blocks(#","thinking":{"type":"adaptive","display":"omitted"}"#) == [["thinking", ""], thought[1]])
        #expect(try blocks(#","thinking":{"type":"disabled"}"#) == [["text", ThinkingModel.quick]])
        let said = #"{"type":"thinking","thinking":"T","signature":""},{"type":"text","text":"4"}"#
        let history = #"{"role":"user","content":"2?"},{"role":"assistant","content":[\#(said)]},"#
        #expect(try blocks(after: history) == thought)
    }

    @Test func `an answer calls a tool, and the next one uses its result`() throws {
        let first = try ask(Self.question, Self.tools), content = try blocks(first), call = try #require(content.last)
        #expect(try first.json()["stop_reason"]?.string == "tool_use" && content.first?["text"]?.string == ToolCallModel.thought)
        #expect(call["type"]?.string == "tool_use" && call["name"]?.string == "weather" && call["input"]?["city"]?.string == "Rome")
        let id = try #require(call["id"]?.string), said = content.map { String(decoding: $0.json, as: UTF8.self) }
        for result in [#""sunny""#, #"[{"type":"text","text":"sunny"}]"#] {
            let history = Self.question + #",{"role":"assistant","content":[\#(said.joined(separator: ","))]},"#
                + #"{"role":"user","content":[{"type":"tool_result","tool_use_id":"\#(id)","content":\#(result)}]}"#
            let second = try ask(history, Self.tools)
            #expect(try second.json()["stop_reason"]?.string == "end_turn", "\(second.text)")
            #expect(try blocks(second).first?["text"]?.string == ToolCallModel.answer)
        }
    }

    @Test(arguments: [#"{"type":"any"}"#, #"{"type":"tool","name":"weather","disable_parallel_tool_use":true}"#])
    func `an answer can be made to call a tool`(choice: String) throws {
        let content = try blocks(ask(Self.question, Self.tools + #","tool_choice":\#(choice)"#))
        #expect(content.count == 1 && content.first?["input"]?["city"]?.string == "Rome")
    }

    @Test(arguments: [false, true]) func `a format is a schema`(streams: Bool) throws {
        let schema = #"{"type":"object","properties":{"city":{"enum":["Rome"]}},"required":["city"],"additionalProperties":false}"#
        let format = #""output_config":{"format":{"type":"json_schema","schema":\#(schema)}}"#
        let answer = try ask(Self.question, format + #","stream":\#(streams)"#)
        let text = streams
            ? try answer.data.map { try JSONElement(parsing: $0) }.compactMap { $0["delta"]?["text"]?.string }.joined()
            : try blocks(answer).first?["text"]?.string ?? ""
        #expect(try JSONElement(parsing: text)["city"]?.string == "Rome", "\(answer.text)")
        #expect(try ask(Self.question, #""output_config":{"format":null}"#).status == 200)
    }

    @Test func `a stream has Anthropic's events in their order`() throws {
        let answer = try ask(Self.question, Self.tools + #","stream":true"#)
        let events = try answer.data.map { try JSONElement(parsing: $0) }
        let types = events.map { $0["type"]?.string ?? "" }
        #expect(types == [
            "message_start", "ping", "content_block_start", "content_block_delta", "content_block_stop", "content_block_start",
            "content_block_delta", "content_block_stop", "message_delta", "message_stop",
        ], "\(answer.text)")
        #expect(events.compactMap { $0["index"]?.integer } == [0, 0, 0, 1, 1, 1])
        #expect(events.first { $0["delta"]?["type"]?.string == "text_delta" }?["delta"]?["text"]?.string == ToolCallModel.thought)
        let arguments = events.first { $0["delta"]?["type"]?.string == "input_json_delta" }?["delta"]?["partial_json"]?.string
        #expect(arguments == ToolCallModel.arguments)
        #expect(events.first { $0["type"]?.string == "message_delta" }?["delta"]?["stop_reason"]?.string == "tool_use")
        #expect(answer.text.hasPrefix("event: message_start\n"))
    }

    @Test func `a stream from another server ends with the counts of its prompt`() throws {
        let front = try TestServer(OpenAIBackend(address: "http://127.0.0.1:\(server.port)", model: nil, key: nil))
        let body = #"{"max_tokens":200,"temperature":0,"messages":[\#(Self.question)]"#, connection = try front.connect()
        let whole = try #require(connection.post("/v1/messages", body + "}")).json()["usage"]
        let stream = try #require(connection.post("/v1/messages", body + #","stream":true}"#))
        let end = try stream.data.map { try JSONElement(parsing: $0) }.first { $0["type"]?.string == "message_delta" }?["usage"]
        let counts = try [whole, end].map { usage in
            try ["input_tokens", "cache_read_input_tokens", "output_tokens"].map { try #require(usage?[$0]?.integer, "\(stream.text)") }
        }
        // The other server has the prompt of the first request in its cache.
        #expect(counts[0][0] == counts[1][0] + counts[1][1] && counts[0][1] == 0 && counts[1][1] > 0, "\(stream.text)")
        #expect(counts[0][2] == counts[1][2] && counts[0][2] > 0)
    }

    @Test func `a document of text is text below its title`() throws {
        let backend = RecordingBackend(context: 1_000), server = try TestServer(backend)
        let source = #"{"type":"text","media_type":"text/plain","data":"Hold the red button."}"#
        let parts = #"{"type":"content","content":[{"type":"text","text":"Hold"},{"type":"text","text":"it."}]}"#
        let blocks = #"""
            {"type":"document","title":"Pump","context":"A manual.","source":\#(source),"citations":{"enabled":false}},
            {"type":"document","title":null,"source":\#(parts)},{"type":"text","text":"How?"}
            """#
        let body = #"{"max_tokens":9,"messages":[{"role":"user","content":[\#(blocks)]}]}"#
        let answer = try #require(server.connect().post("/v1/messages", body))
        #expect(answer.status == 200, "\(answer.text)")
        #expect(backend.prompts == [["user: Pump\nA manual.\nHold the red button.\nHold\nit.\nHow?"]])
    }

    @Test func `tokens are counted as they are in an answer`() throws {
        let usage = try #require(try ask(Self.question).json()["usage"])
        let prompt = (usage["input_tokens"]?.integer ?? 0) + (usage["cache_read_input_tokens"]?.integer ?? 0)
        #expect(try ask(Self.question, path: "/v1/messages/count_tokens").json()["input_tokens"]?.integer == prompt && prompt > 0)
    }

    @Test(
        "an error has Anthropic's form and names the field",
        arguments: [
            (#"{"messages":[]}"#, "max_tokens"), (#"{"max_tokens":0,"messages":[]}"#, "max_tokens"), (#"{"max_tokens":1}"#, "messages"),
            (#"{"max_tokens":1,"messages":[]}"#, "messages"), (#"{"max_tokens":1,"messages":["x"]}"#, "messages[0].content"),
            (#"{"max_tokens":1,"messages":[{"role":"system","content":"x"}]}"#, "messages[0].role"),
            (#"{"max_tokens":1,"messages":[{"role":"user","content":"x"},{"role":"system","content":"x"}]}"#, "messages[1].role"),
            (#"{"max_tokens":1,"messages":[{"role":"user","content":[{"type":"image"}]}]}"#, "messages[0].content[0].type"),
            (#"{"max_tokens":1,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"url"}}]}]}"#,
                "messages[0].content[0].source.type"),
            (#"{"max_tokens":1,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text"}}]}]}"#,
                "messages[0].content[0].source.data"),
            (#"{"max_tokens":1,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"content"}}]}]}"#,
                "messages[0].content[0].source.content"),
            (#"{"max_tokens":1,"system":[{"type":"document"}],"messages":[\#(MessagesTests.question)]}"#, "system[0].type"),
            (#"{"max_tokens":1,"messages":[{"role":"user","content":[{"type":"tool_result"}]}]}"#, "messages[0].content[0].tool_use_id"),
            (#"{"max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f"}]}]}"#,
                "messages[0].content[0].input"),
            (#"{"max_tokens":1,"messages":[\#(MessagesTests.question)],"tool_choice":{"type":"x"},"tools":[]}"#, "tool_choice.type"),
            (#"{"max_tokens":1,"messages":[\#(MessagesTests.question)],"tools":[{"type":"bash","name":"f"}]}"#, "tools[0].type"),
            (#"{"max_tokens":1,"messages":[\#(MessagesTests.question)],"temperature":3}"#, "temperature"),
            (#"{"max_tokens":1,"messages":[\#(MessagesTests.question)],"stop_sequences":3}"#, "stop_sequences"),
            (#"{"max_tokens":1,"messages":[\#(MessagesTests.question)],"stop_sequences":[""]}"#, "stop_sequences"),
            (#"{"max_tokens":1,"messages":[\#(MessagesTests.question)],"tools":[{"name":""}]}"#, "tools[0].name"),
            (#"{"max_tokens":1,"messages":[\#(MessagesTests.question)],"tools":[{"name":"f","input_schema":3}]}"#, "tools[0].input_schema"),
            (#"{"max_tokens":1,"messages":[\#(MessagesTests.question)],"tool_choice":{"type":"any"},"#
                + #""tools":[{"name":"f","input_schema":{"type":"object","properties":{"function":{"type":"x"}}}}]}"#,
                "tools[0].input_schema.properties.function.type"),
            (#"{"max_tokens":1,"messages":[\#(MessagesTests.question)],"tool_choice":{"type":"tool","name":"g"},"#
                + #""tools":[{"name":"f"}]}"#, "tool_choice.name"),
            (#"{"max_tokens":1,"messages":[\#(MessagesTests.question)],"output_config":{"format":{"type":"json"}}}"#,
                "output_config.format.type"),
            (#"{"max_tokens":1,"messages":[\#(MessagesTests.question)],"output_config":{"format":"json"}}"#, "output_config.format.type"),
            (#"{"max_tokens":1,"messages":[\#(MessagesTests.question)],"output_config":{"format":{"type":"json_schema"}}}"#,
                "output_config.format.schema"),
            (#"{"max_tokens":1,"messages":[\#(MessagesTests.question)],"#
                + #""output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{"a":{"type":"x"}}}}}}"#,
                "output_config.format.schema.properties.a.type"),
            (#"{"max_tokens":1,"messages":[\#(MessagesTests.question)],"tools":[{"name":"f"}],"#
                + #""output_config":{"format":{"type":"json_schema","schema":{}}}}"#, "output_config.format"),
        ])
    func invalid(body: String, field: String) throws {
        let answer = try #require(server.connect().post("/v1/messages", body)), root = try answer.json()
        #expect(answer.status == 400 && root["type"]?.string == "error", "\(answer.text)")
        #expect(answer.error("type") == "invalid_request_error")
        #expect(answer.error("message")?.hasPrefix(field + ": ") == true, "\(answer.text)")
    }

    @Test func `an unknown model and a missing key have Anthropic's errors`() throws {
        let unknown = try ask(Self.question, #""model":"gpt""#)
        #expect(unknown.status == 404 && unknown.error("type") == "not_found_error", "\(unknown.text)")
        let locked = try TestServer { $0.requiresAPIKey = true }
        let refused = try #require(locked.connect().post("/v1/messages", "{}", ["X-API-Key": "slm_wrong"]))
        #expect(refused.status == 401 && refused.error("type") == "authentication_error", "\(refused.text)")
    }
}
