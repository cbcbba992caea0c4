import Infer
import JSON
import Synchronization
import Testing
import TestSupport
import Threads
import Tokenize

@Suite struct OpenAIBackendTests {
    private static let streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n\r\n"
    private static let stop = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
    private static let hello = GenerationRequest(.chat([.init(.user, "Hello")]))

    /// The result of a generation for which the server sends these parts.
    private func result(_ parts: String...) throws -> GenerationResult {
        let server = ScriptedServer { _, connection in
            for part in parts { connection.send(part) }
        }
        let backend = try OpenAIBackend(address: server.address, model: "m", key: nil)
        var result = GenerationResult()
        for event in try backend.stream(Self.hello) { result.add(event) }
        return result
    }

    private func errorMessage(_ response: String) throws -> String {
        guard case .error(.remote(let error)) = try result(response).end.reason else { return "no error" }
        return error.description
    }

    @Test func `a request has the given settings, and none at their neutral value`() throws {
        let requests = Mailbox<ScriptedServer.Request>()
        let server = ScriptedServer { request, connection in
            requests.put(request)
            connection.send(Self.streamHead + Self.stop)
        }
        let backend = try OpenAIBackend(address: server.address + "/api/", model: "m", key: "secret")
        _ = try backend.generate(GenerationRequest(.chat([.init(.system, "s"), .init(.user, "\"é")])))
        let plain = requests.take()
        #expect(plain.line == "POST /api/chat/completions")
        #expect(plain.headers["authorization"] == "Bearer secret" && plain.headers["content-type"] == "application/json")
        let messages = #""messages":[{"role":"system","content":"s"},{"role":"user","content":"\"é"}]"#
        #expect(String(decoding: plain.body, as: UTF8.self)
            == #"{"model":"m",\#(messages),"stream":true,"stream_options":{"include_usage":true},"temperature":1.0}"#)
        let config = try GenerationConfig(
            maxTokens: 7,
            temperature: 0.5,
            topK: 4,
            topP: 0.9,
            minP: 0.1,
            repetitionPenalty: 1.1,
            frequencyPenalty: 0.2,
            presencePenalty: -0.3,
            stop: ["a"],
            seed: 9,
            logitBias: [3: -100],
            logProbabilities: 2
        )
        _ = try backend.generate(GenerationRequest(.text("x"), config))
        let full = requests.take()
        #expect(full.line == "POST /api/completions")
        #expect(String(decoding: full.body, as: UTF8.self)
            == #"{"model":"m","prompt":"x","stream":true,"stream_options":{"include_usage":true},"max_tokens":7,"temperature":0.5,"#
            + #""top_p":0.9,"min_p":0.1,"top_k":4,"repetition_penalty":1.1,"frequency_penalty":0.2,"presence_penalty":-0.3,"#
            + #""stop":["a"],"seed":9,"logit_bias":{"3":-100.0},"logprobs":2}"#)
        _ = try backend.generate(GenerationRequest(.tokens([1, 22])))
        let tokens = requests.take()
        #expect(tokens.line == "POST /api/completions")
        #expect(String(decoding: tokens.body, as: UTF8.self).hasPrefix(#"{"model":"m","prompt":[1,22],"stream":true,"#))
    }

    @Test func `pieces, log-probabilities, usage and the end are parsed`() throws {
        let logprobs = #"{"content":[{"token":"日","bytes":[230,151,165],"logprob":-0.5,"top_logprobs":[{"token":"a","logprob":-1}]}]}"#
        let chat = try result(
            Self.streamHead,
            ": hello\n\n",
            "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\r\n\r\n",
            #"data: {"choices":[{"delta":{"content":"日"},"logprobs":\#(logprobs)}]}"# + "\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"length\"}]}\n\n",
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n"
        )
        #expect(chat.text == "日x" && chat.end.reason == .length && chat.end.promptTokens == 11 && chat.end.answerTokens == 2)
        #expect(chat.tokens == [GeneratedToken(nil, [230, 151, 165], logProbability: -0.5, alternatives: [.init(nil, [97], -1)])])
        let textLogprobs = #"{"tokens":["a"],"token_logprobs":[-0.25],"top_logprobs":[{"b":-2,"a":-0.25}]}"#
        let text = try result(
            Self.streamHead,
            #"data: {"choices":[{"text":"a","finish_reason":"stop","logprobs":\#(textLogprobs)}]}"# + "\n\n"
        )
        #expect(text.text == "a" && text.end.reason == .stop && text.end.answerTokens == 1)
        let alternatives = [GeneratedToken.Alternative(nil, [97], -0.25), .init(nil, [98], -2)]
        #expect(text.tokens == [GeneratedToken(nil, [97], logProbability: -0.25, alternatives: alternatives)])
    }

    @Test(arguments: [
        // Without the server's count, its pieces are counted.
        (#","completion_tokens_details":{"reasoning_tokens":5}"#, 5), ("", 2), (#","completion_tokens_details":null"#, 2),
        (#","completion_tokens_details":{"reasoning_tokens":50}"#, 9),
    ]) func `thoughts and their tokens are parsed`(details: String, count: Int) throws {
        // vLLM and Ollama have another name for the text.
        let found = try result(
            Self.streamHead,
            "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"Two\",\"reasoning\":\"Two\"}}]}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"\",\"reasoning_content\":null,\"reasoning\":\" and\"}}]}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"Four\"},\"finish_reason\":\"stop\"}]}\n\n",
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":9\(details)}}\n\ndata: [DONE]\n\n"
        )
        #expect(found.reasoning == "Two and" && found.text == "Four")
        #expect(found.end.answerTokens == 9 && found.end.reasoningTokens == count)
    }

    @Test(arguments: [
        (#","prompt_tokens_details":{"cached_tokens":7}"#, 7), (#","prompt_tokens_details":{"cached_tokens":70}"#, 9),
        (#","prompt_tokens_details":null"#, nil), ("", nil),
    ] as [(String, Int?)]) func `cached tokens of the prompt are parsed`(details: String, count: Int?) throws {
        let found = try result(
            Self.streamHead, Self.chunk("Hi"), "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1\(details)}}\n\ndata: [DONE]\n\n")
        #expect(found.end.cachedTokens == count && found.start.cachedTokens == count ?? 0)
    }

    @Test func `the log-probabilities of a prompt are requested and parsed`() throws {
        let requests = Mailbox<ScriptedServer.Request>()
        let scores = #"[null,{"5":{"logprob":-0.5,"rank":1,"decoded_token":"o"}},{"6":{"logprob":null,"decoded_token":"k"}}]"#
        let text = #"{"tokens":["a"," b"," c","d"],"token_logprobs":[null,-0.25,null,-1],"text_offset":[0,1,3,5]}"#
        let server = ScriptedServer { request, connection in
            requests.put(request)
            let body = request.line.contains("chat") ? #"{"choices":[],"usage":{"prompt_tokens":3},"prompt_logprobs":\#(scores)}"#
                : #"{"choices":[{"text":"a bc","logprobs":\#(text)}],"usage":{"prompt_tokens":3}}"#
            connection.send(Self.response("200 OK", body))
        }
        let backend = try OpenAIBackend(address: server.address, model: "m", key: nil)
        let chat = try backend.generate(.logProbability(of: "ok", after: "Well?", isChat: true))
        #expect(chat.promptTokens.map(\.logProbability) == [nil, -0.5, -.infinity] && chat.end.promptTokens == 3)
        let messages = #"[{"role":"user","content":"Well?"},{"role":"assistant","content":"ok"}]"#
        let fields = #""prompt_logprobs":0,"continue_final_message":true,"add_generation_prompt":false,"max_tokens":1,"temperature":0.0"#
        #expect(String(decoding: requests.take().body, as: UTF8.self) == #"{"model":"m","messages":\#(messages),\#(fields)}"#)
        let completed = try backend.generate(.logProbability(of: " b", after: "a", isChat: false))
        #expect(completed.promptTokens.map(\.logProbability) == [nil, -0.25, -.infinity] && completed.text.isEmpty)
        #expect(String(decoding: requests.take().body, as: UTF8.self)
            == #"{"model":"m","prompt":"a b","echo":true,"logprobs":1,"max_tokens":1,"temperature":0.0}"#)
    }

    @Test(arguments: [
        ("200 OK", #"{"choices":[{"text":""}],"usage":{"prompt_tokens":2}}"#, "of the prompt's 2 tokens, found 0"),
        ("200 OK", #"{"choices":[{"text":"","logprobs":{"tokens":["a","b"]}}],"usage":{"prompt_tokens":2}}"#, "tokens, found none"),
        ("200 OK", "{}", "of the prompt's 0 tokens, found 0"), ("200 OK", "{", "the response is not valid"),
        ("400 Bad", #"{"error":{"message":"no echo"}}"#, "returned status 400: no echo"),
    ])
    func `a server without log-probabilities of prompts is an error`(status: String, body: String, message: String) throws {
        let server = ScriptedServer { _, connection in connection.send(Self.response(status, body)) }
        let backend = try OpenAIBackend(address: server.address, model: "m", key: nil)
        do {
            _ = try backend.generate(.logProbability(of: " b", after: "a", isChat: false))
            #expect(Bool(false), "expected an error")
        } catch { #expect("\(error)".contains(message), "\(error)") }
    }

    private static func callChunk(_ calls: String) -> String {
        #"data: {"choices":[{"delta":{"content":null,"tool_calls":\#(calls)}}]}"# + "\n\n"
    }

    @Test func `the parts of tool calls are joined`() throws {
        let answer = try result(
            Self.streamHead,
            Self.chunk("One "),
            Self.callChunk(#"[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]"#),
            Self.callChunk(#"[{"index":0,"function":{"arguments":"{\"x\""}}]"#),
            Self.callChunk(#"[{"index":0,"function":{"arguments":":1}"}},{"index":1,"function":{"name":"g","arguments":"{}"}}]"#),
            "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n")
        #expect(answer.text == "One" && answer.end.reason == .stop)
        #expect(answer.toolCalls == [
            ToolCall(name: "f", arguments: Array(#"{"x":1}"#.utf8)), ToolCall(name: "g", arguments: Array("{}".utf8)),
        ])
    }

    @Test(arguments: [
        #"[{"index":0,"function":{"arguments":"{}"}}]"#, #"[{"index":7,"function":{"name":"f"}}]"#,
        #"[{"index":-1,"function":{"name":"f"}}]"#, "[7]",
    ])
    func `a tool call without a name or out of order is an error`(calls: String) throws {
        let reason = try result(Self.streamHead, Self.callChunk(calls), Self.stop).end.reason
        guard case .error(.remote(.invalidResponse)) = reason else { return #expect(Bool(false), "\(reason)") }
    }

    @Test func `tools, calls, results and formats are sent`() throws {
        let requests = Mailbox<ScriptedServer.Request>()
        let server = ScriptedServer { request, connection in
            requests.put(request)
            connection.send(Self.streamHead + Self.stop)
        }
        let call = ToolCall(name: "f", arguments: Array(#"{"x":1}"#.utf8))
        var request = GenerationRequest(.chat([.init(.user, "u"), .init("", calling: [.init(id: "1", call)]), .init(resultOf: "1", "r")]))
        request.tools = ChatTools(json: Array(#"[{"type":"function","function":{"name":"f"}}]"#.utf8), names: ["f"])
        request.forwardedFields = [ForwardedField("tool_choice", Array(#""required""#.utf8))]
        _ = try OpenAIBackend(address: server.address, model: "m", key: nil).generate(request)
        let body = String(decoding: requests.take().body, as: UTF8.self)
        #expect(body.hasPrefix(
            #"{"model":"m","messages":[{"role":"user","content":"u"},{"role":"assistant","content":"","tool_calls":[{"id":"1","#
                + #""type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}]},"#
                + #"{"role":"tool","content":"r","tool_call_id":"1"}],"#
                + #""tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required","stream":true"#), "\(body)")
    }

    @Test func `a grammar that is not forwarded is an error`() throws {
        var request = Self.hello
        request.grammar = .anyObject
        let backend = try OpenAIBackend(address: "http://127.0.0.1:9", model: "m", key: nil)
        #expect(throws: GenerationError.self) { _ = try backend.start(request) { _ in } }
    }

    private static func chunk(_ text: String) -> String { "data: {\"choices\":[{\"delta\":{\"content\":\"\(text)\"}}]}\n\n" }

    @Test(arguments: [
        (["  ", "\\n Hi", " ", "\\t", "you ", "\\n"], "Hi \tyou", 6),
        ([" ", "\\n"], "", 2),
        (["a", "\u{A0}b\u{A0}"], "a\u{A0}b\u{A0}", 2),
    ])
    func `a chat answer is trimmed`(pieces: [String], text: String, count: Int) throws {
        let result = try result(Self.streamHead + pieces.map(Self.chunk).joined() + Self.stop)
        #expect(result.text == text && result.end.reason == .stop && result.end.answerTokens == count, "\(result)")
    }

    @Test func `a completed text is not trimmed`() throws {
        let server = ScriptedServer { _, connection in
            connection.send(Self.streamHead + "data: {\"choices\":[{\"text\":\" a \",\"finish_reason\":\"stop\"}]}\n\n")
        }
        let backend = try OpenAIBackend(address: server.address, model: "m", key: nil)
        #expect(try backend.generate(GenerationRequest(.text("x"))).text == " a ")
    }

    private static func response(_ status: String, _ body: String, _ headers: String = "") -> String {
        "HTTP/1.1 \(status)\r\nContent-Type: application/json\r\n\(headers)Connection: close\r\n\r\n\(body)"
    }

    @Test(arguments: [
        (
            response("401 Unauthorized", #"{"error":{"message":"Bad key."}}"#),
            "denied access: Bad key. Set the API key in the environment: SLM_BACKEND_KEY"
        ),
        (response("404 Not Found", ""), "was not found. Check the address, and the model: --backend-model NAME"),
        (
            response("429 Too Many", #"{"error":{"message":"Slow down"}}"#, "Retry-After: 20\r\n"),
            "received too many requests: Slow down. Retry after 20 seconds."
        ),
        (response("500 Oh", "<html>\u{1B}[31mno</html>"), "returned status 500."),
        (response("400 Bad", #"{"error":"too\u001b long"}"#), "returned status 400: too  long."),
        (
            response("422 No", #"{"detail":[{"loc":["body","top_k"],"msg":"Extra inputs are not permitted"}]}"#),
            "returned status 422: Extra inputs are not permitted."
        ),
        (
            response("403 No", #"{"detail":"Not you."}"#),
            "denied access: Not you. Set the API key in the environment: SLM_BACKEND_KEY"
        ),
        (response("200 OK", "{}"), "expected the content type text/event-stream, found application/json."),
        (response("302 Found", "", "Location: http://127.0.0.1:1/\r\n"), "returned status 302."),
        (streamHead, "the answer ended without a finish reason."),
        (streamHead + chunk("a"), "the answer ended without a finish reason."),
        (streamHead + "data: {\"error\":{\"message\":\"out of memory\"}}\n\n", "the server reports an error: out of memory."),
        (
            streamHead + "data: {nonsense\n\n",
            "the response is not valid: at byte 1: expected a key in quotation marks, found 'n'."
        ),
        (
            streamHead + "data: {\"choices\":[{\"delta\":{\"content\":5}}]}\n\n",
            "the response is not valid: \"content\": expected a string, found 5.0."
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 500\r\n\r\ndata: {\"choices\":[]}\n\n",
            "transfer closed with 478 bytes remaining to read."
        ),
        ("", "Empty reply from server."),
        ("SSH-2.0\r\n\r\n", "Received HTTP/0.9 when not allowed."),
    ])
    func `an error of the server is reported in a sentence`(response: String, message: String) throws {
        let found = try errorMessage(response)
        #expect(found.hasSuffix(message), "\(found)")
    }

    @Test(arguments: [
        (#"{"data":[{"id":"one"},{"id":"two"}]}"#, "one"),
        (#"{"data":[]}"#, nil),
        ("[]", nil),
    ] as [(String, String?)])
    func `the server's first model is used, or an error says that there is none`(body: String, name: String?) throws {
        let server = ScriptedServer { request, connection in
            connection.send(Self.response(request.line == "GET /v1/models" ? "200 OK" : "404 No", body))
        }
        if let name {
            #expect(try OpenAIBackend(address: server.address, model: nil, key: nil).name == "\(name) at \(server.address)/v1")
        } else {
            let error = RemoteError.invalidResponse(
                address: server.address + "/v1/models",
                reason: "the server lists no model. Give a name: --backend-model NAME"
            )
            #expect(throws: GenerationError.remote(error)) { try OpenAIBackend(address: server.address, model: nil, key: nil) }
        }
    }

    @Test func `an invalid address, or one with a password, throws`() {
        for address in ["", "localhost:80", "ftp://x", "http://", "http:///v1", "https://a b", "http://me:word@host", "http://h/v1?x=1"] {
            #expect(throws: GenerationError.self) { try OpenAIAddress(address) }
        }
        #expect(throws: GenerationError.self) { try OpenAIAddress("http://h", key: "a\r\nHost: evil") }
        #expect((try? OpenAIAddress("HTTP://h:80///"))?.base == "HTTP://h:80/v1")
        #expect((try? OpenAIAddress("https://h/api/v1/"))?.base == "https://h/api/v1")
        #expect(throws: GenerationError.emptyPrompt) {
            try OpenAIBackend(address: "http://127.0.0.1:1", model: "m", key: nil).generate(GenerationRequest(.text("")))
        }
    }

    @Test(arguments: [true, false])
    func `cancelling closes the connection at once, also before the first byte`(hasBegun: Bool) throws {
        let requested = Mailbox<Void>(), closed = Mailbox<Bool>()
        let server = ScriptedServer { _, connection in
            if hasBegun { connection.send(Self.streamHead + Self.chunk("a")) }
            requested.put(())
            closed.put(connection.waitForEnd(milliseconds: 10_000))
        }
        let stream = try OpenAIBackend(address: server.address, model: "m", key: nil).stream(Self.hello)
        requested.take()
        var result = GenerationResult()
        for event in stream {
            result.add(event)
            if case .ended = event { break }
            if hasBegun == !result.text.isEmpty { stream.cancel() }
        }
        #expect(result.end.reason == .canceled && result.text == (hasBegun ? "a" : ""))
        #expect(closed.take(within: .seconds(10)) == true)
    }

    @Test func `fuzz: any response gives exactly one end event`() throws {
        var noise = TestRandom(77)
        let chunk = "data: {\"choices\":[{\"delta\":{\"content\":\"é\"},\"logprobs\":{\"content\":[{\"bytes\":[1,300]}]}}]}\n\n"
        let response = Array((Self.streamHead + chunk + "data: [DONE]\n\n").utf8)
        let queue = Mailbox<[UInt8]>()
        let server = ScriptedServer { _, connection in connection.send(queue.take()) }
        let backend = try OpenAIBackend(address: server.address, model: "m", key: nil)
        for _ in 0..<min(fuzzRounds(default: 150), 20_000) {
            var bytes = response
            for _ in 0..<1 + noise.below(4) {
                let index = noise.below(bytes.count)
                switch noise.below(3) {
                case 0: bytes[index] = UInt8(truncatingIfNeeded: noise.next())
                case 1: bytes.removeSubrange(index...)
                default: bytes.insert(contentsOf: Array("data: \n\n{}[]".utf8).prefix(noise.below(11)), at: index)
                }
                if bytes.isEmpty { bytes = [10] }
            }
            queue.put(bytes)
            let events = Array(try backend.stream(Self.hello))
            #expect(events.count { if case .ended = $0 { true } else { false } } == 1)
        }
    }
}
