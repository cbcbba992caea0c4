import JSON
import Serve
import TestSupport
import Testing

/// Ollama's API, with a model that calls the function `weather`.
@Suite struct OllamaTests {
    private let server: TestServer

    init() throws {
        server = try TestServer(of: ToolCallModel.checkpoint()) { $0.ollamaPort = 0 }
    }

    private static let question = #"{"role":"user","content":"Weather in Rome?"}"#
    private static let greedy = #""model":"test-model","stream":false,"options":{"temperature":0}"#

    private func connect(to server: TestServer) throws -> RawHTTPConnection {
        let port = try #require(server.server.ollamaPort)
        return try #require(RawHTTPConnection(to: port))
    }

    /// Sends a request to the port of its own, as `curl -d` does.
    private func ask(_ path: String, _ body: String) throws -> RawHTTPConnection.Answer {
        return try #require(connect(to: server).ask("POST", path, ["Content-Type": "application/x-www-form-urlencoded"], body: body))
    }

    private func lines(_ answer: RawHTTPConnection.Answer) throws -> [JSONElement] {
        try answer.text.split(separator: "\n").map { try JSONElement(parsing: String($0)) }
    }

    @Test func `a chat has a message and the counts, on its own port and under a prefix of the main one`() throws {
        let body = #"{\#(Self.greedy),"messages":[\#(Self.question)],"keep_alive":"5m"}"#
        let prefixed = try server.connect().post("/ollama/api/chat", body)
        for answer in try [ask("/api/chat", body), #require(prefixed)] {
            let root = try answer.json()
            #expect(answer.status == 200 && root["model"]?.string == "test-model" && root["done"]?.boolean == true, "\(answer.text)")
            #expect(root["message"]?["role"]?.string == "assistant" && root["message"]?["content"]?.string == ToolCallModel.plain)
            #expect(root["done_reason"]?.string == "stop" && root["eval_count"]?.integer == 1)
            #expect(root["prompt_eval_count"]?.integer ?? 0 > 10 && root["eval_duration"]?.integer ?? 0 > 0)
        }
        // The main port's own route.
        #expect(try server.connect().post("/api/chat", body)?.status == 401)
    }

    @Test func `a stream is JSON lines, and the default`() throws {
        let answer = try ask("/api/chat", #"{"model":"test-model","options":{"temperature":0},"messages":[\#(Self.question)]}"#)
        #expect(answer.headers["content-type"] == "application/x-ndjson" && answer.text.hasSuffix("}\n"))
        let lines = try lines(answer)
        #expect(lines.count > 1 && lines.dropLast().allSatisfy { $0["done"]?.boolean == false }, "\(answer.text)")
        #expect(lines.compactMap { $0["message"]?["content"]?.string }.joined() == ToolCallModel.plain)
        #expect(lines.last?["done"]?.boolean == true && lines.last?["eval_count"]?.integer == 1)
    }

    @Test(arguments: [true, false]) func `an answer calls a tool, and the next one uses its result`(streams: Bool) throws {
        func ask(_ messages: String) throws -> [JSONElement] {
            let fields = #""stream":\#(streams),"options":{"temperature":0},"tools":\#(ToolCallModel.tools)"#
            return try lines(self.ask("/api/chat", #"{\#(fields),"messages":[\#(messages)]}"#)).compactMap { $0["message"] }
        }
        let first = try ask(Self.question), calls = first.compactMap { $0["tool_calls"]?.list?.first }
        let call = try #require(calls.first)
        #expect(first.compactMap { $0["content"]?.string }.joined() == ToolCallModel.thought)
        #expect(call["function"]?["name"]?.string == "weather" && call["function"]?["arguments"]?["city"]?.string == "Rome")
        let said = #"{"role":"assistant","content":"","tool_calls":[{"function":{"name":"weather","arguments":{"city":"Rome"}}}]}"#
        for name in [#","tool_name":"weather""#, ""] {
            let second = try ask(#"\#(Self.question),\#(said),{"role":"tool","content":"sunny"\#(name)}"#)
            #expect(second.compactMap { $0["content"]?.string }.joined() == ToolCallModel.answer)
        }
    }

    @Test func `a prompt is a message with a system message, and raw a text`() throws {
        let chat = try ask("/api/generate", #"{\#(Self.greedy),"prompt":"Weather?","system":"Be brief.","template":"","context":[]}"#)
        let root = try chat.json()
        #expect(root["response"]?.string == ToolCallModel.plain && root["message"] == nil && root["done"]?.boolean == true, "\(chat.text)")
        let raw = try ask("/api/generate", #"{\#(Self.greedy),"prompt":"Weather?\n","raw":true}"#).json()
        #expect(raw["response"]?.string == ToolCallModel.plain)
        let counts = [raw, root].compactMap { $0["prompt_eval_count"]?.integer }
        #expect(counts.count == 2 && counts[0] < counts[1])
    }

    @Test func `a request without a prompt says that the model is loaded`() throws {
        let bodies = [("/api/generate", #"{"model":"test-model"}"#), ("/api/chat", #"{"model":"test-model:latest","messages":[]}"#)]
        for (path, body) in bodies {
            let root = try ask(path, body).json()
            #expect(root["done"]?.boolean == true && root["done_reason"]?.string == "load" && root["model"]?.string == "test-model")
        }
    }

    @Test func `options have Ollama's names, and those that would change the answer unnoticed are refused`() throws {
        func ask(_ options: String) throws -> RawHTTPConnection.Answer {
            try self.ask("/api/generate", #"{"stream":false,"prompt":"x","options":{\#(options)}}"#)
        }
        let cut = try ask(#""num_predict":1,"seed":7,"top_k":1,"top_p":0.9,"min_p":0.1,"stop":["cannot"],"repeat_penalty":1.1"#)
        #expect(try cut.json()["response"]?.string == "I ", "\(cut.text)")
        let off = #""num_predict":-1,"num_ctx":64,"num_gpu":1,"mirostat":0,"tfs_z":1,"repeat_last_n":64,"temperature":null"#
        #expect(try ask(off).status == 200)
        for (options, field) in [
            (#""mirostat":2"#, "options.mirostat"), (#""typical_p":0.5"#, "options.typical_p"), (#""unknown":1"#, "options.unknown"),
            (#""repeat_penalty":1.1,"repeat_last_n":64"#, "options.repeat_last_n"), (#""num_predict":0"#, "options.num_predict"),
            (#""temperature":3"#, "temperature"), (#""top_k":"x""#, "top_k"),
        ] {
            let answer = try ask(options), error = try answer.json()["error"]?.string
            #expect(answer.status == 400 && error?.hasPrefix(field + ": ") == true, "\(answer.text)")
        }
    }

    @Test(arguments: [
        (#"{"messages":[{"role":"user","content":"x","images":["aGk="]}]}"#, "messages[0].images"),
        (#"{"messages":["x"]}"#, "messages[0].role"),
        (#"{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"x"}}]}]}"#,
            "messages[0].tool_calls[0].function.arguments"),
        (#"{"messages":[\#(OllamaTests.question)],"temperature":1}"#, "temperature"),
        (#"{"messages":[\#(OllamaTests.question)],"format":"xml"}"#, "format"),
        (#"{"messages":[\#(OllamaTests.question)],"think":"huge"}"#, "think"),
        (#"{"messages":[\#(OllamaTests.question)],"logprobs":1}"#, "logprobs"),
        (#"{"messages":[\#(OllamaTests.question)],"top_logprobs":1}"#, "top_logprobs"),
        (#"{"messages":[\#(OllamaTests.question)],"logprobs":true,"top_logprobs":21}"#, "top_logprobs"),
        (#"{"messages":[\#(OllamaTests.question)],"options":[]}"#, "options"), (#"{}"#, "messages"),
        (#"{"messages":[],"stream":1}"#, "stream"), (#"{"messages":[{"role":"user","content":[]}]}"#, "messages[0].content"),
    ]) func `an error has Ollama's form and names the field`(body: String, field: String) throws {
        let answer = try ask("/api/chat", body), error = try answer.json()["error"]?.string
        #expect(answer.status == 400 && error?.hasPrefix(field + ": ") == true, "\(answer.text)")
    }

    @Test func `unknown paths and models, and a missing key, have Ollama's errors`() throws {
        for (path, status) in [("/api/pull", 404), ("/api/chat", 404), ("/chat", 404)] {
            let answer = try ask(path, #"{"model":"llama3","messages":[\#(Self.question)]}"#)
            let error = try answer.json()["error"]?.string
            #expect(answer.status == status && error != nil, "\(path): \(answer.text)")
        }
        let locked = try TestServer { $0.requiresAPIKey = true; $0.ollamaPort = 0 }
        let connection = try connect(to: locked), refused = try #require(connection.post("/api/chat", "{}"))
        let error = try refused.json()["error"]?.string
        #expect(refused.status == 401 && error?.contains("API key") == true, "\(refused.text)")
        #expect(connection.ask("GET", "/api/version")?.status == 200)
    }

    @Test func `a format is JSON, or a schema`() throws {
        for format in [#""json""#, #"{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}"#] {
            let body = #"{"stream":false,"options":{"num_predict":200},"messages":[\#(Self.question)],"format":\#(format)}"#
            let text = try ask("/api/chat", body).json()["message"]?["content"]?.string ?? ""
            let object = try JSONElement(parsing: text)
            #expect(object.kind == .object && (format.hasPrefix("\"") || object["a"]?.integer != nil), "\(text)")
        }
    }

    @Test(arguments: [
        ("/api/chat", #""messages":[\#(OllamaTests.question)]"#), ("/api/generate", #""prompt":"Weather?""#),
        ("/api/generate", #""prompt":"Weather?\n","raw":true"#),
    ]) func `log-probabilities are those of all tokens`(path: String, fields: String) throws {
        func tokens(_ rest: String) throws -> [JSONElement] {
            let body = #"{"options":{"temperature":0},\#(fields)\#(rest)}"#
            return try lines(ask(path, body)).flatMap { $0["logprobs"]?.list ?? [] }
        }
        for streams in [false, true] {
            let found = try tokens(#","stream":\#(streams),"logprobs":true,"top_logprobs":2"#), token = try #require(found.first)
            #expect(found.compactMap { $0["token"]?.string }.joined() == ToolCallModel.plain && found.count == 1)
            #expect(token["logprob"]?.number ?? 1 <= 0 && token["bytes"]?.elements?.compactMap(\.integer).isEmpty == false)
            #expect(token["top_logprobs"]?.elements?.map { $0["token"]?.string }.first == ToolCallModel.plain)
            #expect(token["top_logprobs"]?.list?.count == 2)
            #expect(try tokens(#","stream":\#(streams),"logprobs":false,"top_logprobs":0"#).isEmpty)
            #expect(try tokens(#","stream":\#(streams)"#).isEmpty)
        }
    }

    @Test func `models are listed and described`() throws {
        let connection = try connect(to: server)
        for path in ["/api/tags", "/api/ps"] {
            let list = try connection.ask("GET", path)?.json()["models"]?.elements, models = Array(try #require(list))
            #expect(models.map { $0["name"]?.string } == ["test-model"] && models.first?["size"]?.integer ?? 0 > 1_000)
            #expect(models.first?["digest"]?.string?.count == 64 && models.first?["details"]?["format"]?.string == "slm")
        }
        let shown = try ask("/api/show", #"{"model":"test-model"}"#).json()
        #expect(shown["capabilities"]?.elements?.map { $0.string } == ["completion", "tools"])
        #expect(shown["model_info"]?["slm.context_length"]?.integer == 2_048)
        #expect(try connection.ask("GET", "/v1/models")?.json()["object"]?.string == "list")
        #expect(connection.ask("GET", "/")?.text == "Ollama is running" && connection.ask("HEAD", "/")?.status == 200)
    }

    @Test func `embeddings are those of OpenAI's route, and long texts are cut`() throws {
        let openAI = try #require(server.connect().post("/v1/embeddings", #"{"input":"Rome"}"#)).json()
        let expected = openAI["data"]?.list?.first?["embedding"].map { $0.json }
        let both = try ask("/api/embed", #"{"input":["Rome","Rome"]}"#).json()
        #expect(both["embeddings"]?.elements?.map { $0.json } == [expected, expected] && both["prompt_eval_count"]?.integer == 8)
        #expect(try ask("/api/embeddings", #"{"prompt":"Rome"}"#).json()["embedding"]?.json == expected)
        let long = String(repeating: "x", count: 3_000)
        #expect(try ask("/api/embed", #"{"input":"\#(long)"}"#).json()["prompt_eval_count"]?.integer == 2_048)
        #expect(try ask("/api/embed", #"{"input":"\#(long)","truncate":false}"#).status == 400)
    }
}
