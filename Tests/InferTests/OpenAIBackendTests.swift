import Infer
import JSON
import Synchronization
import Testing
import TestSupport
import Threads
import Tokenize

@Suite struct OpenAIBackendTests {
    private static let begin = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n\r\n"
    private static let hello = GenerationRequest(.chat([.init(.user, "Hello")]))

    /// What comes of an answer that a server gives in these words.
    private func answer(_ words: String...) throws -> GenerationResult {
        let server = ScriptedServer { _, connection in
            for word in words { connection.send(word) }
        }
        let backend = try OpenAIBackend(address: server.address, model: "m", key: nil)
        var whole = GenerationResult()
        for event in try backend.stream(Self.hello) { whole.add(event) }
        return whole
    }

    private func error(_ words: String...) throws -> String {
        let joined = words.joined()
        guard case .error(.remote(let error)) = try answer(joined).end.reason else { return "no error" }
        return error.description
    }

    @Test func `a request says what was asked for, and nothing that changes nothing`() throws {
        let asked = Mailbox<ScriptedServer.Request>()
        let server = ScriptedServer { request, connection in
            asked.put(request)
            connection.send(Self.begin + "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
        }
        let backend = try OpenAIBackend(address: server.address + "/api/", model: "m", key: "secret")
        _ = try backend.generate(GenerationRequest(.chat([.init(.system, "s"), .init(.user, "\"é")])))
        let plain = asked.take()
        #expect(
            plain.line == "POST /api/chat/completions" && plain.headers["authorization"] == "Bearer secret"
                && plain.headers["content-type"] == "application/json")
        #expect(
            String(decoding: plain.body, as: UTF8.self)
                == #"{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"\"é"}],"#
                + #""stream":true,"stream_options":{"include_usage":true},"temperature":1.0}"#)
        _ = try backend.generate(
            GenerationRequest(
                .text("x"),
                GenerationConfig(
                    maximumTokens: 7, temperature: 0.5, topK: 4, topP: 0.9, minP: 0.1, repetitionPenalty: 1.1, frequencyPenalty: 0.2,
                    presencePenalty: -0.3, stop: ["a"], seed: 9,
                    logitBias: [3: -100], logProbabilities: 2)))
        let full = asked.take()
        #expect(full.line == "POST /api/completions")
        #expect(
            String(decoding: full.body, as: UTF8.self)
                == #"{"model":"m","prompt":"x","stream":true,"stream_options":{"include_usage":true},"max_tokens":7,"temperature":0.5,"#
                + #""top_p":0.9,"min_p":0.1,"top_k":4,"repetition_penalty":1.1,"frequency_penalty":0.2,"presence_penalty":-0.3,"stop":["a"],"seed":9,"#
                + #""logit_bias":{"3":-100.0},"logprobs":2}"#)
        _ = try backend.generate(GenerationRequest(.tokens([1, 22])))
        let tokens = asked.take()
        #expect(
            tokens.line == "POST /api/completions"
                && String(decoding: tokens.body, as: UTF8.self).hasPrefix(#"{"model":"m","prompt":[1,22],"stream":true,"#))
    }

    @Test func `pieces, log-probabilities, usage and the end come as they were sent`() throws {
        let whole = try answer(
            Self.begin, ": hello\n\n", "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\r\n\r\n",
            #"data: {"choices":[{"delta":{"content":"日"},"logprobs":{"content":[{"token":"日","bytes":[230,151,165],"logprob":-0.5,"top_logprobs":[{"token":"a","logprob":-1}]}]}}]}"#
                + "\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"length\"}]}\n\n",
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n")
        #expect(whole.text == "日x" && whole.end.reason == .length && whole.end.promptTokens == 11 && whole.end.answerTokens == 2)
        #expect(whole.tokens == [GeneratedToken(nil, [230, 151, 165], logProbability: -0.5, alternatives: [.init(nil, [97], -1)])])
        let text = try answer(
            Self.begin,
            #"data: {"choices":[{"text":"a","finish_reason":"stop","logprobs":{"tokens":["a"],"token_logprobs":[-0.25],"top_logprobs":[{"b":-2,"a":-0.25}]}}]}"#
                + "\n\n")
        #expect(text.text == "a" && text.end.reason == .stop && text.end.answerTokens == 1)
        #expect(
            text.tokens == [
                GeneratedToken(nil, [97], logProbability: -0.25, alternatives: [.init(nil, [97], -0.25), .init(nil, [98], -2)])
            ])
    }

    private static func chunk(_ text: String) -> String { "data: {\"choices\":[{\"delta\":{\"content\":\"\(text)\"}}]}\n\n" }

    @Test func `in a chat the white space around an answer is left out, as it is in our own`() throws {
        let end = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
        for (pieces, text, count) in [
            (["  ", "\\n Hi", " ", "\\t", "you ", "\\n"], "Hi \tyou", 6), ([" ", "\\n"], "", 2),
            (["a", "\u{A0}b\u{A0}"], "a\u{A0}b\u{A0}", 2),
        ] {
            let whole = try answer(Self.begin + pieces.map(Self.chunk).joined() + end)
            #expect(whole.text == text && whole.end.reason == .stop && whole.end.answerTokens == count, "\(whole)")
        }
        // A text that goes on keeps all of it.
        let server = ScriptedServer { _, connection in
            connection.send(Self.begin + "data: {\"choices\":[{\"text\":\" a \",\"finish_reason\":\"stop\"}]}\n\n")
        }
        #expect(try OpenAIBackend(address: server.address, model: "m", key: nil).generate(GenerationRequest(.text("x"))).text == " a ")
    }

    private static func status(_ line: String, _ body: String, _ headers: String = "") -> String {
        "HTTP/1.1 \(line)\r\nContent-Type: application/json\r\n\(headers)Connection: close\r\n\r\n\(body)"
    }

    @Test(arguments: [
        (
            status("401 Unauthorized", #"{"error":{"message":"Bad key."}}"#),
            "does not let us in: Bad key. Give the key in the environment: SLM_BACKEND_KEY"
        ),
        (status("404 Not Found", ""), "is not there. Is the address right, and the model? --backend-model NAME"),
        (
            status("429 Too Many", #"{"error":{"message":"Slow down"}}"#, "Retry-After: 20\r\n"),
            "has too much to do: Slow down. It asks to wait 20 seconds."
        ),
        (status("500 Oh", "<html>\u{1B}[31mno</html>"), "answers with status 500."),
        (status("400 Bad", #"{"error":"too\u001b long"}"#), "answers with status 400: too  long."),
        (
            status("422 No", #"{"detail":[{"loc":["body","top_k"],"msg":"Extra inputs are not permitted"}]}"#),
            "answers with status 422: Extra inputs are not permitted."
        ),
        (status("403 No", #"{"detail":"Not you."}"#), "does not let us in: Not you. Give the key in the environment: SLM_BACKEND_KEY"),
        (status("200 OK", "{}"), "it answers application/json, expected text/event-stream."),
        (status("302 Found", "", "Location: http://127.0.0.1:1/\r\n"), "answers with status 302."),
        (begin, "the answer broke off."),
        (begin + "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n", "the answer broke off."),
        (begin + "data: {\"error\":{\"message\":\"out of memory\"}}\n\n", "it says: out of memory."),
        (begin + "data: {nonsense\n\n", "it sent what cannot be read: at byte 1: expected a key in quotation marks, found 'n'."),
        (
            begin + "data: {\"choices\":[{\"delta\":{\"content\":5}}]}\n\n",
            "it sent what cannot be read: \"content\": expected a string, found 5.0."
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 500\r\n\r\ndata: {\"choices\":[]}\n\n",
            "transfer closed with 478 bytes remaining to read."
        ),
        ("", "Empty reply from server."), ("SSH-2.0\r\n\r\n", "Received HTTP/0.9 when not allowed."),
    ])
    func `what goes wrong is told in a sentence`(words: String, sentence: String) throws {
        let found = try error(words)
        #expect(found.hasSuffix(sentence), "\(found)")
    }

    @Test func `the first model is taken, or it is said that there is none`() throws {
        for (body, name) in [(#"{"data":[{"id":"one"},{"id":"two"}]}"#, "one"), (#"{"data":[]}"#, nil), ("[]", nil)] as [(String, String?)]
        {
            let server = ScriptedServer { asked, connection in
                connection.send(Self.status(asked.line == "GET /v1/models" ? "200 OK" : "404 No", body))
            }
            if let name {
                #expect(try OpenAIBackend(address: server.address, model: nil, key: nil).name == "\(name) at \(server.address)/v1")
            } else {
                #expect(
                    throws: GenerationError.remote(
                        .invalidResponse(
                            address: server.address + "/v1/models", reason: "it names no model. Name one: --backend-model NAME"))
                ) {
                    try OpenAIBackend(address: server.address, model: nil, key: nil)
                }
            }
        }
    }

    @Test func `addresses that are none are refused, and a password in one`() {
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

    @Test func `cancelling closes the connection at once, also before anything came`() throws {
        for hasBegun in [true, false] {
            let asked = Mailbox<Void>(), gone = Mailbox<Bool>()
            let server = ScriptedServer { _, connection in
                if hasBegun { connection.send(Self.begin + "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n") }
                asked.put(())
                gone.put(connection.waitForEnd(milliseconds: 10_000))
            }
            let events = try OpenAIBackend(address: server.address, model: "m", key: nil).events(of: Self.hello)
            asked.take()
            var whole = GenerationResult()
            for event in events {
                whole.add(event)
                if case .ended = event { break }
                if hasBegun == !whole.text.isEmpty { events.cancel() }
            }
            #expect(whole.end.reason == .cancelled && whole.text == (hasBegun ? "a" : ""))
            #expect(gone.take(within: .seconds(10)) == true)
        }
    }

    @Test func `fuzz: whatever a server sends ends with one end`() throws {
        var noise = TestRandom(77)
        let stream = Array(
            (Self.begin
                + "data: {\"choices\":[{\"delta\":{\"content\":\"é\"},\"logprobs\":{\"content\":[{\"bytes\":[1,300]}]}}]}\n\ndata: [DONE]\n\n")
                .utf8)
        let queue = Mailbox<[UInt8]>()
        let server = ScriptedServer { _, connection in connection.send(queue.take()) }
        let backend = try OpenAIBackend(address: server.address, model: "m", key: nil)
        for _ in 0..<min(fuzzRounds(default: 150), 20_000) {
            var bytes = stream
            for _ in 0..<1 + noise.below(4) {
                let place = noise.below(bytes.count)
                switch noise.below(3) {
                case 0: bytes[place] = UInt8(truncatingIfNeeded: noise.next())
                case 1: bytes.removeSubrange(place...)
                default: bytes.insert(contentsOf: Array("data: \n\n{}[]".utf8).prefix(noise.below(11)), at: place)
                }
                if bytes.isEmpty { bytes = [10] }
            }
            queue.put(bytes)
            let events = Array(try backend.stream(Self.hello))
            #expect(events.count { if case .ended = $0 { true } else { false } } == 1)
        }
    }
}
