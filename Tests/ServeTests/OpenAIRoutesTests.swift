import Glibc
import Infer
import JSON
import Serve
import Store
import TestSupport
import Testing
import Threads
import Tokenize

@Suite("OpenAI's paths")
struct OpenAIRoutesTests {
    static let question = #""messages":[{"role":"user","content":"Hello"}]"#

    /// Without what is another each time.
    static func settled(_ text: String) -> String {
        text.replacing(/"id":"(chat)?cmpl-[0-9a-z]+"/, with: #""id":"…""#).replacing(/"created":[0-9]{10}/, with: #""created":0"#)
    }

    private func chat(_ wire: RawHTTPConnection, _ fields: String) throws -> RawHTTPConnection.Answer {
        try #require(wire.post("/v1/chat/completions", "{\(Self.question)\(fields.isEmpty ? "" : ",")\(fields)}"))
    }

    @Test("a chat, whole")
    func whole() throws {
        let stage = try ServeStage(),
            answer = try chat(try stage.wire(), #""model":"test-model","user":"u","metadata":{"a":"b"},"store":true"#)
        #expect(answer.status == 200 && answer.headers["content-type"] == "application/json")
        #expect(
            Self.settled(answer.text) == """
                {"id":"…","object":"chat.completion","created":0,"model":"test-model","choices":[{"index":0,"message":{"role":"assistant","content":"Hi, you!é日"},"logprobs":null,\
                "finish_reason":"stop"}],"usage":{"prompt_tokens":6,"completion_tokens":10,"total_tokens":16,"prompt_tokens_details":{"cached_tokens":0}}}
                """)
    }

    @Test("a chat, in chunks", arguments: [false, true])
    func chunks(tellsUsage: Bool) throws {
        let stage = try ServeStage()
        let answer = try chat(
            try stage.wire(), #""stream":true,"max_completion_tokens":2,"max_tokens":1,"stream_options":{"include_usage":\#(tellsUsage)}"#)
        #expect(
            answer.headers["content-type"] == "text/event-stream; charset=utf-8" && answer.headers["cache-control"] == "no-store"
                && answer.headers["x-accel-buffering"] == "no")
        let head = #"{"id":"…","object":"chat.completion.chunk","created":0,"model":"test-model","choices":["#,
            tail = tellsUsage ? #"],"usage":null}"# : "]}"
        let deltas = [
            (#"{"role":"assistant","content":""}"#, "null"), (#"{"content":"H"}"#, "null"), (#"{"content":"i"}"#, "null"),
            ("{}", #""length""#),
        ]
        var expected = deltas.map { head + #"{"index":0,"delta":\#($0.0),"logprobs":null,"finish_reason":\#($0.1)}"# + tail }
        if tellsUsage {
            expected.append(
                head + #"],"usage":{"prompt_tokens":6,"completion_tokens":2,"total_tokens":8,"prompt_tokens_details":{"cached_tokens":0}}}"#
            )
        }
        #expect(answer.data.map(Self.settled) == expected + ["[DONE]"])
        #expect(Set(answer.data.dropLast().map { $0.prefix(60) }).count == 1, "one id in all chunks")
    }

    @Test("a text, in chunks and whole, behind what it goes on with")
    func texts() throws {
        let stage = try ServeStage(), wire = try stage.wire()
        let stream = try #require(wire.post("/v1/completions", #"{"prompt":"Say:","max_tokens":1,"echo":true,"stream":true}"#))
        #expect(
            stream.data.map(Self.settled) == ["Say:", "H", ""].map {
                #"{"id":"…","object":"text_completion","created":0,"model":"test-model","choices":[{"index":0,"text":"\#($0)","logprobs":null,"finish_reason":\#($0.isEmpty ? #""length""# : "null")}]}"#
            } + ["[DONE]"])
        let whole = try #require(
            wire.post("/v1/completions", #"{"prompt":["a","bb"],"n":2,"max_tokens":2,"stop":["i"],"echo":true,"best_of":1,"suffix":""}"#)
        ).json()
        #expect(whole["choices"]?.elements?.map { $0["text"]?.string } == ["aH", "aH", "bbH", "bbH"])
        #expect(whole["choices"]?.elements?.map { $0["index"]?.integer } == [0, 1, 2, 3])
        #expect(whole["usage"]?["prompt_tokens"]?.integer == 3 && whole["usage"]?["completion_tokens"]?.integer == 4)
    }

    @Test("several answers: each with the next seed, in a stream mixed and each whole")
    func several() throws {
        let stage = try ServeStage(), wire = try stage.wire()
        func texts(_ fields: String) throws -> [String?] {
            try chat(wire, #""temperature":2,\#(fields)"#).json()["choices"]?.elements?.map { $0["message"]?["content"]?.string } ?? []
        }
        let three = try texts(#""seed":18446744073709551615,"n":3"#)
        #expect(three == (try texts(#""seed":18446744073709551615"#) + texts(#""seed":0"#) + texts(#""seed":1"#)) && Set(three).count == 3)
        let stream = try chat(wire, #""temperature":2,"seed":18446744073709551615,"n":3,"stream":true"#)
        var streamed = ["", "", ""], reasons: [String] = []
        for line in stream.data.dropLast() {
            var parser = JSONParser()
            let choice = try #require(try parser.parse(Array(line.utf8))["choices"]?.elements?.first { _ in true }),
                index = try #require(choice["index"]?.integer)
            streamed[index] += choice["delta"]?["content"]?.string ?? ""
            if let reason = choice["finish_reason"]?.string { reasons.append(reason) }
        }
        #expect(streamed == three && reasons == ["stop", "stop", "stop"] && stream.data.last == "[DONE]")
    }

    @Test(
        "what is wrong is named",
        arguments: [
            ("{}", "messages", "invalid"), (#"{"messages":[]}"#, "messages", "invalid"),
            (#"{"messages":[{"role":"tool","content":"x"}]}"#, "messages[0].role", "invalid"),
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
            ("{\(question),\"seed\":-1}", "seed", "invalid"),
            ("{\(question),\"truncation\":\"some\"}", "truncation", "invalid"), ("{\(question),\"user\":7}", "user", "invalid"),
            ("{\(question),\"tools\":[{\"type\":\"function\"}]}", "tools", "invalid"),
            ("{\(question),\"tool_choice\":\"required\"}", "tool_choice", "invalid"),
            ("{\(question),\"functions\":[{}]}", "functions", "invalid"),
            ("{\(question),\"response_format\":{\"type\":\"json_schema\"}}", "response_format", "invalid"),
            ("{\(question),\"modalities\":[\"text\",\"audio\"]}", "modalities", "invalid"),
            ("{\(question),\"audio\":{}}", "audio", "invalid"),
        ])
    func refusals(body: String, field: String, code: String) throws {
        let stage = try ServeStage(), wire = try stage.wire(), answer = try #require(wire.post("/v1/chat/completions", body)),
            error = try answer.json()["error"]
        #expect(
            answer.status == 400 && error?["param"]?.string == field && error?["code"]?.string == code
                && error?["type"]?.string == "invalid_request_error", "\(answer.text)")
        // In a stream, too.
        if body.count > 2 { #expect(wire.post("/v1/chat/completions", #"{"stream":true,"# + body.dropFirst())?.status == 400) }
    }

    @Test(
        "what is wrong with a text's request is named",
        arguments: [
            ("{}", "prompt"), (#"{"prompt":[]}"#, "prompt"), (#"{"prompt":[[]]}"#, "prompt[0]"), (#"{"prompt":["a",1]}"#, "prompt[1]"),
            (#"{"prompt":[1,"a"]}"#, "prompt[1]"),
            (#"{"prompt":[1.5]}"#, "prompt[0]"), (#"{"prompt":[-1]}"#, "prompt[0]"), (#"{"prompt":7}"#, "prompt"),
            (#"{"prompt":"a","suffix":"b"}"#, "suffix"),
            (#"{"prompt":"a","best_of":2}"#, "best_of"), (#"{"prompt":"a","logprobs":21}"#, "logprobs"),
            (#"{"prompt":"a","echo":true,"logprobs":0}"#, "echo"),
            (#"{"prompt":[1],"echo":true}"#, "echo"), (#"{"prompt":["a","b","c"],"n":2}"#, "n"),
            (#"{"prompt":["a","b","c","d","e","f"]}"#, "prompt"),
        ])
    func textRefusals(body: String, field: String) throws {
        let stage = try ServeStage { $0.perPerson = 5 }, answer = try #require(try stage.wire().post("/v1/completions", body))
        #expect(answer.status == 400 && answer.error("param") == field, "\(answer.text)")
    }

    @Test("what asks for nothing special passes")
    func harmless() throws {
        let stage = try ServeStage()
        let answer = try chat(try stage.wire(), """
            "tools":[],"tool_choice":"none","functions":[],"function_call":"auto","response_format":{"type":"text"},"modalities":["text"],"audio":null,"n":null,"stop":null,\
            "logit_bias":{},"seed":null,"stream":null,"stream_options":null,"model":"default","parallel_tool_calls":false,"service_tier":"auto","nobody knows":[1]
            """)
        #expect(answer.status == 200, "\(answer.text)")
    }

    @Test("a prompt that is too long is cut, and told of; or refused, before a stream begins")
    func tooLong() throws {
        let stage = try ServeStage(), wire = try stage.wire(), long = #""prompt":"\#(String(repeating: "x", count: 70))","stream":true"#
        #expect(wire.post("/v1/completions", "{\(long)}")?.status == 200)
        let refused = try #require(wire.post("/v1/completions", #"{\#(long),"truncation":"disabled"}"#))
        #expect(refused.status == 400 && refused.error("code") == "context_length_exceeded")
    }

    @Test("an answer that breaks off: an error in its place, or where the stream stands", arguments: [1, 3])
    func broken(count: Int) throws {
        let stage = try ServeStage(BreakingBackend()), wire = try stage.wire()
        let whole = try chat(wire, #""n":\#(count)"#)
        #expect(whole.status == 502 && whole.error("type") == "server_error")
        let stream = try chat(wire, #""stream":true,"n":\#(count)"#)
        #expect(
            stream.status == 200 && stream.data.last?.contains(#"{"error":{"message":"#) ?? false && !stream.data.contains("[DONE]"),
            "\(stream.text)")
        #expect(try stage.waits(forRunning: 0))
    }

    @Test("a client that goes frees its places", arguments: [false, true])
    func cancelled(streams: Bool) throws {
        let stage = try ServeStage(WaitingBackend())
        var wire: RawHTTPConnection? = try stage.wire()
        wire?.sendPost("/v1/chat/completions", #"{\#(Self.question),"n":3,"stream":\#(streams)}"#)
        #expect(try stage.waits(forRunning: 3))
        if streams { #expect(wire?.text(through: #""content":"H""#) != nil) }
        wire = nil
        #expect(try stage.waits(forRunning: 0))
    }

    @Test("a server that stops ends what is under way, and says so", arguments: [false, true])
    func stopping(streams: Bool) throws {
        let stage = try ServeStage(WaitingBackend()), wire = try stage.wire()
        wire.sendPost("/v1/chat/completions", #"{\#(Self.question),"stream":\#(streams)}"#)
        #expect(try stage.waits(forRunning: 1))
        if streams { #expect(wire.text(through: #""content":"H""#) != nil) }
        stage.server.stop(within: .zero)
        if streams {
            #expect(wire.text(through: #""code":"stopping"}}"#) != nil)
        } else { #expect(wire.answer()?.status == 503) }
    }

    @Test("who has too many under way, and who comes when all wait, is told when to come again")
    func full() throws {
        let gate = Mailbox<Bool>()
        let stage = try ServeStage(ScriptedBackend { said in if said == 1 { _ = gate.take() } }) {
            $0.places = 1
            $0.waiting = 1
            $0.perPerson = 2
        }
        let first = try stage.wire(), second = try stage.wire(), ada = try stage.account("ada")
        first.sendPost("/v1/chat/completions", "{\(Self.question)}")
        #expect(try stage.waits(forRunning: 1))
        second.sendPost("/v1/chat/completions", "{\(Self.question)}")
        #expect(try stage.waits(forRunning: 1, waiting: 1))
        let third = try chat(try stage.wire(), ""),
            other = try #require(try stage.wire().post("/v1/chat/completions", "{\(Self.question)}", ada))
        #expect(third.status == 429 && third.headers["retry-after"] == "2" && third.error("type") == "rate_limit_error")
        #expect(other.status == 503 && other.headers["retry-after"] == "5" && other.error("code") == "busy")
        for _ in 0..<2 { gate.put(true) }
        #expect(first.answer()?.status == 200 && second.answer()?.status == 200)
    }

    @Test("the models")
    func models() throws {
        let stage = try ServeStage(), wire = try stage.wire()
        let list = try #require(wire.ask("GET", "/v1/models")),
            one = #"{"id":"test-model","object":"model","created":0,"owned_by":"slm","context_length":64}"#
        #expect(Self.settled(list.text) == #"{"object":"list","data":[\#(one)]}"#)
        #expect(wire.ask("GET", "/v1/models/test-model").map { Self.settled($0.text) } == one)
        for answer in [wire.ask("GET", "/v1/models/gpt%2F4"), try chat(wire, #""model":"gpt-4""#)] {
            #expect(answer?.status == 404 && answer?.error("code") == "model_not_found")
        }
        let loading = try ServeStage(nil)
        for answer in [try loading.wire().ask("GET", "/v1/models"), try chat(try loading.wire(), "")] {
            #expect(answer?.status == 503 && answer?.headers["retry-after"] == "1" && answer?.error("code") == "loading")
        }
    }

    @Test("what a program's answer took is told to the owner of its key, and what was said is not kept")
    func recorded() throws {
        let stage = try ServeStage(), ada = try stage.account("ada")
        _ = try stage.wire().post("/v1/chat/completions", #"{\#(Self.question),"n":2}"#, ada)
        var totals = try stage.store.admin.totals()
        for _ in 0..<200 where totals.generations < 2 { usleep(5_000); totals = try stage.store.admin.totals() }
        #expect(totals.generations == 2 && totals.answerTokens == 20 && totals.messages == 0 && totals.conversations == 0)
    }
}

/// Says one letter, then the connection to it breaks.
private final class BreakingBackend: ChatBackend {
    let name = "broken", context: Int? = nil

    func start(
        _ request: GenerationRequest, deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) throws(GenerationError) -> any GenerationHandle {
        let flag = CancelFlag()
        do throws(ThreadError) {
            try BackgroundThread.run {
                deliver(.began(GenerationStart()))
                deliver(.piece(TextPiece("a")))
                deliver(
                    .ended(
                        GenerationEnd(
                            .error(.remote(.invalidResponse(address: "http://model", reason: "it went away"))), promptTokens: 1,
                            answerTokens: 1)))
            }
        } catch { throw .threadNotStarted(error) }
        return flag
    }
}

/// Says one letter, and then nothing until it is not wanted any more.
private final class WaitingBackend: ChatBackend {
    private final class Waiting: GenerationHandle {
        let end = Mailbox<Bool>()
        func cancel() { end.put(true) }
    }

    let name = "waiting", context: Int? = nil

    func start(
        _ request: GenerationRequest, deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) throws(GenerationError) -> any GenerationHandle {
        let waiting = Waiting()
        do throws(ThreadError) {
            try BackgroundThread.run {
                deliver(.began(GenerationStart()))
                deliver(.piece(TextPiece("H")))
                _ = waiting.end.take()
                deliver(.ended(GenerationEnd(.cancelled, promptTokens: 1, answerTokens: 1)))
            }
        } catch { throw .threadNotStarted(error) }
        return waiting
    }
}
