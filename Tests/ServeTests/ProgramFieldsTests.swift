import Glibc
import Infer
import JSON
import Serve
import Store
import TestSupport
import Testing
import Tokenize

/// Every field of the responses to programs, in the APIs of OpenAI, Anthropic and Ollama.
@Suite struct ProgramFieldsTests {
    /// Answers as `ScriptedBackend` does, after a prompt of which a part was cached and a part was dropped.
    private static func shortening() -> ClosureBackend {
        let script = ScriptedBackend()
        return ClosureBackend(context: 64) { request, deliver throws(GenerationError) in
            try script.start(request) { event in
                guard case .began(var start) = event else { return deliver(event) }
                start.cachedTokens = 4
                start.droppedMessages = 2
                start.wasTruncated = true
                deliver(.began(start))
            }
        }
    }

    private func post(_ server: TestServer, _ path: String, _ body: String) throws -> RawHTTPConnection.Answer {
        try #require(server.connect().post(path, body))
    }

    private func response(_ server: TestServer, _ path: String, _ body: String) throws -> String {
        try described(post(server, path, body).json())
    }

    private func events(_ server: TestServer, _ path: String, _ body: String) throws -> [String] {
        try post(server, path, body).data.filter { $0 != "[DONE]" }.map { try described(JSONElement(parsing: $0)) }
    }

    private static let question = #""messages":[{"role":"user","content":"Hello"}]"#

    @Test func `a response of OpenAI's Responses API`() throws {
        let repeated = """
            instructions: null, max_output_tokens: null, metadata: {}, parallel_tool_calls: true, previous_response_id: null, \
            reasoning: {effort: null, summary: null}, text: {format: {type: text}}, tool_choice: auto, tools: [], top_logprobs: 0, \
            truncation: disabled, user: null, store: false, temperature: 1.0, top_p: 1.0
            """
        func whole(_ cached: Int, _ rest: String = "") -> String {
            """
            {id: resp_…, object: response, created_at: number, status: completed, completed_at: number, background: false, error: null, \
            incomplete_details: null, model: test-model, output: [{id: msg_…, type: message, status: completed, role: assistant, \
            content: [{type: output_text, annotations: [], logprobs: [], text: Hi, you!é日}]}], \(repeated), \
            usage: {input_tokens: 6, input_tokens_details: {cached_tokens: \(cached), cache_write_tokens: 0}, output_tokens: 10, \
            output_tokens_details: {reasoning_tokens: 0}, total_tokens: 16}\(rest)}
            """
        }
        #expect(try response(TestServer(), "/v1/responses", #"{"input":"Hello"}"#) == whole(0))
        let warning = ", warning: {dropped_turns: 2, cut: true}"
        #expect(try response(TestServer(Self.shortening()), "/v1/responses", #"{"input":"Hello"}"#) == whole(4, warning))
        let given = """
            "instructions":"I","max_output_tokens":100,"metadata":{"a":"b"},"parallel_tool_calls":false,"reasoning":{"effort":"low"},\
            "text":{"format":{"type":"text"},"verbosity":"low"},"tool_choice":"none","tools":[],"top_logprobs":1,"truncation":"auto",\
            "user":"u","temperature":0.5,"top_p":0.25
            """
        #expect(try response(TestServer(), "/v1/responses", #"{"input":"Hello",\#(given)}"#).contains("""
            , instructions: I, max_output_tokens: 100, metadata: {a: b}, parallel_tool_calls: false, previous_response_id: null, \
            reasoning: {effort: low}, text: {format: {type: text}, verbosity: low}, tool_choice: none, tools: [], top_logprobs: 1, \
            truncation: auto, user: u, store: false, temperature: 0.5, top_p: 0.25, usage: {
            """))
    }

    @Test func `the events of a response`() throws {
        let events = try events(TestServer(), "/v1/responses", #"{"input":"Hello","max_output_tokens":1,"stream":true}"#)
        let item = "item_id: msg_…, content_index: 0", message = "id: msg_…, type: message, status"
        #expect(Array(events[2..<8]) == [
            "{type: response.output_item.added, sequence_number: 2, output_index: 0, "
                + "item: {\(message): in_progress, role: assistant, content: []}}",
            "{type: response.content_part.added, sequence_number: 3, output_index: 0, \(item), "
                + "part: {type: output_text, annotations: [], logprobs: [], text: }}",
            "{type: response.output_text.delta, sequence_number: 4, output_index: 0, \(item), delta: H, logprobs: []}",
            "{type: response.output_text.done, sequence_number: 5, output_index: 0, \(item), logprobs: [], text: H}",
            "{type: response.content_part.done, sequence_number: 6, output_index: 0, \(item), "
                + "part: {type: output_text, annotations: [], logprobs: [], text: H}}",
            "{type: response.output_item.done, sequence_number: 7, output_index: 0, item: {\(message): incomplete, role: assistant, "
                + "content: [{type: output_text, annotations: [], logprobs: [], text: H}]}}",
        ])
        #expect(events.count == 9 && events[8].hasPrefix("{type: response.incomplete, sequence_number: 8, response: {id: resp_…, "))
        #expect(events[8].contains("status: incomplete, background: false, error: null, incomplete_details: {reason: max_output_tokens}"))
    }

    /// Each token of the sentence is a byte, and two of its characters have several.
    @Test func `a streamed response has the log-probabilities of all tokens, also of parts of characters`() throws {
        let server = try TestServer(of: OneSentenceModel.checkpoint())
        let body = #"{"input":"Hello","temperature":0,"include":["message.output_text.logprobs"],"stream":true}"#
        let events = try post(server, "/v1/responses", body).data.map { try JSONElement(parsing: $0) }
        let item = events.last?["response"]?["output"]?.list?.first
        let part = item?["content"]?.list?.first
        let bytes = part?["logprobs"]?.elements?.flatMap { $0["bytes"]?.elements?.map(\.integer) ?? [] }
        #expect(bytes == OneSentenceModel.sentence.utf8.map { Int($0) })
        let deltas = events.filter { $0["type"]?.string == "response.output_text.delta" }
        #expect(deltas.compactMap { $0["delta"]?.string }.joined() == OneSentenceModel.sentence)
        #expect(deltas.flatMap { $0["logprobs"]?.list ?? [] }.count == OneSentenceModel.sentence.utf8.count)
        // The marks of a thought are tokens without text, and begin no message.
        let thinking = try TestServer(of: ThinkingModel.checkpoint())
        let types = try post(thinking, "/v1/responses", body).data.compactMap { try JSONElement(parsing: $0)["type"]?.string }
        #expect(types.filter { $0.contains("_text.") } == ["reasoning", "output"].flatMap {
            ["response.\($0)_text.delta", "response.\($0)_text.done"]
        })
    }

    @Test func `a message of Anthropic's API, and its events`() throws {
        func head(_ content: String, _ reason: String, _ input: Int, _ cached: Int, _ output: Int) -> String {
            """
            {id: msg_…, type: message, role: assistant, model: test-model, content: [\(content)], stop_reason: \(reason), \
            stop_sequence: null, usage: {input_tokens: \(input), cache_creation_input_tokens: 0, cache_read_input_tokens: \(cached), \
            output_tokens: \(output)}}
            """
        }
        let body = #"{"max_tokens":100,\#(Self.question)}"#, text = "{type: text, text: Hi, you!é日}"
        #expect(try response(TestServer(), "/v1/messages", body) == head(text, "end_turn", 6, 0, 10))
        #expect(try response(TestServer(Self.shortening()), "/v1/messages", body) == head(text, "end_turn", 2, 4, 10))
        #expect(try events(TestServer(Self.shortening()), "/v1/messages", #"{"max_tokens":1,"stream":true,\#(Self.question)}"#) == [
            "{type: message_start, message: \(head("", "null", 2, 4, 0))}",
            "{type: ping}",
            "{type: content_block_start, index: 0, content_block: {type: text, text: }}",
            "{type: content_block_delta, index: 0, delta: {type: text_delta, text: H}}",
            "{type: content_block_stop, index: 0}",
            "{type: message_delta, delta: {stop_reason: max_tokens, stop_sequence: null}, "
                + "usage: {input_tokens: 2, cache_creation_input_tokens: 0, cache_read_input_tokens: 4, output_tokens: 1}}",
            "{type: message_stop}",
        ])
        let thinking = try TestServer(of: ThinkingModel.checkpoint())
        let thought = try response(thinking, "/v1/messages", #"{"max_tokens":100,"temperature":0,\#(Self.question)}"#)
        #expect(thought.contains("content: [{type: thinking, thinking: \(ThinkingModel.thought), signature: }, {type: text, text: "))
        let starts = try events(thinking, "/v1/messages", #"{"max_tokens":100,"temperature":0,"stream":true,\#(Self.question)}"#)
            .filter { $0.hasPrefix("{type: content_block_start") }
        #expect(starts == [
            "{type: content_block_start, index: 0, content_block: {type: thinking, thinking: , signature: }}",
            "{type: content_block_start, index: 1, content_block: {type: text, text: }}",
        ])
    }

    @Test func `a chat completion whose prompt was shortened`() throws {
        let server = try TestServer(Self.shortening())
        let whole = try response(server, "/v1/chat/completions", "{\(Self.question)}")
        #expect(whole.contains("finish_reason: stop, warning: {dropped_turns: 2, cut: true}}], usage: {prompt_tokens: 6"))
        #expect(whole.hasSuffix("prompt_tokens_details: {cached_tokens: 4}, completion_tokens_details: {reasoning_tokens: 0}}}"))
        let first = try events(server, "/v1/chat/completions", #"{"stream":true,\#(Self.question)}"#).first
        #expect(first?.contains("delta: {role: assistant, content: }, warning: {dropped_turns: 2, cut: true}, logprobs: null") == true)
    }

    @Test func `Ollama's answers and models`() throws {
        let server = try TestServer()
        func end(_ answer: String, _ reason: String, _ tokens: Int) -> String {
            """
            {model: test-model, created_at: time, \(answer), done: true, done_reason: \(reason), total_duration: number, \
            load_duration: 0, prompt_eval_count: 6, prompt_eval_duration: number, eval_count: \(tokens), eval_duration: number}
            """
        }
        let chat = #"{"stream":false,\#(Self.question)}"#
        #expect(try response(server, "/ollama/api/chat", chat) == end("message: {role: assistant, content: Hi, you!é日}", "stop", 10))
        #expect(try response(server, "/ollama/api/generate", #"{"stream":false,"prompt":"Hello","options":{"num_predict":2}}"#)
            == end("response: Hi", "length", 2))
        let lines = try post(server, "/ollama/api/chat", #"{"options":{"num_predict":1},\#(Self.question)}"#).text.split(separator: "\n")
        #expect(try lines.map { try described(JSONElement(parsing: String($0))) } == [
            "{model: test-model, created_at: time, message: {role: assistant, content: H}, done: false}",
            end("message: {role: assistant, content: }", "length", 1),
        ])
        #expect(try response(server, "/ollama/api/generate", #"{"prompt":""}"#)
            == "{model: test-model, created_at: time, response: , done: true, done_reason: load}")
        let details = """
            modified_at: time, size: 0, size_vram: 0, digest: digest, context_length: 64, details: {parent_model: , parameter_size: , \
            quantization_level: , format: slm, family: slm, families: [slm]}
            """
        let connection = try server.connect(), list = try #require(connection.ask("GET", "/ollama/api/tags")).json()
        #expect(described(list) == "{models: [{name: test-model, model: test-model, \(details), expires_at: 2318-01-01T00:00:00Z}]}")
        let modified = list["models"]?.list?.first?["modified_at"]?.string
        #expect(modified.flatMap { Timestamp(dateOrTime: $0) }.map { $0 > Timestamp.now().advanced(by: .seconds(-86_400)) } == true)
        #expect(try response(server, "/ollama/api/show", "{}") == """
            {\(details), parameters: temperature 1.0\ntop_k 0\ntop_p 1.0\nmin_p 0.0\nrepeat_penalty 1.0, \
            model_info: {general.architecture: slm, slm.context_length: 64}, capabilities: [completion, tools]}
            """)
        #expect(try described(#require(connection.ask("GET", "/ollama/api/version")).json()) == "{version: 0.13.0}")
        let thinking = try TestServer(of: ThinkingModel.checkpoint()), greedy = #""stream":false,"options":{"temperature":0}"#
        #expect(try response(thinking, "/ollama/api/show", "{}").hasSuffix("capabilities: [completion, tools, thinking]}"))
        for (think, message) in [
            ("true", "content: \(ThinkingModel.answer), thinking: \(ThinkingModel.thought)}"),
            ("false", "content: \(ThinkingModel.quick)}"),
        ] {
            let answer = try response(thinking, "/ollama/api/chat", #"{\#(greedy),"think":\#(think),\#(Self.question)}"#)
            #expect(answer.contains("message: {role: assistant, \(message), done: true"), "\(answer)")
        }
    }

    @Test func `Ollama's calls of functions`() throws {
        let server = try TestServer(of: ToolCallModel.checkpoint())
        let body = #"{"stream":false,"options":{"temperature":0},"tools":\#(ToolCallModel.tools),\#(Self.question)}"#
        let message = try post(server, "/ollama/api/chat", body).json()["message"]
        let call = message?["tool_calls"]?.list?.first
        #expect(call?["id"]?.string?.count == 9)
        #expect(call?["function"].map { described($0) } == "{index: 0, name: weather, arguments: {city: Rome}}")
    }
}

/// The same of files and vector stores.
@Suite struct VectorStoreFieldsTests {
    private let server: TestServer
    private let ada: [String: String]

    init() throws {
        server = try TestServer(RecordingBackend(context: 1_000))
        ada = try server.account("ada")
    }

    private func ask(_ method: String, _ path: String, _ body: String? = nil, _ headers: [String: String] = [:]) throws -> JSONElement {
        let answer = try server.ask(method, "/v1/" + path, body, ada.merging(headers) { $1 })
        #expect(answer.status == 200, "\(answer.text)")
        return try answer.json()
    }

    private func upload(_ name: String, _ text: String) throws -> (id: String, shown: String) {
        let form = """
            --b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n--b\r\n\
            Content-Disposition: form-data; name="file"; filename="\(name)"\r\n\r\n\(text)\r\n--b--\r\n
            """
        let file = try ask("POST", "files", form, ["Content-Type": "multipart/form-data; boundary=b"])
        return (try #require(file["id"]?.string), described(file))
    }

    /// The name of a count in OpenAI's API.
    private static let canceled = "cancelled"

    /// Reads a store when its files were read.
    private func readStore(_ path: String) throws -> JSONElement {
        try eventually { try ask("GET", path)["status"]?.string == "completed" }
        return try ask("GET", path)
    }

    @Test func `files and vector stores`() throws {
        let (pump, shown) = try upload("pump.md", "Hold the red button.\n")
        usleep(2_000)        // files of the same millisecond have no order
        let (noise, _) = try upload("x.bin", "\u{0}\u{1}")
        let file = """
            {id: file-…, object: file, bytes: 21, created_at: number, filename: pump.md, purpose: assistants, status: processed}
            """
        #expect(try shown == file && described(ask("GET", "files/\(pump)")) == file)
        #expect(try described(ask("GET", "files?order=asc&limit=1"))
            == "{object: list, data: [\(file)], first_id: file-…, last_id: file-…, has_more: true}")
        func store(_ name: String, bytes: Int, completed: Int, failed: Int) -> String {
            """
            {id: vs_…, object: vector_store, created_at: number, name: \(name), usage_bytes: \(bytes), \
            file_counts: {in_progress: 0, completed: \(completed), failed: \(failed), \(Self.canceled): 0, total: \(completed + failed)}, \
            status: completed, last_active_at: number, metadata: {}}
            """
        }
        #expect(try described(ask("POST", "vector_stores", "")) == store("", bytes: 0, completed: 0, failed: 0))
        let body = #"{"name":"Garden","file_ids":["\#(pump)","\#(noise)"],"metadata":{},"chunking_strategy":{"type":"auto"}}"#
        let made = try ask("POST", "vector_stores", body), path = "vector_stores/\(try #require(made["id"]?.string))"
        #expect(made["file_counts"]?["total"]?.integer == 2 && made["usage_bytes"]?.integer == 23)
        #expect(try described(readStore(path)) == store("Garden", bytes: 23, completed: 1, failed: 1))
        func attached(_ bytes: Int, _ error: String, _ status: String) -> String {
            """
            {id: file-…, object: vector_store.file, created_at: number, usage_bytes: \(bytes), vector_store_id: vs_…, \
            last_error: \(error), status: \(status), attributes: {}, chunking_strategy: {type: other}}
            """
        }
        #expect(try described(ask("GET", "\(path)/files/\(pump)")) == attached(21, "null", "completed"))
        let failed = try described(ask("GET", "\(path)/files/\(noise)"))
        #expect(failed == attached(2, "{code: secret, message: Not a text.}", "failed"), "\(failed)")
        #expect(try ask("GET", "\(path)/files/\(noise)")["last_error"]?["code"]?.string == "unsupported_file")
        #expect(try described(ask("GET", "\(path)/files/\(pump)/content")) == """
            {object: vector_store.file_content.page, data: [{type: text, text: Hold the red button.}], has_more: false, next_page: null}
            """)
        #expect(try described(ask("POST", "\(path)/search", #"{"query":"button","rewrite_query":false}"#)) == """
            {object: vector_store.search_results.page, search_query: [button], data: [{file_id: file-…, filename: pump.md, score: 1.0, \
            attributes: {}, content: [{type: text, text: Hold the red button.}]}], has_more: false, next_page: null}
            """)
        #expect(try described(ask("POST", path, #"{"name":"Yard"}"#)) == store("Yard", bytes: 23, completed: 1, failed: 1))
        #expect(try described(ask("DELETE", "\(path)/files/\(noise)"))
            == "{id: file-…, object: vector_store.file.deleted, deleted: true}")
        #expect(try ask("GET", path)["file_counts"]?["total"]?.integer == 1 && ask("GET", "files/\(noise)")["bytes"]?.integer == 2)
        #expect(try described(ask("DELETE", "files/\(noise)")) == "{id: file-…, object: file, deleted: true}")
        #expect(try described(ask("DELETE", path)) == "{id: vs_…, object: vector_store.deleted, deleted: true}")
        #expect(try described(ask("GET", "files"))
            == "{object: list, data: [\(file)], first_id: file-…, last_id: file-…, has_more: false}")
    }

    @Test func `a file is added to a vector store, alone and in a batch`() throws {
        let (pump, _) = try upload("pump.md", "Hold the red button.\n")
        let path = "vector_stores/\(try #require(try ask("POST", "vector_stores", "{}")["id"]?.string))"
        let added = try ask("POST", "\(path)/files", #"{"file_id":"\#(pump)"}"#)
        #expect(added["id"]?.string == pump && added["object"]?.string == "vector_store.file")
        _ = try readStore(path)
        let batch = try ask("POST", "\(path)/file_batches", #"{"file_ids":["\#(pump)"]}"#)
        let id = try #require(batch["id"]?.string)
        try eventually { try ask("GET", "\(path)/file_batches/\(id)")["status"]?.string == "completed" }
        #expect(try described(ask("GET", "\(path)/file_batches/\(id)")) == """
            {id: vsfb_…, object: vector_store.files_batch, created_at: number, vector_store_id: vs_…, status: completed, \
            file_counts: {in_progress: 0, completed: 1, failed: 0, \(Self.canceled): 0, total: 1}}
            """)
    }

    @Test func `what is not supported is refused everywhere`() throws {
        let (pump, _) = try upload("pump.md", "Hold the red button.\n")
        let path = "vector_stores/\(try #require(try ask("POST", "vector_stores", "{}")["id"]?.string))"
        for (path, rest) in [
            ("vector_stores", #""name":"x""#), (path, #""name":"x""#), ("\(path)/files", #""file_id":"\#(pump)""#),
            ("\(path)/file_batches", #""file_ids":["\#(pump)"]"#),
        ] {
            for (field, value) in [
                ("expires_after", #"{"days":1}"#), ("metadata", #"{"a":"b"}"#), ("attributes", #"{"a":1}"#),
                ("chunking_strategy", #"{"type":"static"}"#),
            ] {
                let answer = try server.ask("POST", "/v1/" + path, #"{\#(rest),"\#(field)":\#(value)}"#, ada)
                #expect(answer.status == 400 && answer.error("param") == field, "\(path) \(field): \(answer.text)")
            }
        }
        for (field, value, isDefault) in [
            ("filters", "{}", false), ("rewrite_query", "true", false), ("rewrite_query", "false", true), ("max_num_results", "0", false),
            ("max_num_results", "50", true), ("ranking_options", #"{"ranker":"auto","score_threshold":0}"#, true),
            ("ranking_options", "{}", true), ("ranking_options", #"{"ranker":"none"}"#, false),
            ("ranking_options", #"{"score_threshold":0.5}"#, false), ("ranking_options", #"{"ranker":"x","score_threshold":0}"#, false),
        ] {
            let answer = try server.ask("POST", "/v1/\(path)/search", #"{"query":"x","\#(field)":\#(value)}"#, ada)
            #expect(answer.status == (isDefault ? 200 : 400) && (isDefault || answer.error("param") == field), "\(field) \(value)")
        }
        for (body, field) in [(#"{"file_ids":[]}"#, "file_ids"), (#"{"file_ids":[7]}"#, "file_ids")] {
            let answer = try server.ask("POST", "/v1/\(path)/file_batches", body, ada)
            #expect(answer.status == 400 && answer.error("param") == field)
        }
        let all = Array(repeating: "\"\(pump)\"", count: 501)
        for (count, status) in [(500, 200), (501, 400)] {
            let body = #"{"file_ids":[\#(all.prefix(count).joined(separator: ","))]}"#
            #expect(try server.ask("POST", "/v1/\(path)/file_batches", body, ada).status == status, "\(count) files")
        }
    }
}
