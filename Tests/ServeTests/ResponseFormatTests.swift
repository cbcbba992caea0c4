import Infer
import JSON
import Serve
import TestSupport
import Testing

/// `response_format` in `/v1/chat/completions` and `/v1/completions`.
@Suite struct ResponseFormatTests {
    fileprivate let server: TestServer

    init() throws {
        server = try TestServer(of: ToolCallModel.checkpoint())
    }

    private func ask(_ format: String, _ fields: String = "") throws -> RawHTTPConnection.Answer {
        let messages = #""messages":[{"role":"user","content":"Where is Rome?"}]"#
        return try #require(server.connect().post("/v1/chat/completions", "{\(messages),\"response_format\":\(format)\(fields)}"))
    }

    private static let schema = """
        {"type":"object","properties":{"city":{"enum":["Rome","Paris"]},"size":{"type":"integer"}},"required":["city","size"]}
        """

    @Test func `an answer has the form of a schema, whatever the model would say`() throws {
        for seed in 0..<5 {
            let format = #"{"type":"json_schema","json_schema":{"name":"a","strict":true,"schema":\#(Self.schema)}}"#
            let answer = try ask(format, #","seed":\#(seed),"temperature":1,"max_tokens":200"#)
            let choice = try #require(try answer.json()["choices"]?.list?.first, "\(answer.text)")
            guard choice["finish_reason"]?.string == "stop" else { continue }
            let value = try JSONElement(parsing: try #require(choice["message"]?["content"]?.string))
            #expect(["Rome", "Paris"].contains(value["city"]?.string) && value["size"]?.integer != nil, "\(answer.text)")
        }
    }

    @Test(arguments: [false, true])
    func `a completed text has the form of a schema, also behind another server`(isBehind: Bool) throws {
        let address = "http://127.0.0.1:\(server.port)"
        let asked = isBehind ? try TestServer(OpenAIBackend(address: address, model: nil, key: nil)) : server
        let body = #"{"prompt":"Rome","response_format":{"type":"json_schema","json_schema":{"schema":{"enum":[7,"x"]}}}}"#
        let answer = try #require(asked.connect().post("/v1/completions", body))
        let text = try answer.json()["choices"]?.list?.first?["text"]?.string
        #expect(["7", #""x""#].contains(text?.filter { $0 != " " }), "\(answer.text)")
    }

    @Test func `text is any text, and a cached answer does not replace JSON`() throws {
        let text = try ask(#"{"type":"text"}"#, #","temperature":0"#)
        #expect(text.text.contains(ToolCallModel.plain), "\(text.text)")
        let object = try ask(#"{"type":"json_object"}"#, #","temperature":0,"max_tokens":8"#)
        #expect(object.status == 200 && !object.text.contains(ToolCallModel.plain), "\(object.text)")
        // llama.cpp's form of a schema.
        let seven = try ask(#"{"type":"json_object","schema":{"enum":[7]}}"#)
        let content = try seven.json()["choices"]?.list?.first?["message"]?["content"]?.string
        #expect(content?.filter { $0 != " " } == "7", "\(seven.text)")
    }

    @Test(arguments: [
        (#"{"type":"xml"}"#, "response_format.type"), ("7", "response_format.type"),
        (#"{"type":"json_object","schema":{"items":5}}"#, "response_format.schema.items"),
        (#"{"type":"json_schema"}"#, "response_format.json_schema"),
        (#"{"type":"json_schema","json_schema":{"name":"a"}}"#, "response_format.json_schema"),
        (
            #"{"type":"json_schema","json_schema":{"strict":true,"schema":{"items":{"multipleOf":0.5}}}}"#,
            "response_format.json_schema.schema.items.multipleOf"
        ),
    ])
    func `a format that is not understood is named`(format: String, field: String) throws {
        let answer = try ask(format)
        #expect(try answer.status == 400 && answer.json()["error"]?["param"]?.string == field, "\(answer.text)")
    }
}

extension ResponseFormatTests {
    private func ask(fields: String, at path: String = "/v1/completions") throws -> RawHTTPConnection.Answer {
        let prompt = path.contains("chat") ? #""messages":[{"role":"user","content":"Where is Rome?"}]"# : #""prompt":"Rome""#
        return try #require(server.connect().post(path, "{\(prompt),\"max_tokens\":60,\(fields)}"))
    }

    @Test(arguments: [
        #""grammar":"root ::= \"ab\" | \"cd\"""#, #""guided_regex":"ab|cd""#, #""guided_choice":["ab","cd"]"#,
        #""guided_grammar":"root ::= (\"ab\" | \"cd\")""#, #""structured_outputs":{"regex":"(ab|cd)"}"#,
        #""structured_outputs":{"choice":["ab","cd"]}"#, #""structured_outputs":{"grammar":"root ::= \"ab\""}"#,
    ], ["/v1/completions", "/v1/chat/completions"])
    func `an answer is one that a grammar, an expression or a list allows`(fields: String, path: String) throws {
        let answer = try ask(fields: fields, at: path)
        let choice = try #require(try answer.json()["choices"]?.list?.first, "\(answer.text)")
        let text = choice["text"]?.string ?? choice["message"]?["content"]?.string
        #expect(["ab", "cd"].contains(text), "\(answer.text)")
    }

    @Test(arguments: [
        (#""guided_json":{"enum":[7]}"#, "7"), (#""guided_json":"{\"enum\":[7]}""#, "7"),
        (#""structured_outputs":{"json":{"enum":["x"]},"regex":null}"#, #""x""#),
    ])
    func `JSON of a schema has vLLM's names, too`(fields: String, expected: String) throws {
        let answer = try ask(fields: fields)
        let text = try answer.json()["choices"]?.list?.first?["text"]?.string
        #expect(text?.filter { $0 != " " } == expected, "\(answer.text)")
    }

    @Test(arguments: [
        (#""grammar":"root ::= root \"a\"""#, "grammar"), (#""grammar":7"#, "grammar"), (#""guided_regex":"(a""#, "guided_regex"),
        (#""guided_choice":[]"#, "guided_choice"), (#""guided_choice":[1]"#, "guided_choice"),
        (#""structured_outputs":{"regex":"a","choice":["a"]}"#, "structured_outputs"),
        (#""structured_outputs":{"regex":"a{9999999}"}"#, "structured_outputs.regex"),
        (#""structured_outputs":{"structural_tag":"x"}"#, "structured_outputs.structural_tag"),
        (#""grammar":"root ::= \"a\"","guided_regex":"a""#, "guided_regex"),
        (#""min_tokens":5"#, "min_tokens"), (#""mirostat":2"#, "mirostat"), (#""typical_p":0.5"#, "typical_p"),
        (#""dry_multiplier":0.8"#, "dry_multiplier"), (#""xtc_probability":0.1"#, "xtc_probability"),
        (#""prompt_logprobs":21"#, "prompt_logprobs"), (#""prompt_logprobs":1,"stream":true"#, "prompt_logprobs"),
        (#""best_of":2,"n":3"#, "best_of"), (#""best_of":9"#, "best_of"), (#""best_of":2,"stream":true"#, "best_of"),
        (#""use_beam_search":true"#, "use_beam_search"),
        (#""stop_token_ids":[3]"#, "stop_token_ids"), (#""repeat_penalty":1.1"#, "repeat_penalty"),
    ])
    func `a field that would change the answer and is not understood is named`(fields: String, name: String) throws {
        let answer = try ask(fields: fields)
        #expect(try answer.status == 400 && answer.json()["error"]?["param"]?.string == name, "\(answer.text)")
    }

    @Test(arguments: [
        #""min_tokens":0,"mirostat":0,"typical_p":1.0,"use_beam_search":false,"stop_token_ids":[],"best_of":1"#, #""best_of":2,"n":2"#,
        #""cache_prompt":true,"id_slot":-1,"skip_special_tokens":true,"grammar":null"#,
    ])
    func `defaults, and fields without an effect on sampling, are accepted`(fields: String) throws {
        #expect(try ask(fields: fields).status == 200)
    }
}
