import Infer
import JSON
import Serve
import Synchronization
import TestSupport
import Testing
import Tokenize

/// What the model gets of requests to the APIs of OpenAI, Anthropic and Ollama.
@Suite struct ProgramRequestTests {
    /// Answers as `ScriptedBackend` does, and keeps the requests.
    private final class Requests: Sendable {
        private let all = Mutex<[GenerationRequest]>([])

        var last: GenerationRequest? { all.withLock(\.last) }

        func backend() -> ClosureBackend {
            let script = ScriptedBackend(context: 1_000)
            return ClosureBackend(context: 1_000) { [self] request, deliver throws(GenerationError) in
                all.withLock { $0.append(request) }
                return try script.start(request, deliver: deliver)
            }
        }
    }

    private let requests = Requests()
    private let server: TestServer

    init() throws {
        server = try TestServer(requests.backend())
    }

    /// Sends a request, and returns the messages of its prompt, with thoughts, calls, and the call that a result belongs to.
    private func prompt(_ path: String, _ body: String) throws -> [String] {
        let answer = try #require(server.connect().post(path, body))
        #expect(answer.status == 200, "\(answer.text)")
        guard case .chat(let messages)? = requests.last?.prompt else { return [] }
        return messages.map { message in
            var parts = ["\(message.role.rawValue): \(String(decoding: message.text, as: UTF8.self))"]
            if let thought = message.reasoning { parts.append("thought \(String(decoding: thought, as: UTF8.self))") }
            parts += message.toolCalls.map { "\($0.id)=\($0.call.name)\(String(decoding: $0.call.arguments, as: UTF8.self))" }
            if let id = message.toolCallID { parts.append("of \(id)") }
            return parts.joined(separator: " | ")
        }
    }

    @Test func `the messages of a chat completion`() throws {
        let calls = #"[{"id":"c1","function":{"name":"f"}},{"id":"c2","function":{"name":"g","arguments":"{\"x\":1}"}}]"#
        let messages = """
            {"role":"developer","content":"S"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},\
            {"role":"assistant","content":null,"reasoning_content":"t","tool_calls":\(calls)},\
            {"role":"tool","tool_call_id":"c2","content":"two"},{"role":"tool","tool_call_id":"c1","content":"one"},\
            {"role":"assistant","content":"c","tool_calls":[]},{"role":"user","content":"d","reasoning_content":"not read"}
            """
        #expect(try prompt("/v1/chat/completions", #"{"messages":[\#(messages)]}"#) == [
            "system: S", "user: ab", #"assistant:  | thought t | c1=f{} | c2=g{"x":1}"#, "tool: two | of c2", "tool: one | of c1",
            "assistant: c", "user: d",
        ])
    }

    @Test func `the items of a response`() throws {
        let items = #"""
            {"role":"developer","content":"S"},{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"text","text":"b"}]},
            {"type":"reasoning","content":[{"text":"t1"},{"text":"t2"}],"summary":[{"text":"short"}]},{"role":"assistant","content":"c"},
            {"type":"reasoning","content":[],"summary":[{"text":"t3"}]},
            {"type":"function_call","call_id":"c1","name":"f","arguments":""},
            {"type":"function_call","call_id":"c2","name":"g","arguments":"{\"x\":1}"},
            {"type":"function_call_output","call_id":"c2","output":"two"},
            {"type":"function_call_output","call_id":"c1","output":[{"type":"output_text","text":"one"}]},
            {"type":"message","role":"assistant","content":[{"type":"refusal","refusal":"no"}]},{"role":"assistant","content":"d"}
            """#
        let expected = [
            "system: I", "system: S", "user: ab", "assistant: c | thought t1\nt2", #"assistant:  | thought t3 | c1=f{} | c2=g{"x":1}"#,
            "tool: two | of c2", "tool: one | of c1", "assistant: no", "assistant: d",
        ]
        #expect(try prompt("/v1/responses", #"{"instructions":"I","input":[\#(items)]}"#) == expected)
        // A message of the assistant at the end is a whole one.
        func forwarded() -> [String]? { requests.last?.forwardedFields.map(\.name) }
        #expect(requests.last?.continuesAnswer == false && forwarded() == ["continue_final_message"])
        for (item, message) in [
            (#"{"role":"user","content":"e"}"#, "user: e"),
            (#"{"type":"function_call_output","call_id":"c3","output":"e"}"#, "tool: e | of c3"),
        ] {
            #expect(try prompt("/v1/responses", #"{"instructions":"I","input":[\#(items),\#(item)]}"#) == expected + [message])
            #expect(forwarded() == [])
        }
        #expect(try prompt("/v1/responses", #"{"input":"e"}"#) == ["user: e"])
        #expect(try prompt("/v1/completions", #"{"prompt":"e"}"#) == [] && requests.last?.continuesAnswer == false)
    }

    @Test func `the blocks of Anthropic's messages`() throws {
        let messages = """
            {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},\
            {"role":"assistant","content":[{"type":"thinking","thinking":"t1"},{"type":"redacted_thinking","data":"x"},\
            {"type":"thinking","thinking":"t2"},{"type":"text","text":"c"},{"type":"tool_use","id":"c1","name":"f","input":{}},\
            {"type":"tool_use","id":"c2","name":"g","input":{"x":1}}]},\
            {"role":"user","content":[{"type":"text","text":"see"},{"type":"tool_result","tool_use_id":"c1","content":"one"},\
            {"type":"tool_result","tool_use_id":"c2","is_error":true,"content":[{"type":"text","text":"two"},"three"]},\
            {"type":"text","text":"more"}]},{"role":"assistant","content":"d"},{"role":"user","content":[]}
            """
        let system = #"[{"type":"text","text":"S"},{"type":"text","text":"T"}]"#
        #expect(try prompt("/v1/messages", #"{"max_tokens":9,"system":\#(system),"messages":[\#(messages)]}"#) == [
            "system: S\nT", "user: a\nb", "assistant: c | thought t1\nt2 | c1=f{} | c2=g{\"x\":1}", "user: see", "tool: one | of c1",
            "tool: Error: two\nthree | of c2", "user: more", "assistant: d", "user: ",
        ])
    }

    @Test func `Ollama's messages: results belong to the first open call of their tool`() throws {
        func call(_ name: String, _ arguments: String) -> String { #"{"function":{"name":"\#(name)","arguments":\#(arguments)}}"# }
        let messages = """
            {"role":"user","content":"a"},\
            {"role":"assistant","thinking":"t","tool_calls":[\(call("f", "{}")),\(call("g", #"{"x":1}"#))]},\
            {"role":"tool","content":"two","tool_name":"g"},{"role":"tool","content":"one"},\
            {"role":"assistant","content":"b","tool_calls":[\(call("f", "{}"))]},{"role":"tool","content":"three","name":"f"},\
            {"role":"tool","content":"stray"}
            """
        #expect(try prompt("/ollama/api/chat", #"{"messages":[\#(messages)]}"#) == [
            "user: a", #"assistant:  | thought t | call00000=f{} | call00001=g{"x":1}"#, "tool: two | of call00001",
            "tool: one | of call00000", "assistant: b | call00002=f{}", "tool: three | of call00002", "tool: stray | of call00003",
        ])
        #expect(try prompt("/ollama/api/generate", #"{"system":"S","prompt":"a"}"#) == ["system: S", "user: a"])
        #expect(try prompt("/ollama/api/generate", #"{"prompt":"a"}"#) == ["user: a"])
    }

    @Test func `Ollama's options`() throws {
        let options = """
            "temperature":0.5,"top_k":3,"top_p":0.25,"min_p":0.125,"seed":7,"stop":["x"],"frequency_penalty":0.75,"presence_penalty":-0.5,\
            "repeat_penalty":1.5,"repeat_last_n":-1,"num_predict":4
            """
        _ = try prompt("/ollama/api/generate", #"{"prompt":"a","options":{\#(options)}}"#)
        let config = try #require(requests.last?.config)
        #expect(config.temperature == 0.5 && config.topK == 3 && config.topP == 0.25 && config.minP == 0.125 && config.seed == 7)
        #expect(config.stop == ["x"] && config.frequencyPenalty == 0.75 && config.presencePenalty == -0.5)
        #expect(config.repetitionPenalty == 1.5 && config.maxTokens == 4 && requests.last?.policy == .oldestTurns)
        _ = try prompt("/ollama/api/generate", #"{"prompt":"a","truncate":false,"options":{"num_predict":-2}}"#)
        #expect(requests.last?.policy == .refuse && requests.last?.config.maxTokens != -2)
    }

    @Test func `every route for answers has the limit for messages`() throws {
        let server = try TestServer(of: OneSentenceModel.checkpoint()) { $0.chatsPerMinute = 1 }, connection = try server.connect()
        let message = #""messages":[{"role":"user","content":"Hi"}]"#
        #expect(connection.post("/chat", #"{"message":"Hi"}"#)?.status == 200)
        for (path, body) in [
            ("/chat", #"{"message":"Hi"}"#), ("/api/chat/guest", #"{"message":"Hi"}"#), ("/v1/chat/completions", "{\(message)}"),
            ("/v1/completions", #"{"prompt":"Hi"}"#), ("/v1/responses", #"{"input":"Hi"}"#), ("/v1/embeddings", #"{"input":"Hi"}"#),
            ("/v1/messages", #"{"max_tokens":9,\#(message)}"#), ("/v1/messages/count_tokens", "{\(message)}"),
            ("/ollama/api/chat", "{\(message)}"), ("/ollama/api/generate", #"{"prompt":"Hi"}"#), ("/ollama/api/embed", #"{"input":"Hi"}"#),
            ("/ollama/api/embeddings", #"{"prompt":"Hi"}"#), ("/tokenize", #"{"text":"Hi"}"#), ("/detokenize", #"{"tokens":[0]}"#),
        ] { #expect(connection.post(path, body)?.status == 429, "\(path)") }
        let ada = try server.account("ada")
        let statuses = (0..<2).map { _ in connection.post("/api/chat", #"{"message":"Hi"}"#, ada)?.status }
        #expect(statuses == [200, 429])
    }
}

/// Fields that would change the answer and are not supported: their default values are accepted.
@Suite struct UnsupportedFieldTests {
    private struct Field: Sendable {
        var name: String
        /// nil if there is none.
        var usual: String?
        var other: String

        init(_ name: String, _ usual: String?, or other: String) {
            self.name = name
            self.usual = usual
            self.other = other
        }
    }

    private static let sampling = [
        Field("min_tokens", "0", or: "1"), Field("mirostat", "0", or: "1"), Field("mirostat_mode", "0", or: "1"),
        Field("typical_p", "1", or: "0.5"), Field("dry_multiplier", "0", or: "1"), Field("xtc_probability", "0", or: "1"),
        Field("dynatemp_range", "0", or: "1"), Field("tfs_z", "1", or: "0.5"), Field("top_a", "0", or: "1"),
        Field("top_n_sigma", "-1", or: "1"), Field("length_penalty", "1", or: "2"), Field("repeat_penalty", "1", or: "1.1"),
        Field("n_predict", "-1", or: "1"), Field("use_beam_search", "false", or: "true"),
        Field("include_stop_str_in_output", "false", or: "true"), Field("stop_token_ids", "[]", or: "[3]"),
        Field("bad_words", "[]", or: #"["x"]"#), Field("allowed_token_ids", nil, or: "[3]"),
        Field("guided_whitespace_pattern", nil, or: #"" ""#), Field("samplers", nil, or: #"["top_k"]"#),
    ]

    private static let chat = sampling + [
        Field("functions", "[]", or: "[{}]"), Field("function_call", #""none""#, or: #""f""#),
        Field("function_call", #""auto""#, or: #"{"name":"f"}"#), Field("modalities", #"["text"]"#, or: #"["text","audio"]"#),
        Field("modalities", nil, or: #""text""#), Field("audio", nil, or: "{}"), Field("web_search_options", nil, or: "{}"),
    ]

    private static let text = sampling + [Field("documents", "[]", or: #"["x"]"#), Field("suffix", #""""#, or: #""x""#)]

    private static let responses = sampling + [
        Field("background", "false", or: "true"), Field("conversation", nil, or: #""c""#), Field("prompt", nil, or: "{}"),
        Field("context_management", "[]", or: "[{}]"), Field("moderation", nil, or: "{}"), Field("documents", "[]", or: #"["x"]"#),
        Field("n", "1", or: "2"), Field("max_tokens", nil, or: "9"), Field("messages", nil, or: "[]"),
        Field("response_format", nil, or: "{}"), Field("logprobs", nil, or: "true"),
    ]

    private static let embeddings = [
        Field("messages", nil, or: "[]"), Field("truncate_prompt_tokens", nil, or: "1"), Field("add_special_tokens", "true", or: "false"),
        Field("normalize", "true", or: "false"), Field("user", #""ada""#, or: "5"),
    ]

    /// Without `logprobs`.
    private static let ollama = [Field("top_logprobs", "0", or: "1")]

    private static let ollamaGenerate = [
        Field("images", "[]", or: #"["x"]"#), Field("suffix", #""""#, or: #""x""#), Field("template", #""""#, or: #""x""#),
        Field("context", "[]", or: "[1]"),
    ]

    private static let ollamaOptions = [
        Field("mirostat", "0", or: "1"), Field("tfs_z", "1", or: "0.5"), Field("typical_p", "1", or: "0.5"),
        Field("penalize_newline", "true", or: "false"),
    ]

    @Test func `defaults are accepted, and other values are refused by name`() throws {
        let server = try TestServer(of: OneSentenceModel.checkpoint()), connection = try server.connect()
        let message = #""messages":[{"role":"user","content":"Hi"}]"#, cut = #""options":{"num_predict":1}"#
        for (path, rest, fields) in [
            ("/v1/chat/completions", #"\#(message),"max_tokens":1"#, Self.chat),
            ("/v1/completions", #""prompt":"Hi","max_tokens":1"#, Self.text),
            ("/v1/responses", #""input":"Hi","max_output_tokens":1"#, Self.responses),
            ("/v1/embeddings", #""input":"Hi""#, Self.embeddings),
            ("/ollama/api/chat", "\(message),\(cut)", Self.ollama),
            ("/ollama/api/generate", #""prompt":"Hi",\#(cut)"#, Self.ollama + Self.ollamaGenerate),
        ] {
            for field in fields {
                let refused = try #require(connection.post(path, #"{\#(rest),"\#(field.name)":\#(field.other)}"#))
                let name = try refused.error("param") ?? refused.json()["error"]?.string?.split(separator: ":").first.map(String.init)
                #expect(refused.status == 400 && name == field.name, "\(path) \(field.name): \(refused.text)")
                guard let usual = field.usual else { continue }
                let accepted = connection.post(path, #"{\#(rest),"\#(field.name)":\#(usual)}"#)
                #expect(accepted?.status == 200, "\(path) \(field.name): \(accepted?.text ?? "")")
            }
        }
        for field in Self.ollamaOptions {
            for (value, status) in [(field.usual ?? "null", 200), (field.other, 400)] {
                let body = #"{"prompt":"Hi","options":{"num_predict":1,"\#(field.name)":\#(value)}}"#
                #expect(connection.post("/ollama/api/generate", body)?.status == status, "\(field.name)")
            }
        }
    }
}
