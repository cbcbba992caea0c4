import Infer
import JSON

/// Translates a request to OpenAI's Responses API into one to chat completions, which checks its fields and answers it.
///
///     let request = try ResponsesRequest(fields, after: earlier)
///     let completion = try request.completion(for: model)
struct ResponsesRequest {
    let fields: RequestFields
    /// The items of the responses that this one continues.
    private let earlier: [JSONElement]
    /// The items of the request: a JSON array. A text is the message of a user.
    let input: String

    /// - Parameter earlier: The items of the responses that this one continues, the oldest first.
    init(_ fields: RequestFields, after earlier: [JSONElement] = []) throws(APIError) {
        self.fields = fields
        self.earlier = earlier
        var writer = JSONWriter()
        if let text = fields["input"]?.string {
            writer.array { list in list.object { $0["role"] = "user"; $0["content"] = text } }
        } else if let items = fields["input"], items.kind == .array {
            writer.element(items)
        } else {
            let found = fields["input"]?.kind.rawValue ?? "nothing"
            throw .invalid("input", "expected a string or a list of items, found \(found).")
        }
        input = writer.text
    }

    /// The request for the answer. Errors name the fields of the Responses API.
    func completion(for model: ServedModel) throws(APIError) -> CompletionRequest {
        try fields.rejectUnsupported(UnsupportedField.responses)
        _ = try fields.boolean("parallel_tool_calls")
        for name in ["metadata", "reasoning", "text"] {
            if let value = fields[name], value.kind != .object { throw .invalid(name, "expected an object, found \(value.kind.rawValue).") }
        }
        let chat = try chatCompletion()
        do throws(APIError) { return try CompletionRequest(chat: chat, for: model, maxAnswers: 1) } catch {
            throw error.namingResponseField
        }
    }

    private func chatCompletion() throws(APIError) -> RequestFields {
        var body = JSONWriter()
        try body.object { (body: inout JSONWriter) throws(APIError) in
            for name in Self.sameFields {
                if let value = fields[name] { body.key(name); body.element(value) }
            }
            if let value = fields["max_output_tokens"] { body.key("max_completion_tokens"); body.element(value) }
            if try asksForLogProbabilities { body["logprobs"] = true }
            try writeMessages(to: &body)
            try writeTools(to: &body)
            try writeFormat(to: &body)
            try writeReasoning(to: &body)
        }
        return RequestFields(try JSONElement.parsed(body.bytes))
    }

    private static let sameFields = [
        "model", "temperature", "top_p", "top_logprobs", "stream", "truncation", "user", "parallel_tool_calls",
        // Of chat completions, and of other servers.
        "top_k", "min_p", "repetition_penalty", "frequency_penalty", "presence_penalty", "seed", "stop", "logit_bias", "ignore_eos",
        "reasoning_format",
    ]

    private var asksForLogProbabilities: Bool {
        get throws(APIError) {
            guard let value = fields["include"] else { return fields["top_logprobs"] != nil }
            guard let names = value.elements else { throw .invalid("include", "expected a list, found \(value.kind.rawValue).") }
            return fields["top_logprobs"] != nil || names.contains { $0.isString("message.output_text.logprobs") }
        }
    }

    private func writeMessages(to body: inout JSONWriter) throws(APIError) {
        var chat = ResponseMessages()
        if let value = fields["instructions"] {
            guard let text = value.string else { throw .invalid("instructions", "expected a string, found \(value.kind.rawValue).") }
            chat.add("system", text)
        }
        for item in earlier { try chat.add(item, "previous_response_id") }
        let items = try JSONElement.parsed(Array(input.utf8)).elements.map { Array($0) } ?? []
        for (index, item) in items.enumerated() {
            try chat.add(item, fields["input"]?.kind == .string ? "input" : "input[\(index)]")
        }
        chat.endTurn()
        if chat.isEmpty { throw .invalid("input", "expected at least one item.") }
        body.key("messages"); body.array { list in for message in chat.messages { list.json(message) } }
        // A message of the assistant at the end is a whole one.
        if chat.endsWithAnswer { body["continue_final_message"] = false }
    }

    private func writeTools(to body: inout JSONWriter) throws(APIError) {
        if let value = fields["tools"] {
            guard let tools = value.elements else { throw .invalid("tools", "expected a list, found \(value.kind.rawValue).") }
            body.key("tools")
            try body.array { (list: inout JSONWriter) throws(APIError) in
                for (index, tool) in tools.enumerated() {
                    guard tool["type"]?.isString("function") == true else {
                        throw .invalid("tools[\(index)].type", "expected function: the server has no tools of its own.")
                    }
                    list.object { list in
                        list["type"] = "function"
                        list.key("function")
                        list.object { function in
                            for name in ["name", "description", "parameters", "strict"] {
                                if let value = tool[name], !value.isNull { function.key(name); function.element(value) }
                            }
                        }
                    }
                }
            }
        }
        guard let choice = fields["tool_choice"] else { return }
        body.key("tool_choice")
        if choice.kind == .string { return body.element(choice) }
        guard choice["type"]?.isString("function") == true, let name = choice["name"]?.string else {
            throw .invalid("tool_choice", #"expected none, auto, required, or {"type": "function", "name": …}."#)
        }
        body.object {
            $0["type"] = "function"
            $0.key("function"); $0.object { $0["name"] = name }
        }
    }

    /// The members of a schema's format are in an object of their own in chat completions.
    private func writeFormat(to body: inout JSONWriter) throws(APIError) {
        guard let format = fields["text"]?["format"], !format.isNull else { return }
        body.key("response_format")
        guard format["type"]?.isString("json_schema") == true else { return body.element(format) }
        guard format["schema"]?.kind == .object else { throw .invalid("text.format.schema", "expected a JSON schema.") }
        body.object { object in
            object["type"] = "json_schema"
            object.key("json_schema")
            object.object { schema in
                for name in ["name", "description", "schema", "strict"] {
                    if let value = format[name], !value.isNull { schema.key(name); schema.element(value) }
                }
            }
        }
    }

    /// Templates of models that think have variables for it.
    private func writeReasoning(to body: inout JSONWriter) throws(APIError) {
        guard let reasoning = fields["reasoning"], let effort = reasoning["effort"], !effort.isNull else {
            if let value = fields["chat_template_kwargs"] { body.key("chat_template_kwargs"); body.element(value) }
            return
        }
        guard let text = effort.string, ["none", "minimal", "low", "medium", "high", "xhigh", "max"].contains(text) else {
            throw .invalid("reasoning.effort", "expected none, minimal, low, medium, high, xhigh or max.")
        }
        if fields["chat_template_kwargs"] != nil {
            throw .invalid("chat_template_kwargs", "not supported together with reasoning.effort.")
        }
        body.key("chat_template_kwargs")
        body.object {
            $0["enable_thinking"] = text != "none"
            $0["reasoning_effort"] = text
        }
    }
}

extension JSONElement {
    static func parsed(_ bytes: [UInt8]) throws(APIError) -> JSONElement {
        var parser = JSONParser()
        do throws(JSONError) { return try parser.parse(bytes) } catch { throw APIError(error) }
    }
}

extension APIError {
    /// The same error about a chat completion, with the name that the field has in the Responses API.
    fileprivate var namingResponseField: APIError {
        guard let field else { return self }
        var name = field
        if field.hasPrefix("messages") { name = "input" }
        if field.hasPrefix("tools[") || field.hasPrefix("tool_choice.") { name = field.replacing(".function.", with: ".") }
        for (chat, response) in [
            ("response_format.json_schema", "text.format"), ("response_format", "text.format"),
            ("max_completion_tokens", "max_output_tokens"), ("max_tokens", "max_output_tokens"),
        ] where name.hasPrefix(chat) {
            name = response + name.dropFirst(chat.count)
            break
        }
        var copy = self
        copy.field = name
        if message.hasPrefix(field) { copy.message = name + message.dropFirst(field.count) }
        return copy
    }
}
