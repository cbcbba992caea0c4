import JSON
import Serve
import TestSupport
import Testing

/// Models with the channels of gpt-oss in all APIs: calls, thoughts and required formats.
@Suite struct HarmonyTests {
    private static let question = #"{"role":"user","content":"Weather in Rome?"}"#
    private static let schema = #"{"type":"object","properties":{"city":{"enum":["Rome"]}},"required":["city"]}"#
    private static let tools = #""tools":[{"type":"function","function":{"name":"weather","parameters":\#(schema)}}]"#

    private let server: TestServer

    init() throws {
        server = try TestServer(of: HarmonyModel.checkpoint(thinks: false)) { $0.ollamaPort = 0 }
    }

    /// The messages of an answer, or of the chunks of a stream, put together.
    private func chat(
        _ fields: String, messages: String = question, at server: TestServer
    ) throws -> (content: String, reasoning: String, calls: [JSONElement], reason: String?) {
        let body = #"{"temperature":0,"max_tokens":300,"messages":[\#(messages)],\#(fields)}"#
        let answer = try #require(server.connect().post("/v1/chat/completions", body))
        try #require(answer.status == 200, "\(answer.text)")
        var content = "", reasoning = "", calls: [JSONElement] = [], reason: String?
        for choice in try answer.objects().compactMap({ $0["choices"]?.list?.first }) {
            let message = choice["delta"] ?? choice["message"]
            content += message?["content"]?.string ?? ""
            reasoning += message?["reasoning_content"]?.string ?? ""
            calls += message?["tool_calls"]?.list ?? []
            reason = choice["finish_reason"]?.string ?? reason
        }
        return (content, reasoning, calls, reason)
    }

    private func expectCall(_ function: JSONElement?, arguments: String = "arguments") {
        #expect(function?["name"]?.string == "weather")
        let found = function?[arguments]
        #expect((found?.string ?? found.map { String(decoding: $0.json, as: UTF8.self) }) == HarmonyModel.arguments)
    }

    @Test(arguments: [false, true], ["auto", "required"])
    func `chat completions have calls, and go on with their results`(streams: Bool, choice: String) throws {
        let fields = #"\#(Self.tools),"stream":\#(streams),"tool_choice":"\#(choice)""#
        let first = try chat(fields, at: server)
        #expect(first.content.isEmpty && first.reasoning.isEmpty && first.calls.count == 1 && first.reason == "tool_calls")
        expectCall(first.calls.first?["function"])
        let call = try #require(first.calls.first), id = try #require(call["id"]?.string)
        let history = #"\#(Self.question),{"role":"assistant","content":"I look.","reasoning_content":"Hm.","tool_calls":["#
            + String(decoding: call.json, as: UTF8.self) + #"]},{"role":"tool","tool_call_id":"\#(id)","content":"sunny"}"#
        #expect(try chat(fields, messages: history, at: server).calls.count == 1)
    }

    @Test(arguments: [false, true]) func `responses, messages and Ollama's chats have calls`(streams: Bool) throws {
        let schema = Self.schema, body = #""stream":\#(streams),"temperature":0"#
        func post(_ path: String, _ fields: String) throws -> [JSONElement] {
            let answer = try #require(server.connect().post(path, "{\(body),\(fields)}"))
            try #require(answer.status == 200, "\(answer.text)")
            return try answer.data.isEmpty ? [answer.json()] : answer.data.map { try JSONElement(parsing: $0) }
        }
        let responses = try post(
            "/v1/responses", #""input":"Weather?","tools":[{"type":"function","name":"weather","parameters":\#(schema)}]"#)
        let response = streams ? responses.last?["response"] : responses.first
        expectCall(response?["output"]?.elements?.first { $0["type"]?.string == "function_call" })

        let messages = try post(
            "/v1/messages", #""max_tokens":100,"messages":[\#(Self.question)],"tools":[{"name":"weather","input_schema":\#(schema)}]"#)
        if streams {
            let block = messages.first { $0["content_block"]?["type"]?.string == "tool_use" }?["content_block"]
            #expect(block?["name"]?.string == "weather")
            #expect(messages.compactMap { $0["delta"]?["stop_reason"]?.string } == ["tool_use"])
        } else {
            expectCall(messages.first?["content"]?.elements?.first { $0["type"]?.string == "tool_use" }, arguments: "input")
            #expect(messages.first?["stop_reason"]?.string == "tool_use")
        }

        let port = try #require(server.server.ollamaPort), connection = try #require(RawHTTPConnection(to: port))
        let lines = try #require(connection.post(
            "/api/chat", #"{"stream":\#(streams),"options":{"temperature":0},"messages":[\#(Self.question)],\#(Self.tools)}"#))
        let calls = try lines.text.split(separator: "\n").map { try JSONElement(parsing: String($0)) }
            .compactMap { $0["message"]?["tool_calls"]?.list?.first }
        #expect(calls.count == 1, "\(lines.text)")
        expectCall(calls.first?["function"])
    }

    @Test(arguments: [false, true]) func `a required format is the content, and the thought before it is apart`(streams: Bool) throws {
        let thinking = try TestServer(of: HarmonyModel.checkpoint(thinks: true))
        let format = #""response_format":{"type":"json_schema","json_schema":{"schema":{"const":"Four."}}}"#
        let found = try chat(format + #","stream":\#(streams)"#, at: thinking)
        #expect(found.content == #""Four.""# && found.reasoning == HarmonyModel.thought && found.reason == "stop", "\(found)")
    }
}
