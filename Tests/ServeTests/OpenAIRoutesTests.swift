import Glibc
import Infer
import JSON
import Serve
import Store
import TestSupport
import Testing
import Threads
import Tokenize

@Suite("OpenAI routes")
struct OpenAIRoutesTests {
    static let question = #""messages":[{"role":"user","content":"Hello"}]"#

    /// Replaces ids and times, which differ each time.
    static func normalized(_ text: String) -> String {
        text.replacing(/"id":"(chat)?cmpl-[0-9a-z]+"/, with: #""id":"…""#).replacing(/"created":[0-9]{10}/, with: #""created":0"#)
    }

    private func chat(_ connection: RawHTTPConnection, _ fields: String) throws -> RawHTTPConnection.Answer {
        try #require(connection.post("/v1/chat/completions", "{\(Self.question)\(fields.isEmpty ? "" : ",")\(fields)}"))
    }

    @Test("a chat completion")
    func whole() throws {
        let server = try TestServer()
        let answer = try chat(try server.connect(), #""model":"test-model","user":"u","metadata":{"a":"b"},"store":true"#)
        #expect(answer.status == 200 && answer.headers["content-type"] == "application/json")
        #expect(
            Self.normalized(answer.text) == """
                {"id":"…","object":"chat.completion","created":0,"model":"test-model","choices":[{"index":0,\
                "message":{"role":"assistant","content":"Hi, you!é日"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":6,\
                "completion_tokens":10,"total_tokens":16,"prompt_tokens_details":{"cached_tokens":0},\
                "completion_tokens_details":{"reasoning_tokens":0}}}
                """)
    }

    @Test("a streamed chat completion", arguments: [false, true])
    func chunks(includesUsage: Bool) throws {
        let server = try TestServer()
        let answer = try chat(
            try server.connect(),
            #""stream":true,"max_completion_tokens":2,"max_tokens":1,"stream_options":{"include_usage":\#(includesUsage)}"#)
        #expect(
            answer.headers["content-type"] == "text/event-stream; charset=utf-8" && answer.headers["cache-control"] == "no-store"
                && answer.headers["x-accel-buffering"] == "no")
        let head = #"{"id":"…","object":"chat.completion.chunk","created":0,"model":"test-model","choices":["#
        let tail = includesUsage ? #"],"usage":null}"# : "]}"
        let deltas = [
            (#"{"role":"assistant","content":""}"#, "null"), (#"{"content":"H"}"#, "null"), (#"{"content":"i"}"#, "null"),
            ("{}", #""length""#),
        ]
        var expected = deltas.map { head + #"{"index":0,"delta":\#($0.0),"logprobs":null,"finish_reason":\#($0.1)}"# + tail }
        if includesUsage {
            expected.append(
                head + #"],"usage":{"prompt_tokens":6,"completion_tokens":2,"total_tokens":8,"prompt_tokens_details":{"cached_tokens":0},"#
                    + #""completion_tokens_details":{"reasoning_tokens":0}}}"#)
        }
        #expect(answer.data.map(Self.normalized) == expected + ["[DONE]"])
        #expect(Set(answer.data.dropLast().map { $0.prefix(60) }).count == 1, "expected one id in all chunks")
    }

    @Test("text completions with echo, streamed and not")
    func texts() throws {
        let server = try TestServer(), connection = try server.connect()
        let stream = try #require(connection.post("/v1/completions", #"{"prompt":"Say:","max_tokens":1,"echo":true,"stream":true}"#))
        #expect(
            stream.data.map(Self.normalized) == ["Say:", "H", ""].map {
                #"{"id":"…","object":"text_completion","created":0,"model":"test-model","choices":[{"index":0,"text":"\#($0)","#
                    + #""logprobs":null,"finish_reason":\#($0.isEmpty ? #""length""# : "null")}]}"#
            } + ["[DONE]"])
        let whole = try #require(
            connection.post(
                "/v1/completions", #"{"prompt":["a","bb"],"n":2,"max_tokens":2,"stop":["i"],"echo":true,"best_of":1,"suffix":""}"#)
        ).json()
        #expect(whole["choices"]?.elements?.map { $0["text"]?.string } == ["aH", "aH", "bbH", "bbH"])
        #expect(whole["choices"]?.elements?.map { $0["index"]?.integer } == [0, 1, 2, 3])
        #expect(whole["usage"]?["prompt_tokens"]?.integer == 3 && whole["usage"]?["completion_tokens"]?.integer == 4)
    }

    @Test("n answers have consecutive seeds, and streams of them are interleaved")
    func several() throws {
        let server = try TestServer(), connection = try server.connect()
        func texts(_ fields: String) throws -> [String?] {
            let choices = try chat(connection, #""temperature":2,\#(fields)"#).json()["choices"]?.elements
            return choices?.map { $0["message"]?["content"]?.string } ?? []
        }
        let three = try texts(#""seed":18446744073709551615,"n":3"#)
        #expect(three == (try texts(#""seed":18446744073709551615"#) + texts(#""seed":0"#) + texts(#""seed":1"#)) && Set(three).count == 3)
        // Signed seeds, as in OpenAI's schema; -1 is random, as in llama.cpp. A top_p of 0 is allowed.
        #expect(try texts(#""seed":-2"#) == texts(#""seed":-2"#))
        #expect(try Set((0..<4).flatMap { _ in try texts(#""seed":-1"#) }).count > 1)
        #expect(try texts(#""top_p":0"#).count == 1)
        let stream = try chat(connection, #""temperature":2,"seed":18446744073709551615,"n":3,"stream":true"#)
        var streamed = ["", "", ""], reasons: [String] = []
        for chunk in try stream.objects() {
            let choice = try #require(chunk["choices"]?.list?.first)
            let index = try #require(choice["index"]?.integer)
            streamed[index] += choice["delta"]?["content"]?.string ?? ""
            if let reason = choice["finish_reason"]?.string { reasons.append(reason) }
        }
        #expect(streamed == three && reasons == ["stop", "stop", "stop"] && stream.data.last == "[DONE]")
    }

    @Test(
        "an invalid chat request names the field",
        arguments: [
            ("{}", "messages", "invalid"), (#"{"messages":[]}"#, "messages", "invalid"),
            (#"{"messages":[{"role":"function","content":"x"}]}"#, "messages[0].role", "invalid"),
            (#"{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}"#, "messages[0].content", "invalid"),
            ("{\(question),\"n\":0}", "n", "invalid"), ("{\(question),\"n\":9}", "n", "invalid"),
            ("{\(question),\"n\":true}", "n", "invalid"),
            ("{\(question),\"temperature\":3}", "temperature", "invalid"), ("{\(question),\"max_tokens\":0}", "max_tokens", "invalid"),
            ("{\(question),\"max_completion_tokens\":0}", "max_completion_tokens", "invalid"),
            ("{\(question),\"top_logprobs\":2}", "top_logprobs", "invalid"),
            ("{\(question),\"logprobs\":true,\"top_logprobs\":21}", "top_logprobs", "invalid"),
            ("{\(question),\"logit_bias\":{\"x\":1}}", "logit_bias", "invalid"),
            ("{\(question),\"logit_bias\":{\"1\":101}}", "logit_bias", "invalid"), ("{\(question),\"stop\":[\"\"]}", "stop", "invalid"),
            ("{\(question),\"stream\":1}", "stream", "invalid"),
            ("{\(question),\"stream_options\":{\"include_usage\":3}}", "include_usage", "invalid"),
            ("{\(question),\"seed\":0.5}", "seed", "invalid"),
            ("{\(question),\"truncation\":\"some\"}", "truncation", "invalid"), ("{\(question),\"user\":7}", "user", "invalid"),
            ("{\(question),\"tool_choice\":\"required\"}", "tool_choice", "invalid"),
            ("{\(question),\"functions\":[{}]}", "functions", "invalid"),
            ("{\(question),\"response_format\":{\"type\":\"json_schema\"}}", "response_format.json_schema", "invalid"),
            ("{\(question),\"modalities\":[\"text\",\"audio\"]}", "modalities", "invalid"),
            ("{\(question),\"audio\":{}}", "audio", "invalid"),
        ])
    func invalidRequests(body: String, field: String, code: String) throws {
        let server = try TestServer()
        let connection = try server.connect()
        let answer = try #require(connection.post("/v1/chat/completions", body))
        let error = try answer.json()["error"]
        #expect(
            answer.status == 400 && error?["param"]?.string == field && error?["code"]?.string == code
                && error?["type"]?.string == "invalid_request_error", "\(answer.text)")
        // Streaming requests, too.
        if body.count > 2 { #expect(connection.post("/v1/chat/completions", #"{"stream":true,"# + body.dropFirst())?.status == 400) }
    }

    @Test(
        "an invalid text request names the field",
        arguments: [
            ("{}", "prompt"), (#"{"prompt":[]}"#, "prompt"), (#"{"prompt":[[]]}"#, "prompt[0]"), (#"{"prompt":["a",1]}"#, "prompt[1]"),
            (#"{"prompt":[1,"a"]}"#, "prompt[1]"),
            (#"{"prompt":[1.5]}"#, "prompt[0]"), (#"{"prompt":[-1]}"#, "prompt[0]"), (#"{"prompt":7}"#, "prompt"),
            (#"{"prompt":"a","suffix":"b"}"#, "suffix"),
            (#"{"prompt":"a","best_of":2}"#, "best_of"), (#"{"prompt":"a","logprobs":21}"#, "logprobs"),
            // The model of these tests has no tokenizer, like one on another server.
            (#"{"prompt":"a","echo":true,"logprobs":0}"#, "echo"), (#"{"prompt":"a","prompt_logprobs":0}"#, "prompt_logprobs"),
            (#"{"prompt":"a","max_tokens":0}"#, "max_tokens"), (#"{"prompt":"a","max_tokens":-1}"#, "max_tokens"),
            (#"{"prompt":[1],"echo":true}"#, "echo"), (#"{"prompt":["a","b","c"],"n":2}"#, "n"),
            (#"{"prompt":["a","b","c","d","e","f"]}"#, "prompt"),
        ])
    func invalidTextRequests(body: String, field: String) throws {
        let server = try TestServer { $0.answersPerClient = 5 }
        let answer = try #require(try server.connect().post("/v1/completions", body))
        #expect(answer.status == 400 && answer.error("param") == field, "\(answer.text)")
    }

    @Test(
        "options of a stream are refused without one",
        arguments: [
            #","stream_options":{"include_usage":true}"#, #","stream_options":{}"#, #","stream":false,"stream_options":{}"#,
            #","stream":null,"stream_options":{}"#,
        ])
    func streamOptions(fields: String) throws {
        let server = try TestServer(), connection = try server.connect()
        for (path, prompt) in [("chat/completions", Self.question), ("completions", #""prompt":"a""#)] {
            let answer = try #require(connection.post("/v1/" + path, "{\(prompt)\(fields)}"))
            #expect(answer.status == 400 && answer.error("param") == "stream_options", "\(answer.text)")
            #expect(answer.error("type") == "invalid_request_error")
        }
    }

    @Test("unsupported fields with their default values are accepted")
    func harmless() throws {
        let server = try TestServer()
        let answer = try chat(try server.connect(), """
            "tools":[],"tool_choice":"none","functions":[],"function_call":"auto","response_format":{"type":"text"},\
            "modalities":["text"],"audio":null,"n":null,"stop":null,"logit_bias":{},"seed":null,"stream":null,"stream_options":null,\
            "model":"default","parallel_tool_calls":false,"service_tier":"auto","unknown":[1]
            """)
        #expect(answer.status == 200, "\(answer.text)")
    }

    @Test("a prompt that is too long is rejected before the stream starts, or truncated where the client asks for it")
    func tooLong() throws {
        let server = try TestServer()
        let connection = try server.connect()
        let long = #""prompt":"\#(String(repeating: "x", count: 70))","stream":true"#
        for more in ["", #","truncation":"disabled""#] {
            let refused = try #require(connection.post("/v1/completions", "{\(long)\(more)}"))
            #expect(refused.status == 400 && refused.error("code") == "context_length_exceeded")
        }
        #expect(connection.post("/v1/completions", #"{\#(long),"truncation":"auto"}"#)?.status == 200)
    }

    @Test("a failed answer is an error response, or an error event in a stream", arguments: [1, 8])
    func broken(count: Int) throws {
        let server = try TestServer(ClosureBackend.failing), connection = try server.connect()
        let whole = try chat(connection, #""n":\#(count)"#)
        #expect(whole.status == 502 && whole.error("type") == "server_error")
        let stream = try chat(connection, #""stream":true,"n":\#(count)"#)
        #expect(
            stream.status == 200 && stream.data.last?.contains(#"{"error":{"message":"#) ?? false && !stream.data.contains("[DONE]"),
            "\(stream.text)")
        #expect(try server.waitForLoad(running: 0))
    }

    @Test("only answers for which the model has read tokens are counted")
    func counted() throws {
        let server = try TestServer(), ada = try server.account("ada"), connection = try server.connect()
        #expect(connection.post("/v1/completions", #"{"prompt":"x"}"#, ada)?.status == 200)
        let long = String(repeating: "x", count: 70)
        #expect(connection.post("/v1/completions", #"{"prompt":"\#(long)","truncation":"disabled"}"#, ada)?.status == 400)
        server.server.stop(within: .zero)                        // waits for the database
        let totals = try server.store.admin.totals()
        #expect(totals.generations == 1 && totals.promptTokens == 1)
    }

    @Test("a client that disconnects frees its slots", arguments: [false, true])
    func canceled(streams: Bool) throws {
        let server = try TestServer(ClosureBackend.waiting)
        var connection: RawHTTPConnection? = try server.connect()
        connection?.sendPost("/v1/chat/completions", #"{\#(Self.question),"n":3,"stream":\#(streams)}"#)
        #expect(try server.waitForLoad(running: 3))
        if streams { #expect(connection?.text(through: #""content":"H""#) != nil) }
        connection = nil
        #expect(try server.waitForLoad(running: 0))
    }

    @Test("answers in progress end with an error when the server stops", arguments: [false, true])
    func stopping(streams: Bool) throws {
        let server = try TestServer(ClosureBackend.waiting), connection = try server.connect()
        connection.sendPost("/v1/chat/completions", #"{\#(Self.question),"stream":\#(streams)}"#)
        #expect(try server.waitForLoad(running: 1))
        if streams { #expect(connection.text(through: #""content":"H""#) != nil) }
        server.server.stop(within: .zero)
        if streams {
            #expect(connection.text(through: #""code":"stopping","#) != nil)
        } else { #expect(connection.answer()?.status == 503) }
    }

    @Test("too many answers of a client and a full queue are rejected with Retry-After")
    func full() throws {
        let gate = Mailbox<Bool>()
        let server = try TestServer(ScriptedBackend { count in if count == 1 { _ = gate.take() } }) {
            $0.slots = 1
            $0.maxWaiting = 1
            $0.answersPerClient = 2
        }
        let first = try server.connect()
        let second = try server.connect()
        let ada = try server.account("ada")
        first.sendPost("/v1/chat/completions", "{\(Self.question)}")
        #expect(try server.waitForLoad(running: 1))
        second.sendPost("/v1/chat/completions", "{\(Self.question)}")
        #expect(try server.waitForLoad(running: 1, waiting: 1))
        let third = try chat(try server.connect(), "")
        let other = try #require(try server.connect().post("/v1/chat/completions", "{\(Self.question)}", ada))
        #expect(third.status == 429 && third.headers["retry-after"] == "2" && third.error("type") == "rate_limit_error")
        #expect(other.status == 503 && other.headers["retry-after"] == "5" && other.error("code") == "busy")
        for _ in 0..<2 { gate.put(true) }
        #expect(first.answer()?.status == 200 && second.answer()?.status == 200)
    }

    @Test("the list of models")
    func models() throws {
        let server = try TestServer(), connection = try server.connect()
        let list = try #require(connection.ask("GET", "/v1/models"))
        let one = #"{"id":"test-model","object":"model","created":0,"owned_by":"slm","context_length":64}"#
        #expect(Self.normalized(list.text) == #"{"object":"list","data":[\#(one)]}"#)
        #expect(connection.ask("GET", "/v1/models/test-model").map { Self.normalized($0.text) } == one)
        for answer in [connection.ask("GET", "/v1/models/gpt%2F4"), try chat(connection, #""model":"gpt-4""#)] {
            #expect(answer?.status == 404 && answer?.error("code") == "model_not_found")
        }
        let loading = try TestServer(nil)
        for answer in [try loading.connect().ask("GET", "/v1/models"), try chat(try loading.connect(), "")] {
            #expect(answer?.status == 503 && answer?.headers["retry-after"] == "1" && answer?.error("code") == "loading")
        }
    }

    @Test("token counts are recorded for the account of the key, and texts are not stored")
    func recorded() throws {
        let server = try TestServer(), ada = try server.account("ada")
        _ = try server.connect().post("/v1/chat/completions", #"{\#(Self.question),"n":2}"#, ada)
        var totals = try server.store.admin.totals()
        for _ in 0..<6_000 where totals.generations < 2 { usleep(5_000); totals = try server.store.admin.totals() }
        #expect(totals.generations == 2 && totals.answerTokens == 20 && totals.messages == 0 && totals.conversations == 0)
    }
}

extension ClosureBackend {
    /// Generates one letter, then fails.
    static var failing: ClosureBackend {
        ClosureBackend(name: "failing") { _, deliver throws(GenerationError) in
            do throws(ThreadError) {
                try BackgroundThread.run {
                    deliver(.began(GenerationStart()))
                    deliver(.piece(TextPiece("a")))
                    let error = GenerationError.remote(.invalidResponse(address: "http://model", reason: "it closed the connection"))
                    deliver(.ended(GenerationEnd(.error(error), promptTokens: 1, answerTokens: 1)))
                }
            } catch { throw .threadNotStarted(error) }
            return CancelFlag()
        }
    }

    /// Generates one letter, then waits until it is canceled.
    fileprivate static var waiting: ClosureBackend {
        ClosureBackend(name: "waiting") { _, deliver throws(GenerationError) in
            let waiting = Waiting()
            do throws(ThreadError) {
                try BackgroundThread.run {
                    deliver(.began(GenerationStart()))
                    deliver(.piece(TextPiece("H")))
                    _ = waiting.end.take()
                    deliver(.ended(GenerationEnd(.canceled, promptTokens: 1, answerTokens: 1)))
                }
            } catch { throw .threadNotStarted(error) }
            return waiting
        }
    }

    private final class Waiting: GenerationHandle {
        let end = Mailbox<Bool>()
        func cancel() { end.put(true) }
    }
}
