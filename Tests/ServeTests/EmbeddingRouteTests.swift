import Base64
import Files
import Glibc
import Infer
import JSON
import Serve
import Store
import TestSupport
import Testing
import Tokenize

/// `/v1/embeddings`, with a model without layers: the embedding of a token is its normalized one-hot vector.
@Suite struct EmbeddingRouteTests {
    private let backend: LocalBackend

    init() throws {
        backend = try LocalBackend(of: OneSentenceModel.checkpoint(context: 64))
    }

    private static let width = SampleCheckpoint.vocabulary.count

    private func server(with change: (inout ServeSettings) -> Void = { _ in }) throws -> TestServer {
        try TestServer(backend, modelInfo: backend.model, with: change)
    }

    private func embeddings(_ answer: RawHTTPConnection.Answer) throws -> [[Double]] {
        let data = try #require(try answer.json()["data"]?.list, "\(answer.text)")
        #expect(data.map { $0["index"]?.integer } == Array(data.indices))
        return try data.map { try #require($0["embedding"]?.elements).map { $0.number ?? .nan } }
    }

    @Test func `a text, its tokens, and lists of both have the same embeddings`() throws {
        let server = try server(), connection = try server.connect()
        func ask(_ input: String, _ fields: String = "") throws -> RawHTTPConnection.Answer {
            try #require(connection.post("/v1/embeddings", #"{"input":\#(input)\#(fields)}"#))
        }
        let one = try ask(#""Hi""#), root = try one.json()
        #expect(one.status == 200 && root["object"]?.string == "list" && root["model"]?.string == "test-model", "\(one.text)")
        #expect(root["usage"]?["prompt_tokens"]?.integer == 2 && root["usage"]?["total_tokens"]?.integer == 2)
        let embedding = try embeddings(one)
        #expect(embedding.count == 1 && embedding[0].count == Self.width)
        #expect(abs(embedding[0].reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
        // "Hi" has the tokens 72 and 105, and nothing else.
        let top = embedding[0].indices.sorted { embedding[0][$0] > embedding[0][$1] }
        #expect(Set(top.prefix(2)) == [72, 105] && abs(embedding[0][72] - 0.707) < 0.01)
        for input in [#"["Hi"]"#, "[72,105]", "[[72,105]]"] { #expect(try embeddings(ask(input)) == embedding, "\(input)") }
        let several = try ask(#"["Hi","you","Hi"]"#)
        #expect(try embeddings(several) == [embedding[0], embeddings(ask(#""you""#))[0], embedding[0]])
        #expect(try several.json()["usage"]?["prompt_tokens"]?.integer == 7)
        #expect(try embeddings(ask(#""Hi""#, #","model":"default","user":"u","unknown":1"#)) == embedding)
        let metrics = try #require(connection.ask("GET", "/metrics")).text
        #expect(metrics.contains("slm_embeddings_total 9\n") && metrics.contains("slm_prompt_tokens_total 20\n"), "\(metrics)")
    }

    @Test func `dimensions shorten embeddings, and base64 has the same numbers`() throws {
        let server = try server(), connection = try server.connect()
        func ask(_ fields: String) throws -> RawHTTPConnection.Answer {
            try #require(connection.post("/v1/embeddings", #"{"input":["Hi","you!"],\#(fields)}"#))
        }
        let whole = try embeddings(ask(#""encoding_format":"float""#)), short = try embeddings(ask(#""dimensions":80"#))
        for (whole, short) in zip(whole, short) {
            let length = whole.prefix(80).reduce(0) { $0 + $1 * $1 }.squareRoot()
            #expect(short.count == 80 && zip(short, whole).allSatisfy { abs($0 - $1 / length) < 1e-6 })
        }
        #expect(try embeddings(ask(#""dimensions":\#(Self.width)"#)) == whole)
        let encoded = try #require(try ask(#""encoding_format":"base64","dimensions":80"#).json()["data"]?.elements)
        for (element, expected) in zip(encoded, short) {
            let bytes = try #require(element["embedding"]?.string.flatMap { Base64.bytes(of: $0, .standard) })
            #expect(bytes.count == 320)
            for (i, number) in expected.enumerated() {
                let bits = UInt32(littleEndian: bytes.span.extracting(4 * i..<4 * i + 4))
                #expect(Float(bitPattern: bits) == Float(number))
            }
        }
    }

    @Test(
        "an invalid request names the field",
        arguments: [
            ("{}", "input"), (#"{"input":""}"#, "input"), (#"{"input":[]}"#, "input"), (#"{"input":["x",""]}"#, "input[1]"),
            (#"{"input":[[]]}"#, "input[0]"), (#"{"input":["x",[1]]}"#, "input[1]"), (#"{"input":[1,999]}"#, "input[1]"),
            (#"{"input":[1,"x"]}"#, "input[1]"), (#"{"input":{}}"#, "input"), (#"{"input":"x","dimensions":0}"#, "dimensions"),
            (#"{"input":"x","dimensions":261}"#, "dimensions"), (#"{"input":"x","dimensions":"x"}"#, "dimensions"),
            (#"{"input":"x","encoding_format":"int8"}"#, "encoding_format"), (#"{"input":"x","user":3}"#, "user"),
            (#"{"input":"x","truncate_prompt_tokens":5}"#, "truncate_prompt_tokens"), (#"{"messages":[]}"#, "messages"),
            (#"{"input":"x","normalize":false}"#, "normalize"),
        ])
    func invalid(body: String, field: String) throws {
        let server = try server(), answer = try #require(server.connect().post("/v1/embeddings", body))
        #expect(answer.status == 400 && answer.error("param") == field && answer.error("type") == "invalid_request_error", "\(answer.text)")
    }

    @Test func `too many texts, too many tokens and a text that is longer than the context are refused`() throws {
        let server = try server(), connection = try server.connect()
        func ask(_ texts: [String]) throws -> RawHTTPConnection.Answer {
            try #require(connection.post("/v1/embeddings", #"{"input":[\#(texts.map { "\"\($0)\"" }.joined(separator: ","))]}"#))
        }
        #expect(try ask(Array(repeating: "x", count: 2_048)).status == 200)
        #expect(try ask(Array(repeating: "x", count: 2_049)).error("param") == "input")
        let full = String(repeating: "x", count: 64), tooLong = try ask(["x", full + "x"])
        #expect(try ask([full]).status == 200)
        #expect(tooLong.status == 400 && tooLong.error("code") == "context_length_exceeded", "\(tooLong.text)")
        #expect(tooLong.error("message")?.hasPrefix("Text 2 has 65 tokens: expected at most 64") == true, "\(tooLong.text)")
        let many = try ask(Array(repeating: String(repeating: "x", count: 160), count: 2_000))
        #expect(many.status == 400 && many.error("param") == "input" && many.error("message")?.contains("300000 tokens") == true)
        #expect(try server.waitForLoad(running: 0))
    }

    @Test func `an unknown model, a model on another server, limits and keys have OpenAI's errors`() throws {
        let body = #"{"input":"Hi"}"#, server = try server(), scripted = try TestServer()
        let unknown = try #require(server.connect().post("/v1/embeddings", #"{"model":"gpt","input":"Hi"}"#))
        #expect(unknown.status == 404 && unknown.error("code") == "model_not_found")
        let remote = try #require(scripted.connect().post("/v1/embeddings", body))
        #expect(remote.status == 501 && remote.error("code") == "unsupported", "\(remote.text)")
        let limited = try self.server { $0.chatsPerMinute = 1 }, connection = try limited.connect()
        #expect(connection.post("/v1/embeddings", body)?.status == 200)
        #expect(connection.post("/v1/embeddings", body)?.status == 429)
        let locked = try self.server { $0.requiresAPIKey = true }, ada = try locked.account("ada")
        #expect(try locked.connect().post("/v1/embeddings", body)?.status == 401)
        #expect(try locked.connect().post("/v1/embeddings", body, ada)?.status == 200)
        var totals = try locked.store.admin.totals()
        for _ in 0..<6_000 where totals.generations < 1 { usleep(5_000); totals = try locked.store.admin.totals() }
        #expect(totals.generations == 1 && totals.promptTokens == 2 && totals.answerTokens == 0)
    }

    @Test func `a client that disconnects frees its slot`() throws {
        let server = try TestServer(StuckEmbeddings(backend), modelInfo: backend.model)
        var connection: RawHTTPConnection? = try server.connect()
        connection?.sendPost("/v1/embeddings", #"{"input":"Hi"}"#)
        #expect(try server.waitForLoad(running: 1))
        connection = nil
        #expect(try server.waitForLoad(running: 0))
    }
}

/// Computes embeddings until they are canceled.
private final class StuckEmbeddings: ChatBackend {
    private let backend: LocalBackend
    let name = "stuck"
    let context: Int? = 64
    let embeddingWidth: Int?

    init(_ backend: LocalBackend) {
        self.backend = backend
        embeddingWidth = backend.embeddingWidth
    }

    func start(
        _ request: GenerationRequest, deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) throws(GenerationError) -> any GenerationHandle { try backend.start(request, deliver: deliver) }

    func embed(
        _ texts: [[TokenID]], deliver: @escaping @Sendable (EmbeddingResult) -> Void
    ) throws(GenerationError) -> any GenerationHandle { Handle(deliver) }

    private final class Handle: GenerationHandle {
        private let deliver: @Sendable (EmbeddingResult) -> Void

        init(_ deliver: @escaping @Sendable (EmbeddingResult) -> Void) { self.deliver = deliver }

        func cancel() { deliver(EmbeddingResult([], .canceled)) }
    }
}
