import Infer
import JSON
import Tokenize

/// Translates a request to Ollama's API into one to OpenAI's, which checks its fields and answers it.
///
///     let chat = try OllamaRequest(fields).chatCompletion()
struct OllamaRequest {
    private let fields: RequestFields

    init(_ fields: RequestFields) { self.fields = fields }

    /// A request to `/api/chat`. nil if there is nothing to answer: it only loads the model.
    func chatCompletion() throws(APIError) -> RequestFields? {
        let body = try completion { (body: inout JSONWriter) throws(APIError) in
            try body.array("messages") { (list: inout JSONWriter) throws(APIError) in try writeMessages(to: &list) }
            if let tools = fields["tools"] { body.element("tools", tools) }
            try writeThinking(to: &body)
            try writeLogProbabilities(isChat: true, to: &body)
        }
        return fields["messages"]?.isEmptyList == true ? nil : body
    }

    /// A request to `/api/generate`. nil if it only loads the model.
    ///
    /// - Parameter isRaw: Whether the prompt is a text to complete, and not a message.
    func generation(isRaw: Bool) throws(APIError) -> RequestFields? {
        try fields.rejectUnsupported(UnsupportedField.ollamaGenerate)
        let prompt = try fields.optionalText("prompt", 0...RequestFields.maxPromptLength) ?? ""
        let system = try fields.optionalText("system", 0...RequestFields.maxPromptLength) ?? ""
        let body = try completion { (body: inout JSONWriter) throws(APIError) in
            if isRaw {
                if !system.isEmpty { throw .invalid("system", "expected a model with a chat template, and no raw prompt.") }
                _ = try thinking
                body["prompt"] = prompt
                return try writeLogProbabilities(isChat: false, to: &body)
            }
            body.array("messages") { list in
                for (role, text) in [("system", system), ("user", prompt)] where !text.isEmpty {
                    list.object { $0["role"] = role; $0["content"] = text }
                }
            }
            try writeThinking(to: &body)
            try writeLogProbabilities(isChat: true, to: &body)
        }
        return prompt.isEmpty ? nil : body
    }

    /// A request to `/api/embed`, which has texts as `input`, or to `/api/embeddings`, which has one as `prompt`.
    func embedding(hasInput: Bool) throws(APIError) -> RequestFields {
        try Self.parsed { (body: inout JSONWriter) throws(APIError) in
            body.key("input")
            if hasInput, let input = fields["input"] {
                body.element(input)
            } else {
                body.string(try fields.text(hasInput ? "input" : "prompt", 0...RequestFields.maxPromptLength))
            }
            if let dimensions = fields["dimensions"] { body.element("dimensions", dimensions) }
        }
    }

    private func completion(_ write: (inout JSONWriter) throws(APIError) -> Void) throws(APIError) -> RequestFields {
        return try Self.parsed { (body: inout JSONWriter) throws(APIError) in
            body["stream"] = try fields.boolean("stream") ?? true
            body["truncation"] = try fields.boolean("truncate") ?? true ? "auto" : "disabled"
            try writeOptions(to: &body)
            try writeFormat(to: &body)
            try write(&body)
        }
    }

    private static func parsed(_ write: (inout JSONWriter) throws(APIError) -> Void) throws(APIError) -> RequestFields {
        var body = JSONWriter()
        try body.object(write)
        return RequestFields(try JSONElement.parsed(body.bytes))
    }

    // MARK: Options

    /// Options and the fields that they are translated to.
    private static let options = [
        "temperature": "temperature", "top_k": "top_k", "top_p": "top_p", "min_p": "min_p", "seed": "seed", "stop": "stop",
        "frequency_penalty": "frequency_penalty", "presence_penalty": "presence_penalty", "repeat_penalty": "repetition_penalty",
        "num_predict": "max_tokens",
    ]
    /// Options that change no answer: how Ollama loads a model, and those of samplers that have to be off.
    private static let ignoredOptions: Set = [
        "num_ctx", "num_keep", "num_batch", "num_gpu", "main_gpu", "num_thread", "numa", "low_vram", "f16_kv", "logits_all", "vocab_only",
        "use_mmap", "use_mlock", "embedding_only", "mirostat_tau", "mirostat_eta",
    ]

    private func writeOptions(to body: inout JSONWriter) throws(APIError) {
        for name in Self.options.keys.sorted() where fields[name] != nil { throw .invalid(name, "expected in options.") }
        guard let value = fields["options"] else { return }
        guard let members = value.members else { throw .invalid("options", "expected an object, found \(value.kind.rawValue).") }
        let options = RequestFields(value)
        for field in UnsupportedField.ollamaOptions {
            if let value = options[field.name], !field.isDefault(value) { throw .invalid("options.\(field.name)", field.reason) }
        }
        // The penalty is for all tokens of the prompt and the answer.
        let penalizes = options["repeat_penalty"].map { $0.number != 1 } ?? false
        if penalizes, let last = options["repeat_last_n"], last.number != -1 {
            throw .invalid("options.repeat_last_n", "expected -1 (all tokens) with a repeat_penalty.")
        }
        let unsupported = UnsupportedField.ollamaOptions.map(\.name) + ["repeat_last_n"]
        for (key, value) in members where !value.isNull {
            let name = key.string ?? ""
            guard let field = Self.options[name] else {
                if Self.ignoredOptions.contains(name) || unsupported.contains(name) { continue }
                throw .invalid("options.\(name.prefix(64))", "unknown option.")
            }
            if name == "num_predict", let count = value.number, count < 1 {
                // -1 and -2 are as many as fit into the context.
                if count == 0 { throw .invalid("options.num_predict", "expected at least 1, or -1 for no limit, found 0.") }
                continue
            }
            body.element(field, value)
        }
    }

    private func writeFormat(to body: inout JSONWriter) throws(APIError) {
        guard let format = fields["format"], !format.isString("") else { return }
        guard format.isString("json") || format.kind == .object else { throw .invalid("format", "expected \"json\" or a JSON schema.") }
        body.object("response_format") { response in
            response.key("type")
            if format.kind == .string { return response.string("json_object") }
            response.string("json_schema")
            response.object("json_schema") { $0["name"] = "answer"; $0.element("schema", format) }
        }
    }

    private enum Thinking {
        case on(Bool)
        case level(String)
    }

    private var thinking: Thinking? {
        get throws(APIError) {
            guard let think = fields["think"] else { return nil }
            if let thinks = think.boolean { return .on(thinks) }
            if let level = think.string, ["low", "medium", "high", "max"].contains(level) { return .level(level) }
            throw .invalid("think", "expected true, false, low, medium, high or max.")
        }
    }

    /// Templates of models that think have a variable for it, and some another one for a level. A model without levels thinks with any.
    private func writeThinking(to body: inout JSONWriter) throws(APIError) {
        switch try thinking {
        case nil: break
        case .on(let thinks): body.object("chat_template_kwargs") { $0["enable_thinking"] = thinks }
        case .level(let level): body["reasoning_effort"] = level
        }
    }

    /// - Parameter isChat: Completions of texts have the number of alternatives in `logprobs`.
    private func writeLogProbabilities(isChat: Bool, to body: inout JSONWriter) throws(APIError) {
        let alternatives = try fields.integer("top_logprobs", 0...GenerationConfig.maxAlternatives) ?? 0
        guard try fields.boolean("logprobs") ?? false else {
            if alternatives > 0 { throw .invalid("top_logprobs", "expected together with logprobs: true only.") }
            return
        }
        if isChat { body["logprobs"] = true }
        body[isChat ? "top_logprobs" : "logprobs"] = alternatives
    }

    // MARK: Messages

    private func writeMessages(to list: inout JSONWriter) throws(APIError) {
        guard let messages = try fields.list("messages") else { throw .invalid("messages", "expected a list of messages, found nothing.") }
        // Ollama's calls have no ids: a result belongs to the first call of its tool that has none.
        var open: [(id: String, name: String)] = [], callCount = 0
        for (index, message) in messages.enumerated() {
            let path = "messages[\(index)]"
            if let images = message["images"], !images.isNull, !images.isEmptyList {
                throw .invalid("\(path).images", "images are not supported: this model reads text only.")
            }
            if let content = message["content"], !content.isNull, content.kind != .string {
                throw .invalid("\(path).content", "expected a string, found \(content.kind.rawValue).")
            }
            let calls = try Self.calls(of: message, path)
            let first = callCount
            callCount += calls.count
            open += calls.enumerated().map { (Self.id(first + $0), $1.name) }
            list.object { object in
                if let role = message["role"] { object.element("role", role) }
                object.key("content")
                if let content = message["content"], !content.isNull { object.element(content) } else { object.string("") }
                if let thinking = message["thinking"], !thinking.isNull { object.element("reasoning_content", thinking) }
                if message["role"]?.isString("tool") == true {
                    let name = (message["tool_name"] ?? message["name"])?.string
                    let call = open.firstIndex { $0.name == name } ?? open.indices.first
                    object["tool_call_id"] = call.map { open.remove(at: $0).id } ?? Self.id(callCount)
                }
                if calls.isEmpty { return }
                object.array("tool_calls") { for (i, call) in calls.enumerated() { $0.toolCall(call, id: Self.id(first + i)) } }
            }
        }
    }

    /// Nine letters and digits, which Mistral's templates require.
    private static func id(_ number: Int) -> String { "call" + String(100_000 + number).suffix(5) }

    private static func calls(of message: JSONElement, _ path: String) throws(APIError) -> [ToolCall] {
        guard let value = message["tool_calls"], !value.isNull else { return [] }
        guard let elements = value.elements else { throw .invalid("\(path).tool_calls", "expected a list, found \(value.kind.rawValue).") }
        var calls: [ToolCall] = []
        for element in elements {
            let path = "\(path).tool_calls[\(calls.count)].function"
            guard let name = element["function"]?["name"]?.string else { throw .invalid("\(path).name", "expected a string.") }
            guard let arguments = element["function"]?["arguments"], arguments.kind == .object else {
                throw .invalid("\(path).arguments", "expected an object.")
            }
            calls.append(.init(name: name, arguments: arguments.json))
        }
        return calls
    }
}
