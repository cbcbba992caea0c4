import Checkpoint
import Infer
import JSON
import Kernels
import Serve
import TestSupport
import Testing
import Tokenize

/// With a model whose tokens are known: it says "Hi, you!é日" byte by byte.
@Suite("OpenAI's paths, in tokens")
struct OpenAITokensTests {
    private func stage() throws -> ServeStage {
        let backend = try LocalBackend {
            let checkpoint = try OneSentenceModel.checkpoint()
            return (
                try ModelInfo(of: checkpoint, name: "parrot"),
                try ModelRunner(of: checkpoint, on: try Processor(threads: 1), precision: .float32)
            )
        }
        return try ServeStage(backend, modelInfo: backend.model) { $0.rememberedAnswers = 16 }
    }

    private func complete(_ wire: RawHTTPConnection, _ fields: String) throws -> JSONElement {
        let answer = try #require(wire.post("/v1/completions", "{\"temperature\":0,\(fields)}"))
        #expect(answer.status == 200, "\(answer.text)")
        return try answer.json()
    }

    private func first(_ answer: JSONElement) throws -> JSONElement { try #require(answer["choices"]?.elements?.first { _ in true }) }

    @Test("prompts as tokens say the same as their text")
    func tokens() throws {
        let stage = try stage(), wire = try stage.wire()
        let texts = try complete(wire, #""prompt":["H","yo"],"max_tokens":3,"echo":true"#)["choices"]?.elements?.map { $0["text"]?.string }
        #expect(texts == ["Hi, ", "you!é"] || texts == ["Hi, ", "you!\u{FFFD}"] || texts == ["Hi, ", "you!"])
        let ids = try complete(wire, #""prompt":[[72],[121,111]],"max_tokens":3,"echo":true"#)["choices"]?.elements?.map {
            $0["text"]?.string
        }
        #expect(ids == texts)
        #expect(try first(complete(wire, #""prompt":[72]"#))["text"]?.string == "i, you!é日")
        let wrong = try #require(wire.post("/v1/completions", #"{"prompt":[72,260]}"#))
        #expect(wrong.status == 400 && wrong.text.contains("prompt[1]: expected the number of a token, from 0 to 259"), "\(wrong.text)")
    }

    @Test("a bias makes a token come, and one that is none is refused")
    func bias() throws {
        let stage = try stage(), wire = try stage.wire()
        #expect(try first(complete(wire, #""prompt":"H","max_tokens":3,"logit_bias":{"90":100}"#))["text"]?.string == "ZZZ")
        #expect(wire.post("/v1/completions", #"{"prompt":"H","logit_bias":{"260":1}}"#)?.status == 400)
    }

    @Test("log-probabilities of a text's tokens, with their places in the text", arguments: [false, true])
    func textLogProbabilities(streams: Bool) throws {
        let stage = try stage(), wire = try stage.wire()
        var tokens: [String?] = [], places: [Int?] = [], scores: [Double?] = [], others: [[String?]?] = []
        func take(_ choice: JSONElement) {
            guard let logprobs = choice["logprobs"], !logprobs.isNull else { return }
            tokens += logprobs["tokens"]?.elements?.map(\.string) ?? []
            places += logprobs["text_offset"]?.elements?.map(\.integer) ?? []
            scores += logprobs["token_logprobs"]?.elements?.map(\.number) ?? []
            others += logprobs["top_logprobs"]?.elements?.map { $0.members?.map(\.key.string) } ?? []
        }
        let body = #"{"prompt":"H","temperature":0,"logprobs":2,"stream":\#(streams)}"#,
            answer = try #require(wire.post("/v1/completions", body))
        if streams {
            for line in answer.data.dropLast() { var parser = JSONParser(); take(try first(parser.parse(Array(line.utf8)))) }
        } else {
            take(try first(answer.json()))
        }
        #expect(
            tokens == ["i", ",", " ", "y", "o", "u", "!", #"bytes:\xc3"#, #"bytes:\xa9"#, #"bytes:\xe6"#, #"bytes:\x97"#, #"bytes:\xa5"#])
        #expect(places == [0, 1, 2, 3, 4, 5, 6, 7, 7, 8, 8, 8])
        // Of 260 scores one is 16.13 above the others.
        #expect(scores.count == 12 && scores.allSatisfy { abs(($0 ?? 0) + 2.56e-5) < 2e-6 }, "\(scores)")
        #expect(others.allSatisfy { $0?.count == 2 } && others.first??.first == "i")
    }

    @Test("log-probabilities of a chat's tokens: each with its bytes and the likeliest others")
    func chatLogProbabilities() throws {
        let stage = try stage(), wire = try stage.wire()
        let body =
            #"{"messages":[{"role":"developer","content":""},{"role":"user","content":[{"type":"text","text":"Hel"},{"type":"text","text":"lo"}]}],"temperature":0,"logprobs":true,"top_logprobs":1}"#
        let answer = try #require(wire.post("/v1/chat/completions", body))
        let choice = try first(answer.json()), content = try #require(choice["logprobs"]?["content"]?.elements.map(Array.init))
        #expect(choice["message"]?["content"]?.string == OneSentenceModel.sentence)
        #expect(content.flatMap { $0["bytes"]?.elements?.map(\.integer) ?? [] } == OneSentenceModel.sentence.utf8.map { Int($0) })
        #expect(content.allSatisfy { $0["top_logprobs"]?.elements.map(Array.init)?.count == 1 } && content[8]["token"]?.string == #"\xc3"#)
    }

    @Test("what was computed before is told: of the same question, and of a remembered answer")
    func cached() throws {
        let stage = try stage(), wire = try stage.wire()
        let fresh = try complete(wire, #""prompt":"Hi, you""#)["usage"], again = try complete(wire, #""prompt":"Hi, you""#)["usage"]
        #expect(
            fresh?["prompt_tokens_details"]?["cached_tokens"]?.integer == 0
                && again?["prompt_tokens_details"]?["cached_tokens"]?.integer == 7)
        #expect(
            again?["completion_tokens"]?.integer == fresh?["completion_tokens"]?.integer
                && again?["total_tokens"]?.integer == fresh?["total_tokens"]?.integer)
    }
}
