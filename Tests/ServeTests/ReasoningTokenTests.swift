import Infer
import JSON
import Serve
import TestSupport
import Testing
import Threads
import Tokenize

/// The number of tokens inside thoughts, in the usage of all APIs that have it.
@Suite struct ReasoningTokenTests {
    private static let question = "2 + 2?"

    private func post(_ server: TestServer, _ path: String, _ fields: String) throws -> RawHTTPConnection.Answer {
        let answer = try #require(server.connect().post(path, #"{"temperature":0,\#(fields)}"#))
        try #require(answer.status == 200, "\(answer.text)")
        return answer
    }

    private func chatUsage(_ server: TestServer, streams: Bool, _ fields: String = "") throws -> JSONElement? {
        let body = #""messages":[{"role":"user","content":"\#(Self.question)"}],"stream":\#(streams)\#(fields)"#
        let options = streams ? #","stream_options":{"include_usage":true}"# : ""
        return try post(server, "/v1/chat/completions", body + options).objects().last?["usage"]
    }

    private func chatCount(_ server: TestServer, streams: Bool, _ fields: String = "") throws -> Int? {
        try chatUsage(server, streams: streams, fields)?["completion_tokens_details"]?["reasoning_tokens"]?.integer
    }

    private func responseCount(_ server: TestServer, streams: Bool, _ fields: String = "") throws -> Int? {
        let answer = try post(server, "/v1/responses", #""input":"\#(Self.question)","stream":\#(streams)\#(fields)"#)
        let response = streams ? try JSONElement(parsing: #require(answer.data.last))["response"] : try answer.json()
        return response?["usage"]?["output_tokens_details"]?["reasoning_tokens"]?.integer
    }

    @Test(arguments: [false, true]) func `all forms of an answer have the same count`(streams: Bool) throws {
        let thinking = try TestServer(of: ThinkingModel.checkpoint())
        let front = try TestServer(OpenAIBackend(address: "http://127.0.0.1:\(thinking.port)", model: nil, key: nil))
        let harmony = try TestServer(of: HarmonyModel.checkpoint(thinks: true))
        for (name, server) in [("marks", thinking), ("another server", front), ("channels", harmony)] {
            #expect(try chatCount(server, streams: streams) == 1, "\(name)")
            #expect(try responseCount(server, streams: streams) == 1, "\(name)")
            #expect(try chatCount(server, streams: streams, #","n":2"#) == 2, "\(name)")
            #expect(try chatCount(server, streams: streams, #","reasoning_format":"none""#) == 1, "\(name)")
        }
        // The mark and the thought.
        #expect(try chatUsage(thinking, streams: streams, #","max_tokens":2"#)?["completion_tokens"]?.integer == 2)
        #expect(try chatCount(thinking, streams: streams, #","max_tokens":2"#) == 1)
        for variables in [#"{"enable_thinking":false}"#, #"{"open":true}"#] {
            let count = variables.contains("open") ? 1 : 0
            #expect(try chatCount(thinking, streams: streams, #","chat_template_kwargs":\#(variables)"#) == count, "\(variables)")
        }
        let format = #","response_format":{"type":"json_schema","json_schema":{"schema":{"const":"Four."}}}"#
        #expect(try chatCount(thinking, streams: streams, format) == 0)
        #expect(try chatCount(harmony, streams: streams, format + #","max_tokens":300"#) == 1)
    }

    @Test(arguments: [false, true]) func `a cached answer has the count of the first`(streams: Bool) throws {
        let server = try TestServer(of: ThinkingModel.checkpoint()) { $0.cachedAnswers = 8 }
        for _ in 0..<2 {
            #expect(try chatCount(server, streams: streams) == 1)
            #expect(try responseCount(server, streams: streams) == 1)
        }
    }

    @Test(arguments: [false, true]) func `thoughts that come apart are behind the one in the text`(streams: Bool) throws {
        let tokenizer = try Tokenizer(ThinkingModel.vocabulary)
        let renderer = try ChatRenderer(.jinja(JinjaChatTemplate(ThinkingModel.template)), for: tokenizer)
        let server = try TestServer(
            ClosureBackend.thinkingTwice, modelInfo: ModelInfo(name: "local", context: 64, tokenizer, renderer))
        let body = #""messages":[{"role":"user","content":"\#(Self.question)"}],"stream":\#(streams)"#
        var reasoning = "", content = ""
        for object in try post(server, "/v1/chat/completions", body).objects() {
            let choice = object["choices"]?.list?.first, message = choice?["delta"] ?? choice?["message"]
            reasoning += message?["reasoning_content"]?.string ?? ""
            content += message?["content"]?.string ?? ""
        }
        #expect(reasoning == "A\n\nC" && content == "BD")
    }
}

extension ClosureBackend {
    /// Generates a text with a thought in it, then another thought apart from the text, as the reader of channels separates them.
    fileprivate static var thinkingTwice: ClosureBackend {
        ClosureBackend(context: 64) { _, deliver throws(GenerationError) in
            do throws(ThreadError) {
                try BackgroundThread.run {
                    deliver(.began(GenerationStart(promptTokens: 1, context: 64)))
                    deliver(.piece(TextPiece("<think>A</think>B")))
                    var second = TextPiece("")
                    second.reasoning = "\n\nC"
                    deliver(.piece(second))
                    deliver(.piece(TextPiece("D")))
                    deliver(.ended(GenerationEnd(.stop, promptTokens: 1, answerTokens: 4)))
                }
            } catch { throw .threadNotStarted(error) }
            return CancelFlag()
        }
    }
}
