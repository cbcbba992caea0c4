import Checkpoint
import Infer
import JSON
import Kernels
import Serve
import TestSupport
import Testing
import Tokenize

/// A model with a byte tokenizer, which generates "Hi, you!é日".
@Suite("OpenAI routes with tokens")
struct OpenAITokensTests {
    private func server() throws -> TestServer {
        try TestServer(of: OneSentenceModel.checkpoint()) { $0.cachedAnswers = 16 }
    }

    private func complete(_ connection: RawHTTPConnection, _ fields: String) throws -> JSONElement {
        let answer = try #require(connection.post("/v1/completions", "{\"temperature\":0,\(fields)}"))
        #expect(answer.status == 200, "\(answer.text)")
        return try answer.json()
    }

    private func first(_ answer: JSONElement) throws -> JSONElement { try #require(answer["choices"]?.list?.first) }

    @Test func `log-probabilities of prompts that would take gigabytes are refused`() throws {
        let tokenizer = try Tokenizer(SampleCheckpoint.vocabulary)
        let info = ModelInfo(name: "plain", context: 1 << 20, tokenizer, try ChatRenderer(.specialTokens, for: tokenizer))
        let server = try TestServer(modelInfo: info), connection = try server.connect(), text = String(repeating: "a", count: 15_000)
        for (fields, name) in [(#""prompt_logprobs":20"#, "prompt_logprobs"), (#""echo":true,"logprobs":20"#, "logprobs")] {
            let answer = try #require(connection.post("/v1/completions", #"{"prompt":"\#(text)","n":8,"max_tokens":0,\#(fields)}"#))
            #expect(try answer.status == 400 && answer.json()["error"]?["param"]?.string == name, "\(answer.text)")
        }
    }

    @Test("the health route lists the starter questions of the model, or of the settings")
    func starterQuestions() throws {
        var checkpoint = try OneSentenceModel.checkpoint()
        checkpoint.servingDefaults.starterQuestions = ["Why does it rain?", "Wo ist \"Köln\"?"]
        let info = try ModelInfo(of: checkpoint, name: "parrot")
        func questions(_ change: (inout ServeSettings) -> Void) throws -> [String?] {
            let server = try TestServer(modelInfo: info, with: change)
            let health = try #require(try server.connect().ask("GET", "/api/health"))
            return try #require(try health.json()["starter_questions"]?.elements).map { $0.string }
        }
        #expect(try questions { _ in } == checkpoint.servingDefaults.starterQuestions)
        #expect(try questions { $0.starterQuestions = ["Hi?"] } == ["Hi?"])
        #expect(try questions { $0.starterQuestions = [] } == [])
    }

    @Test func `the health route has the model's sampling settings`() throws {
        func health(_ sampling: SamplingDefaults?) throws -> String {
            var checkpoint = try OneSentenceModel.checkpoint()
            checkpoint.servingDefaults.sampling = sampling
            let server = try TestServer(of: checkpoint)
            return try #require(try server.connect().ask("GET", "/api/health")).text
        }
        let own = SamplingDefaults(temperature: 0.25, topK: 7, topP: nil, minP: nil, repetitionPenalty: 1.5)
        #expect(try health(own).contains(#""sampling":{"test-model":{"temperature":0.25,"top_k":7,"top_p":1.0,"repetition_penalty":1.5}}"#))
        #expect(try health(nil).contains(#""sampling":{"test-model":{"temperature":0.8,"top_k":50,"top_p":0.95,"min_p":0.1}}"#))
    }

    @Test("prompts of token ids equal prompts of text")
    func tokens() throws {
        let server = try server(), connection = try server.connect()
        let choices = try complete(connection, #""prompt":["H","yo"],"max_tokens":3,"echo":true"#)["choices"]?.elements
        let texts = choices?.map { $0["text"]?.string }
        #expect(texts == ["Hi, ", "you!é"] || texts == ["Hi, ", "you!\u{FFFD}"] || texts == ["Hi, ", "you!"])
        let ids = try complete(connection, #""prompt":[[72],[121,111]],"max_tokens":3,"echo":true"#)["choices"]?.elements?.map {
            $0["text"]?.string
        }
        #expect(ids == texts)
        #expect(try first(complete(connection, #""prompt":[72]"#))["text"]?.string == "i, you!é日")
        let wrong = try #require(connection.post("/v1/completions", #"{"prompt":[72,260]}"#))
        #expect(wrong.status == 400 && wrong.text.contains("prompt[1]: expected a token id from 0 to 259"), "\(wrong.text)")
    }

    @Test("the first token id, the longest prompt and an answer of one token are accepted")
    func limits() throws {
        let server = try TestServer(), connection = try server.connect()
        let withTokenizer = try self.server(), other = try withTokenizer.connect()
        _ = try complete(other, #""prompt":[0],"max_tokens":1"#)
        #expect(other.post("/v1/completions", #"{"prompt":[-1]}"#)?.status == 400)
        for (count, status) in [(1_000_000, 200), (1_000_001, 400)] {
            let ids = String(repeating: "1,", count: count - 1) + "1"
            #expect(connection.post("/v1/completions", #"{"prompt":[\#(ids)],"truncation":"auto"}"#)?.status == status, "\(count) tokens")
        }
        for (count, status) in [(0, 400), (1, 200)] {
            let body = #"{"messages":[{"role":"user","content":"Hi"}],"max_completion_tokens":\#(count)}"#
            #expect(connection.post("/v1/chat/completions", body)?.status == status, "\(count) tokens")
        }
    }

    @Test("/tokenize takes either a text or messages, and /detokenize gives the text back")
    func tokenizing() throws {
        let server = try server(), connection = try server.connect()
        func tokens(_ body: String) throws -> [Int?]? {
            let answer = try #require(connection.post("/tokenize", body)), ids = try answer.json()["tokens"]?.elements?.map(\.integer)
            #expect(try answer.status == 200 && answer.json()["count"]?.integer == ids?.count, "\(answer.text)")
            return ids
        }
        #expect(try tokens(#"{"text":"Hé"}"#) == [72, 195, 169] && tokens(#"{"text":""}"#) == [])
        // The 256 bytes are followed by <|eos|>, <|user|> and <|assistant|>.
        #expect(try tokens(#"{"messages":[{"role":"user","content":"Hi"}]}"#) == [257, 72, 105, 258])
        for body in ["{}", #"{"text":"x","messages":[{"role":"user","content":"Hi"}]}"#] {
            let answer = connection.post("/tokenize", body)
            #expect(answer?.status == 422 && answer?.error.field == "text", "\(body): \(answer?.text ?? "")")
        }
        #expect(try connection.post("/detokenize", #"{"tokens":[72,195,169]}"#)?.json()["text"]?.string == "Hé")
        #expect(try connection.post("/detokenize", #"{"tokens":[]}"#)?.json()["text"]?.string == "")
        #expect(connection.post("/v1/completions", #"{"prompt":[0,72],"max_tokens":1}"#)?.status == 200)
        #expect(try connection.post("/detokenize", #"{"tokens":[0,72]}"#)?.json()["text"]?.string == "\u{0}H")
        for (list, field) in [("\"x\"", "tokens"), ("[72,260]", "tokens[1]"), ("[-1]", "tokens[0]"), ("[1.5]", "tokens[0]")] {
            let answer = connection.post("/detokenize", #"{"tokens":\#(list)}"#)
            #expect(answer?.status == 422 && answer?.error.field == field, "\(list): \(answer?.text ?? "")")
        }
    }

    @Test("logit_bias forces a token, and an invalid token id is rejected")
    func bias() throws {
        let server = try server(), connection = try server.connect()
        #expect(try first(complete(connection, #""prompt":"H","max_tokens":3,"logit_bias":{"90":100}"#))["text"]?.string == "ZZZ")
        #expect(connection.post("/v1/completions", #"{"prompt":"H","logit_bias":{"260":1}}"#)?.status == 400)
    }

    @Test("log-probabilities of a text completion, with text offsets", arguments: [false, true])
    func textLogProbabilities(streams: Bool) throws {
        let server = try server(), connection = try server.connect()
        var tokens: [String?] = []
        var offsets: [Int?] = []
        var logProbabilities: [Double?] = []
        var alternatives: [[String?]?] = []
        func take(_ choice: JSONElement) {
            guard let logprobs = choice["logprobs"], !logprobs.isNull else { return }
            tokens += logprobs["tokens"]?.elements?.map(\.string) ?? []
            offsets += logprobs["text_offset"]?.elements?.map(\.integer) ?? []
            logProbabilities += logprobs["token_logprobs"]?.elements?.map(\.number) ?? []
            alternatives += logprobs["top_logprobs"]?.elements?.map { $0.members?.map(\.key.string) } ?? []
        }
        let body = #"{"prompt":"H","temperature":0,"logprobs":2,"stream":\#(streams)}"#
        let answer = try #require(connection.post("/v1/completions", body))
        try answer.objects().map(first).forEach(take)
        #expect(
            tokens == ["i", ",", " ", "y", "o", "u", "!", #"bytes:\xc3"#, #"bytes:\xa9"#, #"bytes:\xe6"#, #"bytes:\x97"#, #"bytes:\xa5"#])
        #expect(offsets == [0, 1, 2, 3, 4, 5, 6, 7, 7, 8, 8, 8])
        // One of 260 logits is 16.13 above the alternatives.
        #expect(logProbabilities.count == 12 && logProbabilities.allSatisfy { abs(($0 ?? 0) + 2.56e-5) < 2e-6 }, "\(logProbabilities)")
        #expect(alternatives.allSatisfy { $0?.count == 2 } && alternatives.first??.first == "i")
    }

    @Test("log-probabilities of the prompt with echo, for texts and token ids, streamed and not", arguments: [false, true], [0, 1])
    func echoedLogProbabilities(streams: Bool, most: Int) throws {
        let server = try server(), connection = try server.connect()
        var tokens: [[String?]] = [[], []], offsets: [[Int?]] = [[], []], values: [[Double?]] = [[], []], texts = ["", ""]
        func take(_ choice: JSONElement) {
            let index = choice["index"]?.integer ?? 0
            texts[index] += choice["text"]?.string ?? ""
            guard let logprobs = choice["logprobs"], !logprobs.isNull else { return }
            tokens[index] += logprobs["tokens"]?.elements?.map(\.string) ?? []
            offsets[index] += logprobs["text_offset"]?.elements?.map(\.integer) ?? []
            values[index] += logprobs["token_logprobs"]?.elements?.map(\.number) ?? []
            #expect(logprobs["top_logprobs"]?.elements?.map { $0.isNull } == logprobs["token_logprobs"]?.elements?.map { $0.isNull })
        }
        for prompts in [#"["Hi","you"]"#, "[[72,105],[121,111,117]]"] {
            tokens = [[], []]
            offsets = [[], []]
            values = [[], []]
            texts = ["", ""]
            let body = #"{"prompt":\#(prompts),"temperature":0,"logprobs":1,"echo":true,"max_tokens":\#(most),"stream":\#(streams)}"#
            let answer = try #require(connection.post("/v1/completions", body))
            #expect(answer.status == 200, "\(answer.text)")
            if streams {
                try answer.objects().map(first).forEach(take)
            } else {
                try answer.json()["choices"]?.elements?.forEach(take)
            }
            let isWhole = most == 1
            #expect(texts == (isWhole ? ["Hi,", "you!"] : ["Hi", "you"]))
            #expect(tokens == (isWhole ? [["H", "i", ","], ["y", "o", "u", "!"]] : [["H", "i"], ["y", "o", "u"]]))
            #expect(offsets == tokens.map { Array($0.indices) })
            // One of 260 logits is 16.13 above the others.
            for list in values {
                #expect(list.first == .some(nil) && list.dropFirst().allSatisfy { abs(($0 ?? 0) + 2.56e-5) < 2e-6 }, "\(list)")
            }
        }
    }

    @Test("prompt_logprobs has the tokens of the prompt by their ids, as in vLLM")
    func promptLogProbabilities() throws {
        let server = try server(), connection = try server.connect()
        let text = try complete(connection, #""prompt":"Hiz","prompt_logprobs":1,"max_tokens":1"#)
        let list = try #require(try first(text)["prompt_logprobs"]?.list)
        #expect(list.count == 3 && list[0].isNull && list[1].members?.map(\.key.string) == ["105"])
        #expect(list[1]["105"]?["rank"]?.integer == 1 && list[1]["105"]?["decoded_token"]?.string == "i")
        // After "Hi", the model expects ",": "z" is one of the others.
        #expect(list[2].members?.map(\.key.string) == ["122", "44"] && list[2]["44"]?["rank"]?.integer == 1)
        #expect((-40 ... -10).contains(list[2]["122"]?["logprob"]?.number ?? 0) && list[2]["122"]?["rank"]?.integer ?? 0 > 1)
        let body = #"{"messages":[{"role":"user","content":"Hi"}],"prompt_logprobs":0,"max_tokens":1}"#
        let chat = try #require(connection.post("/v1/chat/completions", body)).json()
        #expect(chat["prompt_logprobs"]?.elements?.map { $0.members?.map(\.key.string) ?? [] } == [[], ["72"], ["105"], ["258"]])
    }

    @Test("best_of returns the answers with the highest mean log-probability, and counts the tokens of all")
    func bestOf() throws {
        let server = try server(), connection = try server.connect()
        let fields = #""prompt":["H","y"],"temperature":2,"max_tokens":6,"seed":4,"top_k":0,"top_p":1,"min_p":0"#
        func ask(_ more: String) throws -> JSONElement {
            let answer = try #require(connection.post("/v1/completions", "{\(fields),\(more)}"))
            #expect(answer.status == 200, "\(answer.text)")
            return try answer.json()
        }
        func means(_ answer: JSONElement) -> [(text: String?, mean: Double)] {
            answer["choices"]?.elements?.map { choice in
                let values = choice["logprobs"]?["token_logprobs"]?.elements?.compactMap(\.number) ?? []
                return (choice["text"]?.string, values.isEmpty ? -.infinity : values.reduce(0, +) / Double(values.count))
            } ?? []
        }
        let all = try ask(#""n":6,"logprobs":0"#), best = try ask(#""n":2,"best_of":6,"logprobs":0"#)
        let ranked = [means(all).prefix(6), means(all).suffix(6)].flatMap { $0.sorted { $0.mean > $1.mean }.prefix(2) }
        #expect(means(best).map(\.mean) == ranked.map(\.mean))
        #expect(best["choices"]?.elements?.map { $0["index"]?.integer } == [0, 1, 2, 3])
        #expect(best["usage"]?["completion_tokens"]?.integer == all["usage"]?["completion_tokens"]?.integer)
        #expect(try first(ask(#""best_of":3"#))["logprobs"]?.isNull == true)
    }

    @Test("log-probabilities of a chat completion, with bytes and alternatives")
    func chatLogProbabilities() throws {
        let server = try server(), connection = try server.connect()
        let body =
            #"{"messages":[{"role":"developer","content":""},{"role":"user","content":[{"type":"text","text":"Hel"},"#
            + #"{"type":"text","text":"lo"}]}],"temperature":0,"logprobs":true,"top_logprobs":1}"#
        let answer = try #require(connection.post("/v1/chat/completions", body))
        let choice = try first(answer.json())
        let content = try #require(choice["logprobs"]?["content"]?.list)
        #expect(choice["message"]?["content"]?.string == OneSentenceModel.sentence)
        #expect(content.flatMap { $0["bytes"]?.elements?.map(\.integer) ?? [] } == OneSentenceModel.sentence.utf8.map { Int($0) })
        #expect(content.allSatisfy { abs(($0["logprob"]?.number ?? 0) + 2.56e-5) < 2e-6 })
        #expect(content.allSatisfy { $0["top_logprobs"]?.list?.count == 1 } && content[8]["token"]?.string == #"\xc3"#)
    }

    @Test("log-probabilities include a last token in the middle of a character", arguments: [false, true], [false, true])
    func lastToken(streams: Bool, isChat: Bool) throws {
        let server = try server(), connection = try server.connect()
        let path = isChat ? "/v1/chat/completions" : "/v1/completions"
        let prompt = isChat ? #""messages":[{"role":"user","content":"Hello"}],"logprobs":true"# : #""prompt":"H","logprobs":0"#
        let text = isChat ? "Hi, you!" : "i, you!"
        let answer = try #require(
            connection.post(path, #"{\#(prompt),"temperature":0,"max_tokens":\#(text.utf8.count + 1),"stream":\#(streams)}"#))
        let choices = try answer.objects().map(first)
        let content = choices.map {
            $0["text"]?.string ?? $0["message"]?["content"]?.string ?? $0["delta"]?["content"]?.string ?? ""
        }.joined()
        let tokens = choices.flatMap { choice -> [String?] in
            let list = choice["logprobs"]?["content"]?.elements?.map { $0["token"]?.string }
            return list ?? choice["logprobs"]?["tokens"]?.elements?.map(\.string) ?? []
        }
        #expect(content == text && choices.last?["finish_reason"]?.string == "length")
        #expect(tokens == text.map { String($0) } + [isChat ? #"\xc3"# : #"bytes:\xc3"#], "\(tokens)")
    }

    @Test("cached_tokens counts a cached answer")
    func cached() throws {
        let server = try server(), connection = try server.connect()
        let fresh = try complete(connection, #""prompt":"Hi, you""#)["usage"]
        let again = try complete(connection, #""prompt":"Hi, you""#)["usage"]
        #expect(
            fresh?["prompt_tokens_details"]?["cached_tokens"]?.integer == 0
                && again?["prompt_tokens_details"]?["cached_tokens"]?.integer == 7)
        #expect(
            again?["completion_tokens"]?.integer == fresh?["completion_tokens"]?.integer
                && again?["total_tokens"]?.integer == fresh?["total_tokens"]?.integer)
    }
}
