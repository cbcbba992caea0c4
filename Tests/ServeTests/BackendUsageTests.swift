import Infer
import JSON
import Serve
import TestSupport
import Testing

/// The token counts of another server, in the usage of all APIs.
@Suite struct BackendUsageTests {
    private static let question = #"{"role":"user","content":"Hi"}"#

    @Test(arguments: [false, true]) func `its cached tokens are passed on`(streams: Bool) throws {
        let other = ScriptedServer { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
            connection.send(#"data: {"choices":[{"delta":{"content":"Hello"},"text":"Hello","finish_reason":"stop"}]}"# + "\n\n")
            let usage = #"{"prompt_tokens":9,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":7}}"#
            connection.send("data: {\"choices\":[],\"usage\":\(usage)}\n\ndata: [DONE]\n\n")
        }
        let server = try TestServer(OpenAIBackend(address: other.address, model: "m", key: nil))
        func answer(_ path: String, _ fields: String) throws -> RawHTTPConnection.Answer {
            let answer = try #require(server.connect().post(path, #"{\#(fields),"stream":\#(streams)}"#))
            try #require(answer.status == 200, "\(answer.text)")
            return answer
        }
        func last(_ path: String, _ fields: String) throws -> JSONElement? {
            let answer = try answer(path, fields)
            return streams ? try answer.data.last { $0 != "[DONE]" }.map { try JSONElement(parsing: $0) } : try answer.json()
        }
        let includesUsage = streams ? #","stream_options":{"include_usage":true}"# : ""
        let chat = try last("/v1/chat/completions", #""messages":[\#(Self.question)]"# + includesUsage)?["usage"]
        #expect(chat?["prompt_tokens"]?.integer == 9 && chat?["prompt_tokens_details"]?["cached_tokens"]?.integer == 7)
        let text = try last("/v1/completions", #""prompt":"Hi""# + includesUsage)?["usage"]
        #expect(text?["prompt_tokens_details"]?["cached_tokens"]?.integer == 7)
        let response = try last("/v1/responses", #""input":"Hi""#), usage = (streams ? response?["response"] : response)?["usage"]
        #expect(usage?["input_tokens"]?.integer == 9 && usage?["input_tokens_details"]?["cached_tokens"]?.integer == 7)
        let messages = try answer("/v1/messages", #""max_tokens":9,"messages":[\#(Self.question)]"#)
        let events = streams ? try messages.data.map { try JSONElement(parsing: $0) } : [try messages.json()]
        let message = events.last { $0["usage"] != nil }?["usage"]
        #expect(message?["input_tokens"]?.integer == 2 && message?["cache_read_input_tokens"]?.integer == 7)
        let end = try server.openStream("/api/chat/guest", #"{"message":"Hi"}"#).read().last
        #expect(end?.data["cached_tokens"]?.integer == 7)
    }
}
