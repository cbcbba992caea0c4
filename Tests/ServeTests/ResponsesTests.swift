import Infer
import JSON
import Serve
import Store
import TestSupport
import Testing

/// OpenAI's Responses API, with a model that calls the function `weather`.
@Suite struct ResponsesTests {
    private let server: TestServer

    init() throws {
        server = try TestServer(of: ToolCallModel.checkpoint())
    }

    private static let question = "Weather in Rome?"
    private static let tools = """
        "tools":[{"type":"function","name":"weather",\
        "parameters":{"type":"object","properties":{"city":{"enum":["Rome"]}},"required":["city"]}}]
        """

    private func ask(
        _ input: String, _ fields: String = "", _ headers: [String: String] = [:], at other: TestServer? = nil
    ) throws -> RawHTTPConnection.Answer {
        let body = #"{"temperature":0,"input":\#(input)\#(fields.isEmpty ? "" : ",")\#(fields)}"#
        return try #require((other ?? server).connect().post("/v1/responses", body, headers))
    }

    private func output(_ answer: RawHTTPConnection.Answer) throws -> [JSONElement] {
        try #require(try answer.json()["output"]?.list, "\(answer.text)")
    }

    private func text(_ item: JSONElement?) -> String? { item?["content"]?.list?.first?["text"]?.string }

    private func events(_ answer: RawHTTPConnection.Answer) throws -> [JSONElement] { try answer.data.map { try JSONElement(parsing: $0) } }

    private func types(_ events: [JSONElement]) -> [String] {
        events.map { ($0["type"]?.string ?? "").replacing("response.", with: "") }
    }

    @Test func `a response has the answer and what was requested`() throws {
        let answer = try ask(#""Weather?""#, #""instructions":"Be brief.","metadata":{"a":"b"},"top_p":0.5,"model":"default""#)
        let response = try answer.json(), usage = response["usage"]
        #expect(answer.status == 200 && response["object"]?.string == "response" && response["status"]?.string == "completed")
        #expect(response["id"]?.string?.hasPrefix("resp_") == true && response["model"]?.string == "test-model")
        #expect(response["error"]?.isNull == true && response["incomplete_details"]?.isNull == true)
        #expect(response["instructions"]?.string == "Be brief." && response["metadata"]?["a"]?.string == "b")
        #expect(response["temperature"]?.number == 0 && response["top_p"]?.number == 0.5 && response["store"]?.boolean == false)
        #expect(response["text"]?["format"]?["type"]?.string == "text" && response["tool_choice"]?.string == "auto")
        #expect(usage?["output_tokens"]?.integer == 1 && usage?["output_tokens_details"]?["reasoning_tokens"]?.integer == 0)
        let input = usage?["input_tokens"]?.integer ?? 0
        #expect(input > 0 && usage?["total_tokens"]?.integer == input + 1)
        let items = try output(answer)
        #expect(items.count == 1 && items[0]["type"]?.string == "message" && items[0]["status"]?.string == "completed")
        #expect(items[0]["role"]?.string == "assistant" && text(items[0]) == ToolCallModel.plain)
    }

    @Test(
        "the prompt is the same in all forms of the input",
        arguments: [
            #""Hello""#, #"[{"role":"user","content":"Hello"}]"#,
            #"[{"type":"message","role":"user","content":[{"type":"input_text","text":"Hello"}]}]"#,
            #"[{"role":"user","content":[{"type":"input_text","text":"Hel"},{"type":"input_text","text":"lo"}]}]"#,
        ])
    func input(form: String) throws {
        let backend = RecordingBackend(), recorded = try TestServer(backend)
        _ = try ask(form, #""instructions":"Be kind.""#, at: recorded)
        #expect(backend.prompts == [["system: Be kind.", "user: Hello"]])
    }

    @Test func `items of the assistant are one message, and a last one is not continued`() throws {
        let backend = RecordingBackend(), recorded = try TestServer(backend)
        let items = #"""
            [{"role":"developer","content":"D"},{"role":"user","content":"A"},
             {"type":"reasoning","id":"rs_1","summary":[],"content":[{"type":"reasoning_text","text":"T"}]},
             {"type":"message","id":"msg_1","role":"assistant","status":"completed",
              "content":[{"type":"output_text","text":"B","annotations":[]}]},
             {"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},
             {"type":"function_call","call_id":"c2","name":"g","arguments":""},
             {"type":"function_call_output","call_id":"c1","output":"1"},
             {"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"2"}]},
             {"role":"assistant","content":"C"},{"role":"assistant","content":[{"type":"refusal","refusal":"No"}]}]
            """#
        #expect(try ask(items, at: recorded).status == 200)
        #expect(backend.prompts == [["system: D", "user: A", "assistant: B", "tool: 1", "tool: 2", "assistant: C", "assistant: No"]])
    }

    @Test func `a response calls a tool, and the next one uses its result`() throws {
        let question = #"{"role":"user","content":"\#(Self.question)"}"#
        let first = try ask("[\(question)]", Self.tools), items = try output(first), call = try #require(items.last)
        #expect(items.count == 2 && text(items[0]) == ToolCallModel.thought)
        #expect(call["type"]?.string == "function_call" && call["name"]?.string == "weather" && call["status"]?.string == "completed")
        #expect(call["arguments"]?.string == ToolCallModel.arguments)
        let id = try #require(call["call_id"]?.string), said = items.map { String(decoding: $0.json, as: UTF8.self) }
        let result = #"{"type":"function_call_output","call_id":"\#(id)","output":"sunny"}"#
        let second = try ask("[\(([question] + said + [result]).joined(separator: ","))]", Self.tools)
        #expect(try text(output(second).first) == ToolCallModel.answer, "\(second.text)")
    }

    @Test(arguments: [#""required""#, #"{"type":"function","name":"weather"}"#])
    func `a response can be made to call a tool`(choice: String) throws {
        let items = try output(ask(#""Hello""#, Self.tools + #","tool_choice":\#(choice)"#))
        #expect(items.count == 1 && items[0]["arguments"]?.string.map { $0.contains("Rome") } == true)
        #expect(try text(output(ask(#""Hello""#, Self.tools + #","tool_choice":"none""#)).first) == ToolCallModel.plain)
    }

    @Test func `a response can call the allowed tools only`() throws {
        let other = #"{"type":"function","name":"clock","parameters":{"type":"object","properties":{},"additionalProperties":false}}"#
        let both = Self.tools.replacing(#""tools":["#, with: #""tools":[\#(other),"#)
        func choice(_ mode: String, _ name: String) -> String {
            #","tool_choice":{"type":"allowed_tools","mode":"\#(mode)","tools":[{"type":"function","name":"\#(name)"}]}"#
        }
        for name in ["clock", "weather"] {
            let answer = try ask(#""Hello""#, both + choice("required", name)), items = try output(answer)
            #expect(!items.isEmpty && items.allSatisfy { $0["name"]?.string == name }, "\(answer.text)")
            #expect(try answer.json()["tool_choice"]?["type"]?.string == "allowed_tools")
        }
        #expect(try text(output(ask(#""\#(Self.question)""#, both + choice("auto", "weather"))).first) == ToolCallModel.thought)
        let backend = RecordingBackend(), recorded = try TestServer(backend)
        _ = try ask(#""Hello""#, both + choice("auto", "clock"), at: recorded)
        #expect(backend.toolNames == [["clock"]])
    }

    @Test func `a stream has OpenAI's events in their order`() throws {
        let answer = try ask(#""\#(Self.question)""#, Self.tools + #","stream":true"#), events = try events(answer)
        let message = [
            "output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done", "output_item.done",
        ]
        let call = ["output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"]
        #expect(types(events) == ["created", "in_progress"] + message + call + ["completed"], "\(answer.text)")
        #expect(events.map { $0["sequence_number"]?.integer } == Array(events.indices))
        #expect(events.compactMap { $0["output_index"]?.integer } == [0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
        #expect(answer.text.hasPrefix("event: response.created\ndata: ") && !answer.text.contains("[DONE]"))
        let ids = events.compactMap { $0["item_id"]?.string ?? $0["item"]?["id"]?.string }
        #expect(Set(ids.prefix(6)).count == 1 && Set(ids.suffix(4)).count == 1 && ids.first?.hasPrefix("msg_") == true)
        #expect(Set(events.compactMap { $0["response"]?["id"]?.string }).count == 1)
        #expect(events[0]["response"]?["status"]?.string == "in_progress" && events[0]["response"]?["usage"]?.isNull == true)
        #expect(events[2]["item"]?["status"]?.string == "in_progress" && events[2]["item"]?["content"]?.json == Array("[]".utf8))
        #expect(events[4]["delta"]?.string == ToolCallModel.thought && events[5]["text"]?.string == ToolCallModel.thought)
        #expect(events[8]["item"]?["arguments"]?.string == "" && events[9]["delta"]?.string == ToolCallModel.arguments)
        #expect(events[10]["arguments"]?.string == ToolCallModel.arguments)
        let last = try #require(events.last?["response"]), items = last["output"]?.list ?? []
        #expect(last["status"]?.string == "completed" && items.count == 2 && text(items[0]) == ToolCallModel.thought)
        #expect((last["usage"]?["output_tokens"]?.integer ?? 0) > 0 && items[1]["call_id"]?.string == events[8]["item"]?["call_id"]?.string)
    }

    @Test func `an answer that is cut is incomplete`() throws {
        let parrot = try TestServer(ScriptedBackend())
        let whole = try ask(#""Hello""#, #""max_output_tokens":2"#, at: parrot), response = try whole.json()
        #expect(response["status"]?.string == "incomplete" && response["incomplete_details"]?["reason"]?.string == "max_output_tokens")
        #expect(try text(output(whole).first) == "Hi" && output(whole).first?["status"]?.string == "incomplete")
        let stream = try ask(#""Hello""#, #""max_output_tokens":2,"stream":true"#, at: parrot), events = try events(stream)
        #expect(types(events) == [
            "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
            "output_text.done", "content_part.done", "output_item.done", "incomplete",
        ], "\(stream.text)")
        #expect(events.last?["response"]?["incomplete_details"]?["reason"]?.string == "max_output_tokens")
        #expect(events[8]["item"]?["status"]?.string == "incomplete" && events.last?["response"]?["max_output_tokens"]?.integer == 2)
    }

    @Test func `an answer without text has an empty message`() throws {
        let silent = try TestServer(ScriptedBackend(""))
        #expect(try text(output(ask(#""Hello""#, at: silent)).first) == "")
        let events = try events(ask(#""Hello""#, #""stream":true"#, at: silent))
        #expect(types(events) == [
            "created", "in_progress", "output_item.added", "content_part.added", "output_text.done", "content_part.done",
            "output_item.done", "completed",
        ])
    }

    @Test func `an error in a stream is a failed response`() throws {
        let failing = try TestServer(ClosureBackend.failing)
        let events = try events(ask(#""Hello""#, #""stream":true"#, at: failing))
        #expect(types(events) == ["created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "failed"])
        let response = events.last?["response"]
        #expect(response?["status"]?.string == "failed" && response?["error"]?["code"]?.string == "server_error")
        #expect(text(response?["output"]?.list?.first) == "a")
        #expect(try ask(#""Hello""#, at: failing).status == 502)
    }

    @Test func `what the model thinks is an item of its own`() throws {
        let thinking = try TestServer(of: ThinkingModel.checkpoint())
        let whole = try ask(#""2 + 2?""#, at: thinking), items = try output(whole)
        #expect(items.map { $0["type"]?.string } == ["reasoning", "message"], "\(whole.text)")
        #expect(text(items[0]) == ThinkingModel.thought && text(items[1]) == ThinkingModel.answer)
        #expect(items[0]["content"]?.list?.first?["type"]?.string == "reasoning_text")
        let events = try events(ask(#""2 + 2?""#, #""stream":true"#, at: thinking))
        let parts = ["reasoning_text", "output_text"].flatMap { [$0 + ".delta", $0 + ".done"] }
        #expect(types(events).filter { $0.contains("_text.") } == parts)
        #expect(events.compactMap { $0["output_index"]?.integer } == [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
        for response in [try whole.json(), events.last?["response"]] {
            #expect(response?["usage"]?["output_tokens_details"]?["reasoning_tokens"]?.integer == 1)
        }
        // Templates have a variable for it.
        let quick = try output(ask(#""2 + 2?""#, #""reasoning":{"effort":"none"}"#, at: thinking))
        #expect(quick.count == 1 && text(quick[0]) == ThinkingModel.quick)
    }

    @Test func `formats are those of chat completions, and log-probabilities are part of the text`() throws {
        let schema = #"{"type":"object","properties":{"city":{"enum":["Rome"]}},"required":["city"],"additionalProperties":false}"#
        for strict in [true, false] {
            let format = #""text":{"format":{"type":"json_schema","name":"place","strict":\#(strict),"schema":\#(schema)}}"#
            let items = try output(ask(#""Where?""#, format + #","max_output_tokens":100"#)), json = try #require(text(items.first))
            #expect(try JSONElement(parsing: json)["city"]?.string == "Rome")
        }
        let object = try output(ask(#""Where?""#, #""text":{"format":{"type":"json_object"}},"max_output_tokens":30"#))
        #expect(try JSONElement(parsing: text(object.first) ?? "").kind == .object)
        let plain = try output(ask(#""Weather?""#, #""include":[]"#))
        let scores = plain.first?["content"]?.list?.first?["logprobs"]?.list
        #expect(scores?.isEmpty ?? true)
        let scored = try ask(#""Weather?""#, #""include":["message.output_text.logprobs"],"top_logprobs":2,"stream":true"#)
        let events = try events(scored), delta = events.first { $0["type"]?.string == "response.output_text.delta" }
        let part = events.last?["response"]?["output"]?.list?.first?["content"]?.list?.first
        for list in [delta?["logprobs"], part?["logprobs"]] {
            let tokens = list?.list ?? []
            #expect(tokens.first?["token"]?.string == ToolCallModel.plain, "\(scored.text)")
            #expect(tokens.first?["top_logprobs"]?.list?.count == 2)
        }
    }

    @Test(
        "an invalid request names the field",
        arguments: [
            ("{}", "input"), (#"{"input":3}"#, "input"), (#"{"input":[]}"#, "input"), (#"{"input":["x"]}"#, "input[0]"),
            (#"{"input":[{"role":"tool","content":"x"}]}"#, "input[0].role"), (#"{"input":[{"role":"user"}]}"#, "input[0].content"),
            (#"{"input":[{"role":"user","content":[{"type":"input_image"}]}]}"#, "input[0].content[0].type"),
            (#"{"input":[{"type":"item_reference"}]}"#, "input[0].id"),
            (#"{"input":[{"type":"function_call","call_id":"x","name":"f","arguments":"["}]}"#, "input[0].arguments"),
            (#"{"input":[{"type":"function_call_output","output":"x"}]}"#, "input[0].call_id"),
            (#"{"input":"x","instructions":3}"#, "instructions"), (#"{"input":"x","max_output_tokens":0}"#, "max_output_tokens"),
            (#"{"input":"x","temperature":3}"#, "temperature"), (#"{"input":"x","tools":[{"type":"web_search"}]}"#, "tools[0].type"),
            (#"{"input":"x","tools":[{"type":"function","name":""}]}"#, "tools[0].name"),
            (#"{"input":"x","tool_choice":"any"}"#, "tool_choice"),
            (#"{"input":"x","tools":[{"type":"function","name":"f"}],"tool_choice":{"type":"function","name":"g"}}"#, "tool_choice.name"),
            (#"{"input":"x","tools":[{"type":"function","name":"f"}],"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[]}}"#,
                "tool_choice.tools"),
            (#"{"input":"x","tools":[{"type":"function","name":"f"}],"tool_choice":{"type":"allowed_tools","mode":"none","#
                + #""tools":[{"type":"function","name":"f"}]}}"#, "tool_choice.mode"),
            (#"{"input":"x","tools":[{"type":"function","name":"f"}],"tool_choice":{"type":"allowed_tools","mode":"auto","#
                + #""tools":[{"type":"function","name":"f"},{"type":"function","name":"g"}]}}"#, "tool_choice.tools[1].name"),
            (#"{"input":"x","tools":[{"type":"function","name":"f"},{"type":"function","name":"g","parameters":{"type":"x"}}],"#
                + #""tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"g"}]}}"#,
                "tools[1].parameters.type"),
            (#"{"input":"x","text":{"format":{"type":"xml"}}}"#, "text.format.type"),
            (#"{"input":"x","text":{"format":{"type":"json_schema","name":"x"}}}"#, "text.format.schema"),
            (#"{"input":"x","text":{"format":{"type":"json_schema","name":"x","strict":true,"schema":{"type":"x"}}}}"#,
                "text.format.schema.type"),
            (#"{"input":"x","background":true}"#, "background"), (#"{"input":"x","conversation":"conv_1"}"#, "conversation"),
            (#"{"input":"x","previous_response_id":"resp_1"}"#, "previous_response_id"), (#"{"input":"x","store":1}"#, "store"),
            (#"{"input":"x","top_logprobs":21}"#, "top_logprobs"), (#"{"input":"x","reasoning":{"effort":"huge"}}"#, "reasoning.effort"),
            (#"{"input":"x","max_tokens":3}"#, "max_tokens"),
        ])
    func invalid(body: String, field: String) throws {
        let answer = try #require(server.connect().post("/v1/responses", body))
        #expect(answer.status == 400 && answer.error("param") == field, "\(answer.text)")
        #expect(answer.error("message")?.hasPrefix(field + ": ") == true, "\(answer.text)")
        #expect(answer.error("type") == "invalid_request_error")
    }
}

/// Responses that are stored for accounts.
@Suite struct StoredResponseTests {
    private func post(_ server: TestServer, _ fields: String, _ headers: [String: String]) throws -> RawHTTPConnection.Answer {
        try #require(server.connect().post("/v1/responses", "{\(fields)}", headers))
    }

    private func id(_ answer: RawHTTPConnection.Answer) throws -> String { try #require(try answer.json()["id"]?.string, "\(answer.text)") }

    @Test(arguments: [false, true]) func `an account continues its responses`(streams: Bool) throws {
        let backend = RecordingBackend(), server = try TestServer(backend), ada = try server.account("ada")
        func ask(_ text: String, after previous: String? = nil, _ fields: String = "") throws -> String {
            let previous = previous.map { #","previous_response_id":"\#($0)""# } ?? ""
            let answer = try post(server, #""input":"\#(text)","stream":\#(streams)\#(previous)\#(fields)"#, ada)
            guard streams else { return try id(answer) }
            let last = try JSONElement(parsing: try #require(answer.data.last))
            #expect(last["type"]?.string == "response.completed" && last["response"]?["store"]?.boolean == true)
            return try #require(last["response"]?["id"]?.string)
        }
        let said = "assistant: " + OneSentenceModel.sentence
        let first = try ask("A", #","instructions":"I""#), second = try ask("B", after: first), third = try ask("C", after: second)
        _ = try ask("D", after: first)
        #expect(backend.prompts == [
            ["system: I", "user: A"], ["user: A", said, "user: B"], ["user: A", said, "user: B", said, "user: C"],
            ["user: A", said, "user: D"],
        ])
        let connection = try server.connect()
        let shown = try #require(try connection.ask("GET", "/v1/responses/\(third)", ada)?.json())
        #expect(shown["id"]?.string == third && shown["status"]?.string == "completed" && shown["previous_response_id"]?.string == second)
        #expect(connection.ask("GET", "/v1/responses/\(third)?stream=true", ada)?.status == 400)
        let deleted = try #require(try connection.ask("DELETE", "/v1/responses/\(second)", ada)?.json())
        #expect(deleted["id"]?.string == second && deleted["deleted"]?.boolean == true)
        #expect(connection.ask("GET", "/v1/responses/\(second)", ada)?.status == 404)
        let lost = try post(server, #""input":"E","previous_response_id":"\#(third)""#, ada)
        #expect(lost.status == 400 && lost.error("code") == "previous_response_not_found", "\(lost.text)")
        let export = try #require(try connection.ask("GET", "/api/me/export", ada)?.json())
        let inputs = export["responses"]?.elements?.compactMap { $0["input"]?.list?.first?["content"]?.string }
        #expect(inputs == ["A", "C", "D"])
    }

    @Test func `the items of a response are listed in pages, with those that it continues`() throws {
        let server = try TestServer(), connection = try server.connect(), ada = try server.account("ada")
        let first = try id(post(server, #""input":"A""#, ada))
        let items = #"[{"role":"user","content":"B"},{"type":"function_call","id":"fc_x","call_id":"c","name":"f","arguments":"{}"},"#
            + #"{"type":"function_call_output","call_id":"c","output":"1"}]"#
        let second = try id(post(server, #""input":\#(items),"previous_response_id":"\#(first)""#, ada))
        func list(_ query: String, of response: String? = nil) throws -> JSONElement {
            let answer = try #require(connection.ask("GET", "/v1/responses/\(response ?? second)/input_items?\(query)", ada))
            try #require(answer.status == 200, "\(answer.text)")
            return try answer.json()
        }
        func ids(_ list: JSONElement) -> [String] { list["data"]?.elements?.compactMap { $0["id"]?.string } ?? [] }
        let all = try list("order=asc"), elements = all["data"]?.list ?? []
        #expect(elements.map { $0["type"]?.string } == ["message", "message", "message", "function_call", "function_call_output"])
        #expect(elements.map { $0["role"]?.string } == ["user", "assistant", "user", nil, nil])
        let texts = elements.prefix(3).map { $0["content"]?.list?.first }
        #expect(texts.map { $0?["text"]?.string } == ["A", OneSentenceModel.sentence, "B"])
        #expect(texts.map { $0?["type"]?.string } == ["input_text", "output_text", "input_text"])
        #expect(all["has_more"]?.boolean == false && all["object"]?.string == "list" && Set(ids(all)).count == 5 && ids(all)[3] == "fc_x")
        #expect(all["first_id"]?.string == ids(all).first && all["last_id"]?.string == ids(all).last)
        #expect(try ids(list("")) == ids(all).reversed())
        let page = try list("order=asc&limit=2")
        #expect(ids(page) == Array(ids(all).prefix(2)) && page["has_more"]?.boolean == true)
        let rest = try list("order=asc&limit=3&after=\(ids(page)[1])")
        #expect(ids(rest) == Array(ids(all).suffix(3)) && rest["has_more"]?.boolean == false)
        #expect(try ids(list("order=asc&after=\(ids(all)[4])")) == [])
        for (query, field) in [("after=x", "after"), ("limit=0", "limit"), ("limit=101", "limit"), ("order=up", "order")] {
            let answer = try #require(connection.ask("GET", "/v1/responses/\(second)/input_items?\(query)", ada))
            #expect(answer.status == 400 && answer.error("param") == field, "\(answer.text)")
        }
        #expect(connection.ask("GET", "/v1/responses/\(second)/input_items", try server.account("eve"))?.status == 404)
        #expect(connection.ask("GET", "/v1/responses/\(second)/input_items")?.status == 404)
        // Those of a response that was deleted are missing.
        _ = connection.ask("DELETE", "/v1/responses/\(first)", ada)
        #expect(try ids(list("order=asc")) == Array(ids(all).suffix(3)))
    }

    @Test func `pages end although an item was sent again by reference`() throws {
        let server = try TestServer(), connection = try server.connect(), ada = try server.account("ada")
        let first = try id(post(server, #""input":"A""#, ada))
        func ids(_ query: String, of response: String) throws -> [String] {
            let answer = try #require(connection.ask("GET", "/v1/responses/\(response)/input_items?order=asc&\(query)", ada))
            return try answer.json()["data"]?.elements?.compactMap { $0["id"]?.string } ?? []
        }
        let asked = try #require(try ids("", of: first).first), reference = #"{"type":"item_reference","id":"\#(asked)"}"#
        let input = #"[\#(reference),{"role":"user","content":"B"},\#(reference)]"#
        let second = try id(post(server, #""input":\#(input),"previous_response_id":"\#(first)""#, ada))
        let all = try ids("", of: second)
        #expect(all.count == 5 && Set(all).count == 5)
        var page = try ids("limit=1", of: second), found = page
        while let last = page.last, found.count < 9 {
            page = try ids("limit=1&after=\(last)", of: second)
            found += page
        }
        #expect(found == all)
        let again = try post(server, #""input":[{"type":"item_reference","id":"\#(all[4])"}]"#, ada)
        #expect(again.status == 200, "\(again.text)")
    }

    @Test func `references to long items are limited like a body`() throws {
        let server = try TestServer(), connection = try server.connect(), ada = try server.account("ada")
        let long = String(repeating: "a", count: 900_000)
        let first = try id(post(server, #""input":"\#(long)","truncation":"auto""#, ada))
        let list = try #require(connection.ask("GET", "/v1/responses/\(first)/input_items", ada))
        let reference = #"{"type":"item_reference","id":"\#(try #require(list.json()["first_id"]?.string))"}"#
        let input = "[" + repeatElement(reference, count: 1_000).joined(separator: ",") + "]"
        let answer = try post(server, #""input":\#(input)"#, ada)
        #expect(answer.status == 413 && answer.error("param") == "input", "\(answer.text.prefix(300))")
    }

    @Test func `a reference stands for a stored item of the same account`() throws {
        let backend = RecordingBackend(), server = try TestServer(backend)
        let connection = try server.connect(), ada = try server.account("ada"), eve = try server.account("eve")
        let first = try post(server, #""input":"A""#, ada).json(), id = try #require(first["id"]?.string)
        let said = try #require(first["output"]?.list?.first?["id"]?.string)
        let asked = try #require(
            connection.ask("GET", "/v1/responses/\(id)/input_items", ada)?.json()["first_id"]?.string)
        for said in [#"{"type":"item_reference","id":"\#(said)"}"#, #"{"id":"\#(said)"}"#] {
            let input = #"[{"type":"item_reference","id":"\#(asked)"},\#(said),{"role":"user","content":"B"}]"#
            let answer = try post(server, #""input":\#(input)"#, ada)
            #expect(answer.status == 200, "\(answer.text)")
            #expect(backend.prompts.last == ["user: A", "assistant: " + OneSentenceModel.sentence, "user: B"])
        }
        for headers in [eve, [:]] {
            let answer = try post(server, #""input":[{"type":"item_reference","id":"\#(said)"}]"#, headers)
            #expect(answer.status == 404 && answer.error("param") == "input[0].id", "\(answer.text)")
        }
        let unknown = try post(server, #""input":[{"role":"user","content":"B"},{"type":"item_reference","id":"msg_1"}]"#, ada)
        #expect(unknown.status == 404 && unknown.error("param") == "input[1].id" && unknown.error("code") == "item_not_found")
    }

    @Test func `other accounts and guests cannot read or continue a response, and guests store none`() throws {
        let server = try TestServer(), connection = try server.connect(), ada = try server.account("ada"), eve = try server.account("eve")
        let secret = try id(post(server, #""input":"A""#, ada))
        for headers in [eve, [:]] {
            #expect(connection.ask("GET", "/v1/responses/\(secret)", headers)?.status == 404)
            #expect(connection.ask("DELETE", "/v1/responses/\(secret)", headers)?.status == 404)
            let answer = try post(server, #""input":"B","previous_response_id":"\#(secret)""#, headers)
            #expect(answer.status == 400 && answer.error("param") == "previous_response_id", "\(answer.text)")
        }
        let guest = try post(server, #""input":"A","store":true"#, [:]), guestID = try id(guest)
        #expect(try guest.json()["store"]?.boolean == false)
        let private_ = try post(server, #""input":"A","store":false"#, ada), unstored = try id(private_)
        #expect(try private_.json()["store"]?.boolean == false)
        for id in [guestID, unstored, "resp_1", "x"] { #expect(connection.ask("GET", "/v1/responses/\(id)", ada)?.status == 404) }
        let user = try #require(try server.store.user(named: "ada")).id
        #expect(try server.store.responses(of: user, limit: 10).count == 1)
    }

    @Test(arguments: [false, true]) func `a response that cannot be stored is an error`(streams: Bool) throws {
        let gate = GenerationGate(beforeCharacter: 1), server = try TestServer(RecordingBackend(gate: gate))
        let connection = try server.connect(), body = #"{"input":"A","stream":\#(streams)}"#
        let headers = try server.account("ada").map { "\($0.key): \($0.value)\r\n" }.joined() + "Content-Length: \(body.utf8.count)\r\n"
        connection.send("POST /v1/responses HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\(headers)\r\n\(body)")
        #expect(try server.waitForLoad(running: 1))
        // The account is deleted while it is answered, so that nothing can be stored.
        try server.store.deleteUser(try #require(try server.store.user(named: "ada")).id)
        gate.open()
        let answer = try #require(connection.answer())
        if streams {
            #expect(answer.text.contains("event: response.failed") && !answer.text.contains("response.completed"), "\(answer.text)")
        } else {
            #expect(answer.status == 401, "\(answer.text)")
        }
    }
}
