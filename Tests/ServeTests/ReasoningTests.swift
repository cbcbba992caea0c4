import Infer
import JSON
import Serve
import TestSupport
import Testing
import Tokenize

/// Thoughts, variables of the chat template, and answers that continue the last message, in `/v1/chat/completions`.
@Suite struct ReasoningTests {
    private let server: TestServer

    init() throws {
        server = try TestServer(of: ThinkingModel.checkpoint())
    }

    private static let question = #"{"role":"user","content":"2 + 2?"}"#
    private static let beginning = #"{"role":"assistant","content":"The answer"}"#

    private struct Answer: Equatable {
        var content = ""
        var reasoning: String?
        var reason: String?
    }

    private func post(_ messages: String, _ fields: String, at other: TestServer? = nil) throws -> RawHTTPConnection.Answer {
        let body = #"{"temperature":0,"messages":[\#(messages)]\#(fields.isEmpty ? "" : ",")\#(fields)}"#
        return try #require((other ?? server).connect().post("/v1/chat/completions", body))
    }

    /// An answer as one object, or the chunks of a stream put together.
    private func chat(_ messages: String, _ fields: String = "", streams: Bool = false, at other: TestServer? = nil) throws -> Answer {
        let response = try post(messages, fields + (fields.isEmpty ? "" : ",") + #""stream":\#(streams)"#, at: other)
        try #require(response.status == 200, "\(response.text)")
        var answer = Answer()
        for choice in try response.objects().compactMap({ $0["choices"]?.list?.first }) {
            let message = try #require(choice["delta"] ?? choice["message"])
            answer.content += message["content"]?.string ?? ""
            if let text = message["reasoning_content"]?.string { answer.reasoning = (answer.reasoning ?? "") + text }
            answer.reason = choice["finish_reason"]?.string ?? answer.reason
        }
        return answer
    }

    @Test(arguments: [false, true]) func `what the model thinks is returned apart from its answer`(streams: Bool) throws {
        let separate = Answer(content: ThinkingModel.answer, reasoning: ThinkingModel.thought, reason: "stop")
        #expect(try chat(Self.question, streams: streams) == separate)
        for format in ["auto", "deepseek"] {
            #expect(try chat(Self.question, #""reasoning_format":"\#(format)""#, streams: streams) == separate)
        }
        let whole = "<think>\(ThinkingModel.thought)</think>\n\n\(ThinkingModel.answer)"
        #expect(try chat(Self.question, #""reasoning_format":"none""#, streams: streams) == Answer(content: whole, reason: "stop"))
    }

    @Test(arguments: [false, true]) func `a thought that the prompt begins, or that is cut, is a thought`(streams: Bool) throws {
        // The model, which writes the mark itself after a line break, repeats it.
        let open = #""chat_template_kwargs":{"open":true}"#
        #expect(try chat(Self.question, open, streams: streams) == Answer(
            content: ThinkingModel.answer, reasoning: ThinkingModel.thought, reason: "stop"))
        for fields in [#""max_tokens":2"#, open + #","max_tokens":2"#] {
            #expect(try chat(Self.question, fields, streams: streams) == Answer(reasoning: ThinkingModel.thought, reason: "length"))
        }
    }

    @Test(arguments: [false, true]) func `variables of the template change the prompt`(streams: Bool) throws {
        let quick = try chat(Self.question, #""chat_template_kwargs":{"enable_thinking":false,"unknown":[1]}"#, streams: streams)
        #expect(quick == Answer(content: ThinkingModel.quick, reason: "stop"))
        #expect(try chat(Self.question, #""chat_template_kwargs":{"enable_thinking":true}"#).reasoning == ThinkingModel.thought)
        #expect(try chat(Self.question, #""chat_template_kwargs":null"#).reasoning == ThinkingModel.thought)
    }

    @Test func `a cached answer is that of the same prompt, with its thought`() throws {
        let caching = try TestServer(of: ThinkingModel.checkpoint()) { $0.cachedAnswers = 8 }
        let front = try TestServer(OpenAIBackend(address: "http://127.0.0.1:\(server.port)", model: nil, key: nil)) { $0.cachedAnswers = 8 }
        let said = Self.question + "," + Self.beginning
        for _ in 0..<2 {
            for server in [caching, front] {
                #expect(try chat(Self.question, at: server) == Answer(
                    content: ThinkingModel.answer, reasoning: ThinkingModel.thought, reason: "stop"))
                let quick = #""chat_template_kwargs":{"enable_thinking":false}"#
                #expect(try chat(Self.question, quick, at: server) == Answer(content: ThinkingModel.quick, reason: "stop"))
                #expect(try chat(said, at: server).content == ThinkingModel.rest)
                #expect(try chat(said, #""continue_final_message":false"#, at: server).content == ThinkingModel.answer)
            }
        }
    }

    @Test func `the counts of tokens include thoughts`() throws {
        let usage = try #require(try post(Self.question, "").json()["usage"])
        // <think>, the thought, </think> and the answer.
        #expect(usage["completion_tokens"]?.integer == 4)
        let history = #"\#(Self.question),{"role":"assistant","content":"4"REASONING},\#(Self.question)"#
        func count(_ reasoning: String) throws -> Int? {
            try post(history.replacing("REASONING", with: reasoning), "").json()["usage"]?["prompt_tokens"]?.integer
        }
        let plain = try #require(try count(""))
        #expect(try count(#","reasoning_content":null"#) == plain)
        #expect(try count(#","reasoning_content":"abc""#) == plain + 5)
    }

    @Test func `log-probabilities have the tokens of thoughts`() throws {
        let answer = try post(Self.question, #""logprobs":true,"stream":true"#)
        var tokens: [String] = []
        for chunk in try answer.objects() {
            let choice = chunk["choices"]?.list?.first
            for token in choice?["logprobs"]?["content"]?.list ?? [] { tokens.append(token["token"]?.string ?? "") }
        }
        #expect(tokens == ["<think>", ThinkingModel.thought, "</think>", "\n\n" + ThinkingModel.answer])
    }

    @Test func `a required format is no thought`() throws {
        let format = #""response_format":{"type":"json_schema","json_schema":{"schema":{"const":"Four."}}}"#
        let open = #""chat_template_kwargs":{"open":true},"# + format
        #expect(try chat(Self.question, open) == Answer(content: #""Four.""#, reason: "stop"))
    }

    @Test(arguments: [false, true]) func `an answer continues the assistant's last message`(streams: Bool) throws {
        let messages = Self.question + "," + Self.beginning, rest = Answer(content: ThinkingModel.rest, reason: "stop")
        #expect(try chat(messages, streams: streams) == rest)
        #expect(try chat(messages, #""continue_final_message":true,"add_generation_prompt":false"#, streams: streams) == rest)
        // A new answer, as in vLLM without these fields.
        for fields in [#""continue_final_message":false"#, #""add_generation_prompt":true"#] {
            #expect(try chat(messages, fields, streams: streams).content == ThinkingModel.answer)
        }
    }

    @Test func `an answer continues a thought`() throws {
        let messages = Self.question + #",{"role":"assistant","content":"<think>The answer"}"#
        #expect(try chat(messages) == Answer(reasoning: ThinkingModel.rest, reason: "stop"))
    }

    @Test func `a server before another one passes on thoughts, variables and continued messages`() throws {
        let front = try TestServer(OpenAIBackend(address: "http://127.0.0.1:\(server.port)", model: nil, key: nil))
        for streams in [false, true] {
            let answer = try chat(Self.question, streams: streams, at: front)
            #expect(answer == Answer(content: ThinkingModel.answer, reasoning: ThinkingModel.thought, reason: "stop"))
            let quick = #""chat_template_kwargs":{"enable_thinking":false}"#
            #expect(try chat(Self.question, quick, streams: streams, at: front) == Answer(content: ThinkingModel.quick, reason: "stop"))
            #expect(try chat(Self.question + "," + Self.beginning, streams: streams, at: front).content == ThinkingModel.rest)
        }
    }

    @Test func `the chat of the page gets the thoughts that another server has separated`() throws {
        let front = try TestServer(OpenAIBackend(address: "http://127.0.0.1:\(server.port)", model: nil, key: nil))
        let stream = try front.openStream("/api/chat/guest", #"{"message":"2 + 2?","temperature":0}"#)
        var thought = "", text = ""
        while let event = try stream.next() {
            if event.name == "reasoning" { thought += event.data["text"]?.string ?? "" }
            if event.name == "token" { text += event.data["text"]?.string ?? "" }
        }
        #expect(thought == ThinkingModel.thought && text == ThinkingModel.answer)
    }

    @Test(
        "an invalid field is named",
        arguments: [
            (question, #""chat_template_kwargs":[]"#, "chat_template_kwargs"),
            (question, #""chat_template_kwargs":{"messages":[]}"#, "chat_template_kwargs.messages"),
            (question, #""chat_template_kwargs":{"eos_token":""}"#, "chat_template_kwargs.eos_token"),
            (question, #""reasoning_format":"xml""#, "reasoning_format"), (question, #""reasoning_format":1"#, "reasoning_format"),
            (question + #",{"role":"assistant","content":"a","reasoning_content":1}"#, "", "messages[1].reasoning_content"),
            (question, #""continue_final_message":true"#, "continue_final_message"),
            (question, #""continue_final_message":1"#, "continue_final_message"),
            (question, #""add_generation_prompt":false"#, "add_generation_prompt"),
            (question + "," + beginning, #""continue_final_message":true,"add_generation_prompt":true"#, "add_generation_prompt"),
            (question + "," + beginning, #""response_format":{"type":"json_object"}"#, "response_format"),
        ])
    func invalidField(messages: String, fields: String, name: String) throws {
        let answer = try post(messages, fields)
        #expect(answer.status == 400, "\(answer.text)")
        #expect(try answer.json()["error"]?["param"]?.string == name, "\(answer.text)")
    }
}
