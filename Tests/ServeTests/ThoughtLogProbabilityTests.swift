import Infer
import JSON
import Serve
import TestSupport
import Testing
import Threads
import Tokenize

/// The log-probabilities of an answer behind a thought, in `/v1/responses`.
@Suite struct ThoughtLogProbabilityTests {
    /// The tokens of the message of a response, and those of its deltas in a stream.
    private func tokens(_ server: TestServer, streams: Bool) throws -> [String] {
        let body = #"{"input":"2 + 2?","temperature":0,"include":["message.output_text.logprobs"],"stream":\#(streams)}"#
        let answer = try #require(server.connect().post("/v1/responses", body))
        try #require(answer.status == 200, "\(answer.text)")
        func texts(_ list: JSONElement?) -> [String] { list?.elements?.compactMap { $0["token"]?.string } ?? [] }
        let events = try answer.data.map { try JSONElement(parsing: $0) }
        let response = streams ? events.last?["response"] : try answer.json()
        let message = response?["output"]?.elements?.first { $0["type"]?.string == "message" }
        let whole = texts(message?["content"]?.list?.first?["logprobs"])
        if streams {
            let deltas = events.filter { $0["type"]?.string == "response.output_text.delta" }
            #expect(deltas.flatMap { texts($0["logprobs"]) } == whole)
        }
        return whole
    }

    @Test(arguments: [false, true]) func `they are those of the text`(streams: Bool) throws {
        let thinking = try TestServer(of: ThinkingModel.checkpoint()), last = "\n\n" + ThinkingModel.answer
        #expect(try tokens(thinking, streams: streams) == [last])
        let front = try TestServer(OpenAIBackend(address: "http://127.0.0.1:\(thinking.port)", model: nil, key: nil))
        #expect(try tokens(front, streams: streams) == [last])
        let caching = try TestServer(of: ThinkingModel.checkpoint()) { $0.cachedAnswers = 8 }
        for _ in 0..<2 { #expect(try tokens(caching, streams: streams) == [last]) }
        let harmony = try TestServer(
            ClosureBackend.answeringInChannels,
            modelInfo: ModelInfo(name: "local", context: 64, Tokenizer(HarmonyModel.vocabulary), HarmonyModel.renderer()))
        #expect(try tokens(harmony, streams: streams) == ["Fo", "ur", ".", "\n"])
    }
}

extension ClosureBackend {
    /// Generates a thought and an answer as ``TextStreamer`` returns those of a model with channels: text between marks, with the tokens
    /// that divide the answer.
    fileprivate static var answeringInChannels: ClosureBackend {
        func piece(_ text: String, _ tokens: String...) -> TextPiece {
            TextPiece(text, tokens.map { GeneratedToken(nil, Array($0.utf8), logProbability: -1) })
        }
        let pieces = [
            piece("<think>", "<|channel|>", "analysis", "<|message|>"), piece("Two and two.", "Two and two."),
            piece("</think>", "<|end|>", "<|start|>", "assistant", "<|channel|>", "final", "<|message|>"),
            piece("Fo", "Fo"), piece("ur.", "ur", "."), piece("", "\n"),
        ]
        return ClosureBackend(context: 64) { _, deliver throws(GenerationError) in
            do throws(ThreadError) {
                try BackgroundThread.run {
                    deliver(.began(GenerationStart(promptTokens: 1, context: 64)))
                    for piece in pieces { deliver(.piece(piece)) }
                    deliver(.ended(GenerationEnd(.stop, promptTokens: 1, answerTokens: 14)))
                }
            } catch { throw .threadNotStarted(error) }
            return CancelFlag()
        }
    }
}
