import Infer
import JSON
import Serve
import Synchronization
import TestSupport
import Testing
import Tokenize

/// How much a model thinks: `reasoning_effort` and `reasoning.effort` of OpenAI's APIs, `think` of Ollama's, `output_config.effort` and
/// `thinking` of Anthropic's.
@Suite struct ReasoningEffortTests {
    private static let messages = #""messages":[{"role":"user","content":"Hi"}]"#
    private static let anthropic = #""max_tokens":100,\#(messages)"#

    @Test(
        "the effort sets variables of the template, and another server gets it as it is",
        arguments: [
            ("/v1/chat/completions", #"\#(messages),"reasoning_effort":"low""#, "{enable_thinking: true, reasoning_effort: low}", "low"),
            ("/v1/chat/completions", #"\#(messages),"reasoning_effort":"none""#,
                "{enable_thinking: false, reasoning_effort: none}", "none"),
            ("/v1/chat/completions", #"\#(messages),"reasoning_effort":null"#, nil, nil),
            // Variables that a request sets itself are not changed.
            ("/v1/chat/completions", #"\#(messages),"reasoning_effort":"high","chat_template_kwargs":{"enable_thinking":false,"x":1}"#,
                "{reasoning_effort: high, enable_thinking: false, x: 1}", "high"),
            ("/v1/chat/completions", #"\#(messages),"reasoning_effort":"high","chat_template_kwargs":{"reasoning_effort":"low"}"#,
                "{enable_thinking: true, reasoning_effort: low}", "high"),
            ("/v1/responses", #""input":"Hi","reasoning":{"effort":"minimal","summary":"auto"}"#,
                "{enable_thinking: true, reasoning_effort: minimal}", "minimal"),
            ("/v1/responses", #""input":"Hi","reasoning":{"effort":"low"},"chat_template_kwargs":{"x":1}"#,
                "{enable_thinking: true, reasoning_effort: low, x: 1}", "low"),
            ("/v1/responses", #""input":"Hi","reasoning":{"effort":null}"#, nil, nil),
            ("/ollama/api/chat", #"\#(messages),"think":"low""#, "{enable_thinking: true, reasoning_effort: low}", "low"),
            ("/ollama/api/generate", #""prompt":"Hi","think":"max""#, "{enable_thinking: true, reasoning_effort: max}", "max"),
            ("/ollama/api/chat", #"\#(messages),"think":true"#, "{enable_thinking: true}", nil),
            ("/ollama/api/chat", #"\#(messages),"think":false"#, "{enable_thinking: false}", nil),
            ("/v1/messages", #"\#(anthropic),"output_config":{"effort":"max"}"#, "{enable_thinking: true, reasoning_effort: max}", "max"),
            ("/v1/messages", #"\#(anthropic),"output_config":{"effort":"xhigh"},"thinking":{"type":"adaptive"}"#,
                "{reasoning_effort: xhigh, enable_thinking: true}", "xhigh"),
            ("/v1/messages", #"\#(anthropic),"output_config":{"effort":"low"},"thinking":{"type":"disabled"}"#,
                "{reasoning_effort: low, enable_thinking: false}", "low"),
            ("/v1/messages", #"\#(anthropic),"output_config":{"effort":null},"thinking":{"type":"disabled"}"#,
                "{enable_thinking: false}", nil),
            ("/v1/messages", #"\#(anthropic),"thinking":{"type":"adaptive","display":"summarized"}"#, "{enable_thinking: true}", nil),
            ("/v1/messages", #"\#(anthropic),"thinking":{"type":"enabled","budget_tokens":1024}"#, "{enable_thinking: true}", nil),
            ("/v1/messages", #"\#(anthropic),"thinking":null,"output_config":{}"#, nil, nil),
        ] as [(String, String, String?, String?)])
    func effort(path: String, fields: String, variables: String?, forwarded: String?) throws {
        let last = Mutex<GenerationRequest?>(nil), script = ScriptedBackend()
        let server = try TestServer(ClosureBackend(context: 64) { request, deliver throws(GenerationError) in
            last.withLock { $0 = request }
            return try script.start(request, deliver: deliver)
        })
        let answer = try #require(server.connect().post(path, "{\(fields)}"))
        #expect(answer.status == 200, "\(answer.text)")
        let request = try #require(last.withLock { $0 })
        #expect(try request.templateArguments.map { try described(JSONElement(parsing: $0.json)) } == variables)
        let field = request.forwardedFields.first { $0.name == "reasoning_effort" }
        #expect(field?.json == forwarded.map { Array("\"\($0)\"".utf8) })
    }

    /// Its template ends a prompt with the effort, as gpt-oss' writes it into the system message. The last letter decides the answer.
    @Test func `a template that has levels gets them`() throws {
        let template = """
            {%- for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor -%}
            {%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' + (reasoning_effort | default('medium')) }}{% endif -%}
            """
        let server = try TestServer(of: NextTokenModel.chat(
            [("w", ThinkingModel.quick), ("h", ThinkingModel.rest), ("m", "\n\n" + ThinkingModel.answer)], ThinkingModel.vocabulary,
            template: template, context: 256))
        func answer(_ path: String, _ fields: String) throws -> JSONElement {
            try #require(server.connect().post(path, "{\(fields)}")).json()
        }
        let rest = ThinkingModel.rest.drop { $0 == " " }
        for (effort, expected) in [("low", ThinkingModel.quick[...]), ("high", rest), ("medium", ThinkingModel.answer[...])] {
            let chat = try answer("/v1/chat/completions", #"\#(Self.messages),"temperature":0,"reasoning_effort":"\#(effort)""#)
            #expect(chat["choices"]?.list?.first?["message"]?["content"]?.string == String(expected))
            let response = try answer("/v1/responses", #""input":"Hi","temperature":0,"reasoning":{"effort":"\#(effort)"}"#)
            let item = response["output"]?.list?.first
            #expect(item?["content"]?.list?.first?["text"]?.string == String(expected))
            let ollama = try answer(
                "/ollama/api/chat", #"\#(Self.messages),"stream":false,"options":{"temperature":0},"think":"\#(effort)""#)
            #expect(ollama["message"]?["content"]?.string == String(expected))
            let message = try answer("/v1/messages", #"\#(Self.anthropic),"temperature":0,"output_config":{"effort":"\#(effort)"}"#)
            #expect(message["content"]?.list?.first?["text"]?.string == String(expected))
        }
    }

    @Test(
        "another effort is an error that names the field",
        arguments: [
            ("/v1/chat/completions", #"\#(messages),"reasoning_effort":"huge""#, "reasoning_effort"),
            ("/v1/chat/completions", #"\#(messages),"reasoning_effort":1"#, "reasoning_effort"),
            ("/v1/responses", #""input":"Hi","reasoning":{"effort":"huge"}"#, "reasoning.effort"),
            ("/v1/responses", #""input":"Hi","reasoning":{"effort":true}"#, "reasoning.effort"),
            ("/ollama/api/chat", #"\#(messages),"think":"huge""#, "think"), ("/ollama/api/chat", #"\#(messages),"think":1"#, "think"),
            ("/v1/messages", #"\#(anthropic),"output_config":{"effort":"none"}"#, "output_config.effort"),
            ("/v1/messages", #"\#(anthropic),"output_config":{"effort":1}"#, "output_config.effort"),
            ("/v1/messages", #"\#(anthropic),"output_config":[]"#, "output_config"),
            ("/v1/messages", #"\#(anthropic),"thinking":{"type":"on"}"#, "thinking.type"),
            ("/v1/messages", #"\#(anthropic),"thinking":{"type":"adaptive","display":"all"}"#, "thinking.display"),
            ("/ollama/api/generate", #""prompt":"Hi","think":"none""#, "think"),
            ("/ollama/api/generate", #""prompt":"Hi","raw":true,"think":"none""#, "think"),
        ])
    func invalidEffort(path: String, fields: String, field: String) throws {
        let server = try TestServer(), answer = try #require(server.connect().post(path, "{\(fields)}"))
        let error = try answer.json()["error"], message = error?["message"]?.string ?? error?.string
        #expect(answer.status == 400 && message?.hasPrefix(field + ": expected ") == true, "\(answer.text)")
    }
}
