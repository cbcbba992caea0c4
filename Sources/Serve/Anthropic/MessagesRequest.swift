import JSON
import Tokenize

/// Translates a request to Anthropic's Messages API into one to OpenAI's chat completions, which checks its fields and answers it.
///
///     let chat = try MessagesRequest(fields).chatCompletion()
struct MessagesRequest {
    private let fields: RequestFields

    init(_ fields: RequestFields) { self.fields = fields }

    /// - Parameter countsOnly: Whether only the prompt matters, so that `max_tokens` may be missing.
    func chatCompletion(countsOnly: Bool = false) throws(APIError) -> RequestFields {
        let maxTokens = try fields.integer("max_tokens")
        if !countsOnly {
            guard let maxTokens else { throw .invalid("max_tokens", "expected an integer, found nothing.") }
            if maxTokens < 1 { throw .invalid("max_tokens", "expected at least 1, found \(maxTokens).") }
        }
        var body = JSONWriter()
        try body.object { (body: inout JSONWriter) throws(APIError) in
            for (name, translated) in Self.sameFields {
                if let value = fields[name] { body.element(translated, value) }
            }
            try body.array("messages") { (list: inout JSONWriter) throws(APIError) in
                if let system = fields["system"] { Self.write("system", try Self.text(system, "system"), to: &list) }
                try writeMessages(to: &list)
            }
            try writeTools(to: &body)
            try writeThinking(to: &body)
            try writeEffort(to: &body)
            try writeFormat(to: &body)
        }
        return RequestFields(try JSONElement.parsed(body.bytes))
    }

    /// Fields that differ in nothing but their names.
    private static let sameFields = [
        ("model", "model"), ("max_tokens", "max_tokens"), ("stop_sequences", "stop"), ("temperature", "temperature"), ("top_p", "top_p"),
        ("top_k", "top_k"), ("stream", "stream"),
    ]

    /// The name that a field of a chat completion has in the Messages API.
    static func name(of field: String) -> String {
        // The messages of the chat have other numbers: the system prompt and the results of tools are some of them.
        if field.hasPrefix("messages[") { return "messages" }
        if field.hasPrefix("tools[") {
            let schema = field.replacing(".function.parameters", with: ".input_schema", maxReplacements: 1)
            return schema != field ? schema : field.replacing(".function", with: "", maxReplacements: 1)
        }
        for format in ["response_format.json_schema", "response_format"] where field.hasPrefix(format) {
            return "output_config.format" + field.dropFirst(format.count)
        }
        return [
            "stop": "stop_sequences", "tool_choice.function.name": "tool_choice.name", "chat_template_kwargs": "thinking",
            "reasoning_effort": "output_config.effort",
        ][field] ?? field
    }

    // MARK: Messages

    private func writeMessages(to list: inout JSONWriter) throws(APIError) {
        guard let messages = try fields.list("messages") else { throw .invalid("messages", "expected a list of messages, found nothing.") }
        var count = 0
        for message in messages {
            let path = "messages[\(count)]"
            guard let content = message["content"] else {
                throw .invalid("\(path).content", "expected a string or a list of content blocks, found nothing.")
            }
            switch message["role"]?.string {
            case "user": try Self.writeUser(content, "\(path).content", to: &list)
            case "assistant": try Self.writeAssistant(content, "\(path).content", to: &list)
            default: throw .invalid("\(path).role", "expected user or assistant.")
            }
            count += 1
        }
        if count == 0 { throw .invalid("messages", "expected at least one message.") }
    }

    /// The results of tools are messages of their own.
    private static func writeUser(_ content: JSONElement, _ path: String, to list: inout JSONWriter) throws(APIError) {
        var texts: [String] = [], hasMessage = false
        for (block, path) in try blocks(content, path) {
            switch kind(of: block) {
            case "text", "document": texts.append(try text(ofBlock: block, path))
            case "tool_result":
                if !texts.isEmpty { write("user", texts.joined(separator: "\n"), to: &list) }
                texts = []
                hasMessage = true
                guard let id = block["tool_use_id"]?.string else {
                    throw .invalid("\(path).tool_use_id", "expected the id of a tool_use block.")
                }
                let result = try block["content"].map { content throws(APIError) in
                    try text(content, "\(path).content", ["text", "document"])
                } ?? ""
                list.object {
                    $0["role"] = "tool"
                    $0["tool_call_id"] = id
                    $0["content"] = block["is_error"]?.boolean == true ? "Error: " + result : result
                }
            default: throw .invalid("\(path).type", "expected text, document or tool_result: this model reads nothing else.")
            }
        }
        if !texts.isEmpty || !hasMessage { write("user", texts.joined(separator: "\n"), to: &list) }
    }

    private static func writeAssistant(_ content: JSONElement, _ path: String, to list: inout JSONWriter) throws(APIError) {
        var texts: [String] = [], thoughts: [String] = [], calls: [(id: String, name: String, input: JSONElement)] = []
        for (block, path) in try blocks(content, path) {
            switch kind(of: block) {
            case "text": texts.append(try text(ofBlock: block, path))
            case "thinking": if let text = block["thinking"]?.string, !text.isEmpty { thoughts.append(text) }
            case "redacted_thinking": break
            case "tool_use":
                guard let id = block["id"]?.string else { throw .invalid("\(path).id", "expected a string.") }
                guard let name = block["name"]?.string else { throw .invalid("\(path).name", "expected a string.") }
                guard let input = block["input"], input.kind == .object else { throw .invalid("\(path).input", "expected an object.") }
                calls.append((id, name, input))
            default: throw .invalid("\(path).type", "expected text, thinking or tool_use.")
            }
        }
        list.object { message in
            message["role"] = "assistant"
            message["content"] = texts.joined(separator: "\n")
            if !thoughts.isEmpty { message["reasoning_content"] = thoughts.joined(separator: "\n") }
            if calls.isEmpty { return }
            message.array("tool_calls") { list in
                for (id, name, input) in calls { list.toolCall(.init(name: name, arguments: input.json), id: id) }
            }
        }
    }

    private static func write(_ role: String, _ text: String, to list: inout JSONWriter) {
        list.object { $0["role"] = role; $0["content"] = text }
    }

    /// The text of a string or of a list of blocks of these kinds.
    private static func text(_ content: JSONElement, _ path: String, _ kinds: [String] = ["text"]) throws(APIError) -> String {
        var texts: [String] = []
        for (block, path) in try blocks(content, path) {
            guard let kind = kind(of: block), kinds.contains(kind) else {
                throw .invalid("\(path).type", "expected \(kinds.joined(separator: " or ")): this model reads nothing else.")
            }
            texts.append(try text(ofBlock: block, path))
        }
        return texts.joined(separator: "\n")
    }

    private static func kind(of block: JSONElement) -> String? { block.kind == .string ? "text" : block["type"]?.string }

    /// A string is one text block.
    private static func blocks(_ content: JSONElement, _ path: String) throws(APIError) -> [(block: JSONElement, path: String)] {
        if content.kind == .string { return [(content, path)] }
        guard let elements = content.elements else {
            throw .invalid(path, "expected a string or a list of content blocks, found \(content.kind.rawValue).")
        }
        return elements.enumerated().map { ($1, "\(path)[\($0)]") }
    }

    private static func text(ofBlock block: JSONElement, _ path: String) throws(APIError) -> String {
        if kind(of: block) == "document" { return try text(ofDocument: block, path) }
        guard let text = block.string ?? block["text"]?.string else { throw .invalid("\(path).text", "expected a string.") }
        return text
    }

    /// The text of a document below its title and what the client says about it.
    private static func text(ofDocument block: JSONElement, _ path: String) throws(APIError) -> String {
        let source = block["source"], path = "\(path).source", text: String
        switch source?["type"]?.string {
        case "text":
            guard let data = source?["data"]?.string else { throw .invalid("\(path).data", "expected a string.") }
            text = data
        case "content":
            guard let content = source?["content"] else { throw .invalid("\(path).content", "expected a string or text blocks.") }
            text = try self.text(content, "\(path).content")
        default: throw .invalid("\(path).type", "expected text or content: other files are not read here.")
        }
        let heading = ["title", "context"].compactMap { block[$0]?.string }.filter { !$0.isEmpty }
        return (heading + [text]).joined(separator: "\n")
    }

    // MARK: Tools and thoughts

    private func writeTools(to body: inout JSONWriter) throws(APIError) {
        guard let tools = try fields.list("tools") else { return }
        try body.array("tools") { (list: inout JSONWriter) throws(APIError) in
            for (index, tool) in tools.enumerated() {
                if let type = tool["type"], !type.isNull, !type.isString("custom") {
                    throw .invalid("tools[\(index)].type", "expected custom: the server has no tools of its own.")
                }
                list.object { list in
                    list["type"] = "function"
                    list.object("function") { function in
                        for (name, translated) in [("name", "name"), ("description", "description"), ("input_schema", "parameters")] {
                            if let value = tool[name] { function.element(translated, value) }
                        }
                    }
                }
            }
        }
        guard let choice = fields["tool_choice"] else { return }
        body.key("tool_choice")
        switch choice["type"]?.string {
        case "auto": body.string("auto")
        case "none": body.string("none")
        case "any": body.string("required")
        case "tool":
            guard let name = choice["name"]?.string else { throw .invalid("tool_choice.name", "expected the name of one of the tools.") }
            body.object {
                $0["type"] = "function"
                $0.object("function") { $0["name"] = name }
            }
        default: throw .invalid("tool_choice.type", "expected auto, any, tool or none.")
        }
        if choice["disable_parallel_tool_use"]?.boolean == true { body["parallel_tool_calls"] = false }
    }

    /// Whether the client gets the text of thoughts.
    var showsThoughts: Bool {
        get throws(APIError) {
            guard let display = fields["thinking"]?["display"], !display.isNull else { return true }
            switch display.string {
            case "summarized": return true
            case "omitted": return false
            default: throw .invalid("thinking.display", "expected summarized or omitted.")
            }
        }
    }

    /// Templates of models that think have a variable for it. How many tokens a thought may have (`budget_tokens`), the model decides.
    private func writeThinking(to body: inout JSONWriter) throws(APIError) {
        guard let thinking = fields["thinking"] else { return }
        _ = try showsThoughts
        let isEnabled: Bool
        switch thinking["type"]?.string {
        case "enabled", "adaptive": isEnabled = true
        case "disabled": isEnabled = false
        default: throw .invalid("thinking.type", "expected enabled, adaptive or disabled.")
        }
        body.object("chat_template_kwargs") { $0["enable_thinking"] = isEnabled }
    }

    /// Some templates have a variable for a level.
    private func writeEffort(to body: inout JSONWriter) throws(APIError) {
        guard let effort = try fields.object("output_config")?["effort"] else { return }
        guard let level = effort.string, ["low", "medium", "high", "xhigh", "max"].contains(level) else {
            throw .invalid("output_config.effort", "expected low, medium, high, xhigh or max.")
        }
        body["reasoning_effort"] = level
    }

    private func writeFormat(to body: inout JSONWriter) throws(APIError) {
        guard let format = try fields.object("output_config")?["format"] else { return }
        guard format["type"]?.isString("json_schema") == true else { throw .invalid("output_config.format.type", "expected json_schema.") }
        guard let schema = format["schema"], schema.kind == .object else {
            throw .invalid("output_config.format.schema", "expected a JSON schema.")
        }
        body.object("response_format") { response in
            response["type"] = "json_schema"
            response.object("json_schema") { $0["name"] = "answer"; $0.element("schema", schema) }
        }
    }
}
