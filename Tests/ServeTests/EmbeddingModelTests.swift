import Formats
import Infer
import JSON
import Kernels
import Serve
import TestSupport
import Testing
import Tokenize

/// A server with an embedding model beside the one that answers.
@Suite struct EmbeddingModelTests {
    private let folder = TemporaryFolder()
    private let server: TestServer
    private let encoder, reranker: EmbeddingBackend

    init() throws {
        let backend = try LocalBackend(of: OneSentenceModel.checkpoint(context: 64))
        let sample = SampleBERT { $0.prompts = #""query": "query: ""# }
        let encoder = try EmbeddingBackend(sample.write(to: folder, "bert"), name: "bert") { try Processor(threads: 1) }
        self.encoder = encoder
        let ranking = SampleBERT { $0.isReranker = true }.write(to: folder, "reranker")
        let reranker = try EmbeddingBackend(ranking, name: "reranker", for: .reranking) { try Processor(threads: 1) }
        self.reranker = reranker
        server = try TestServer(backend, modelInfo: backend.model) {
            $0.embeddingModel = ServedModel(name: "bert", encoder, nil)
            $0.reranker = ServedModel(name: "reranker", reranker, nil)
        }
    }

    private func ask(_ path: String, _ body: String) throws -> RawHTTPConnection.Answer {
        try #require(server.connect().post(path, body))
    }

    private func vector(_ body: String) throws -> [Double] {
        let answer = try ask("/v1/embeddings", body)
        let embedding = try #require(try answer.json()["data"]?.list?.first?["embedding"]?.elements, "\(answer.text)")
        return embedding.map { $0.number ?? .nan }
    }

    @Test func `requests without a model, or with its name, get its vectors`() throws {
        let expected = try vector(#"{"input":[2,4,5,3]}"#)
        #expect(expected.count == 12 && abs(expected.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
        for body in [#"{"input":"the pump"}"#, #"{"input":"the pump","model":"bert"}"#, #"{"input":"the pump","model":"default"}"#] {
            #expect(try vector(body) == expected, "\(body)")
        }
        #expect(try vector(#"{"input":"the pump","dimensions":5}"#).count == 5)
        let query = try vector(#"{"input":"the pump","input_type":"query"}"#)
        #expect(try query != expected && query == vector(#"{"input":"query: the pump"}"#))
        #expect(try ask("/v1/embeddings", #"{"input":"x","input_type":"z"}"#).status == 400)
    }

    @Test func `the model that answers can be named`() throws {
        #expect(try vector(#"{"input":"the pump","model":"test-model"}"#).count == SampleCheckpoint.vocabulary.count)
        #expect(try ask("/v1/embeddings", #"{"input":"x","model":"gpt"}"#).status == 404)
    }

    @Test func `it answers no chats, and is listed`() throws {
        let chat = try ask("/v1/chat/completions", #"{"model":"bert","messages":[{"role":"user","content":"Hi"}]}"#)
        #expect(chat.status == 404)
        let models = try #require(server.connect().ask("GET", "/v1/models")).json()["data"]?.list
        #expect(models?.compactMap { $0["id"]?.string } == ["test-model", "bert", "reranker"])
        #expect(try #require(server.connect().ask("GET", "/v1/models/bert")).json()["context_length"]?.integer == 24)
    }

    @Test func `documents are ranked, best first`() throws {
        let model = try EmbeddingModel(folder("reranker"), for: .reranking, on: Processor(threads: 1))
        let expected = model.scores(of: ["red car", "the pump", "valve"], for: "pump?")
        let order = expected.indices.sorted { expected[$0] > expected[$1] }
        func ranked(_ more: String = "") throws -> JSONElement {
            let answer = try ask("/v1/rerank", #"{"query":"pump?","documents":["red car",{"text":"the pump"},"valve"]\#(more)}"#)
            #expect(answer.status == 200, "\(answer.text)")
            return try answer.json()
        }
        let response = try ranked(#","model":"reranker""#), results = try #require(response["results"]?.list)
        #expect(results.map { $0["index"]?.integer } == order && results.allSatisfy { $0["document"] == nil })
        expectClose(results.map { Float($0["relevance_score"]?.number ?? .nan) }, order.map { expected[$0] }, within: .forward)
        #expect(response["model"]?.string == "reranker" && response["usage"]?["total_tokens"]?.integer == 20)
        let best = try #require(ranked(#","top_n":1,"return_documents":true"#)["results"]?.list)
        #expect(best.count == 1 && best[0]["document"]?["text"]?.string == ["red car", "the pump", "valve"][order[0]])
        #expect(try #require(ranked(#","top_n":9"#)["results"]?.list).count == 3)
    }

    @Test func `wrong requests to rank documents are refused`() throws {
        for (body, field) in [
            (#"{"documents":["x"]}"#, "query"), (#"{"query":"","documents":["x"]}"#, "query"), (#"{"query":"x"}"#, "documents"),
            (#"{"query":"x","documents":[]}"#, "documents"), (#"{"query":"x","documents":["a",3]}"#, "documents[1]"),
            (#"{"query":"x","documents":"a"}"#, "documents"), (#"{"query":"x","documents":["a"],"top_n":0}"#, "top_n"),
            (#"{"query":"x","documents":[\#(Array(repeating: "\"a\"", count: 2_049).joined(separator: ","))]}"#, "documents"),
        ] {
            let answer = try ask("/v1/rerank", body)
            #expect(answer.status == 400 && answer.text.contains(#""param":"\#(field)""#), "\(answer.text)")
        }
        #expect(try ask("/v1/rerank", #"{"model":"bert","query":"x","documents":["a"]}"#).status == 404)
        #expect(try ask("/v1/embeddings", #"{"model":"reranker","input":"x"}"#).status == 404)
        let other = try TestServer(), none = try #require(other.connect().post("/v1/rerank", #"{"query":"x","documents":["a"]}"#))
        #expect(none.status == 501 && none.text.contains("--reranker"), "\(none.text)")
    }

    @Test func `texts that are too long are refused, or cut for Ollama's clients`() throws {
        let long = String(repeating: "pump ", count: 60), refused = try ask("/v1/embeddings", #"{"input":"\#(long)"}"#)
        #expect(refused.status == 400 && refused.text.contains("62 tokens: expected at most 24"), "\(refused.text)")
        let cut = try ask("/ollama/api/embed", #"{"model":"bert:latest","input":["\#(long)","the pump"]}"#)
        let root = try cut.json()
        #expect(cut.status == 200 && root["embeddings"]?.list?.count == 2, "\(cut.text)")
        #expect(root["prompt_eval_count"]?.integer == 28)
        #expect(try ask("/ollama/api/embed", #"{"model":"bert","input":"\#(long)","truncate":false}"#).status == 400)
        let shown = try ask("/ollama/api/show", #"{"model":"bert"}"#)
        #expect(try #require(shown.json()["capabilities"]?.list).map(\.string) == ["embedding"])
    }
}
