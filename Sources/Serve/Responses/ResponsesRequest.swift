import HTTPServer
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
    /// The items of the request, in which references are replaced; none for a text.
    private let items: [JSONElement]
    /// The items as a JSON array. A text is the message of a user.
    let input: String
    /// What the tools `file_search` search, as `documents` names it, and the most passages that one of them allows; nil for the server's.
    let fileSearch: (stores: [String], passageLimit: Int?)

    /// - Parameters:
    ///   - earlier: The items of the responses that this one continues, the oldest first.
    ///   - stored: Finds a stored item by its id.
    init(
        _ fields: RequestFields, after earlier: [JSONElement] = [], stored: (_ id: String) throws(APIError) -> JSONElement? = { _ in nil }
    ) throws(APIError) {
        self.fields = fields
        self.earlier = earlier
        var writer = JSONWriter(), resolved: [JSONElement] = []
        if let text = fields["input"]?.string {
            writer.array { list in list.object { $0["role"] = "user"; $0["content"] = text } }
        } else if let items = fields["input"]?.elements {
            try writer.array { (list: inout JSONWriter) throws(APIError) in
                for (index, item) in items.enumerated() {
                    resolved.append(try Self.resolved(item, "input[\(index)]", stored))
                    list.element(resolved[index])
                    // A short reference may stand for a long item, many times.
                    if list.bytes.count > Route.BodyLimit.text.rawValue {
                        let message = "input: expected at most \(Route.BodyLimit.text.rawValue) bytes with the items that references name."
                        throw APIError(status: .contentTooLarge, code: "too_large", message: message, field: "input")
                    }
                }
            }
        } else {
            let found = fields["input"]?.kind.rawValue ?? "nothing"
            throw .invalid("input", "expected a string or a list of items, found \(found).")
        }
        items = resolved
        input = writer.text
        fileSearch = try Self.fileSearch(fields)
    }

    /// The item that a reference names, and any other item itself.
    private static func resolved(
        _ item: JSONElement, _ path: String, _ stored: (_ id: String) throws(APIError) -> JSONElement?
    ) throws(APIError) -> JSONElement {
        guard StoredItem.isReference(item) else { return item }
        guard let id = item["id"]?.string else { throw .invalid("\(path).id", "expected the id of an item.") }
        if let found = try stored(id) { return found }
        let reason = "item not found: expected one of a response that is stored for the account of the API key."
        throw APIError(status: .notFound, code: "item_not_found", message: "\(path).id: \(reason)", field: "\(path).id")
    }

    /// The request for the answer. Errors name the fields of the Responses API.
    ///
    /// - Parameter documents: Those that the client may read.
    func completion(for model: ServedModel, _ documents: ReadableDocuments) throws(APIError) -> CompletionRequest {
        try fields.rejectUnsupported(UnsupportedField.responses)
        _ = try fields.boolean("parallel_tool_calls")
        for name in ["metadata", "reasoning", "text"] { _ = try fields.object(name) }
        let chat = try chatCompletion()
        do throws(APIError) { return try CompletionRequest(chat: chat, for: model, maxAnswers: 1, documents) } catch {
            throw error.renamed(name(of:))
        }
    }

    private func chatCompletion() throws(APIError) -> RequestFields {
        var body = JSONWriter()
        try body.object { (body: inout JSONWriter) throws(APIError) in
            for name in Self.sameFields {
                if let value = fields[name] { body.element(name, value) }
            }
            if let value = fields["max_output_tokens"] { body.element("max_completion_tokens", value) }
            if try asksForLogProbabilities { body["logprobs"] = true }
            try writeMessages(to: &body)
            try writeTools(to: &body)
            try writeFormat(to: &body)
            if let effort = fields["reasoning"]?["effort"], !effort.isNull { body.element("reasoning_effort", effort) }
        }
        return RequestFields(try JSONElement.parsed(body.bytes))
    }

    private static let sameFields = [
        "model", "temperature", "top_p", "top_logprobs", "stream", "truncation", "user", "parallel_tool_calls",
        // Fields of chat completions, and of other servers.
        "top_k", "min_p", "repetition_penalty", "frequency_penalty", "presence_penalty", "seed", "stop", "logit_bias", "ignore_eos",
        "reasoning_format", "chat_template_kwargs",
    ]

    private var asksForLogProbabilities: Bool {
        get throws(APIError) {
            let includes = try fields.list("include")?.contains { $0.isString("message.output_text.logprobs") } ?? false
            return includes || fields["top_logprobs"] != nil
        }
    }

    private func writeMessages(to body: inout JSONWriter) throws(APIError) {
        var chat = ResponseMessages()
        if let value = fields["instructions"] {
            guard let text = value.string else { throw .invalid("instructions", "expected a string, found \(value.kind.rawValue).") }
            chat.add("system", text)
        }
        for item in earlier { try chat.add(item, "previous_response_id") }
        if let text = fields["input"]?.string { chat.add("user", text) }
        for (index, item) in items.enumerated() { try chat.add(item, "input[\(index)]") }
        chat.endTurn()
        if chat.isEmpty { throw .invalid("input", "expected at least one item.") }
        body.array("messages") { list in for message in chat.messages { list.json(message) } }
        // Results of calls are not searched for.
        if !fileSearch.stores.isEmpty, chat.endsWithQuestion {
            body["documents"] = fileSearch.stores
            if let limit = fileSearch.passageLimit { body["max_passages"] = limit }
        }
        // A message of the assistant at the end is a whole one.
        if chat.endsWithAnswer { body["continue_final_message"] = false }
    }

    /// Writes the tools that the answer may call: the model sees no others.
    private func writeTools(to body: inout JSONWriter) throws(APIError) {
        let tools = tools
        if try fields.list("tools") != nil {
            for (index, tool) in tools.enumerated() where tool["type"]?.isString("function") != true && !Self.searchesFiles(tool) {
                throw .invalid("tools[\(index)].type", "expected function or file_search: the server has no other tools of its own.")
            }
            body.objects("tools", try functions) { index, tool in
                tool["type"] = "function"
                tool.object("function") { Self.copy(["name", "description", "parameters", "strict"], of: tools[index], to: &$0) }
            }
        }
        // A search needs no call of the model.
        let hasFunctions = try !functions.isEmpty
        guard let choice = fields["tool_choice"], !Self.searchesFiles(choice), hasFunctions || tools.isEmpty else { return }
        body.key("tool_choice")
        if choice.kind == .string { return body.element(choice) }
        if try allowedTools != nil {
            guard let mode = choice["mode"], mode.isString("auto") || mode.isString("required") else {
                throw .invalid("tool_choice.mode", "expected auto or required.")
            }
            return body.element(mode)
        }
        guard choice["type"]?.isString("function") == true, let name = choice["name"]?.string else {
            let forms = #"{"type": "function", "name": …} or {"type": "allowed_tools", "mode": …, "tools": …}"#
            throw .invalid("tool_choice", "expected none, auto, required, \(forms).")
        }
        body.object {
            $0["type"] = "function"
            $0.object("function") { $0["name"] = name }
        }
    }

    /// The functions that the model may call, by the indices of their tools.
    private var functions: [Int] {
        get throws(APIError) {
            let tools = tools
            return try (allowedTools ?? Array(tools.indices)).filter { !Self.searchesFiles(tools[$0]) }
        }
    }

    private static func fileSearch(_ fields: RequestFields) throws(APIError) -> (stores: [String], passageLimit: Int?) {
        var stores: [String] = [], limit: Int?
        if fields["tool_choice"]?.isString("none") == true { return (stores, limit) }
        for (index, tool) in tools(fields).enumerated() where searchesFiles(tool) {
            do throws(APIError) {
                let search = RequestFields(tool)
                try search.rejectUnsupported(UnsupportedField.vectorStoreSearch)
                let number = try search.integer("max_num_results", 1...ServedDocuments.mostPassages)
                limit = number.map { min(limit ?? $0, $0) } ?? limit
            } catch { throw error.renamed { "tools[\(index)].\($0)" } }
            for store in tool["vector_store_ids"]?.elements.map({ Array($0) }) ?? [] {
                guard let id = store.string else { throw .invalid("tools[\(index)].vector_store_ids", "expected a list of ids.") }
                stores.append(VectorStoreService.documents(ofStore: id))
            }
            if stores.isEmpty { throw .invalid("tools[\(index)].vector_store_ids", "expected at least one id.") }
        }
        return (stores, limit)
    }

    private var tools: [JSONElement] { Self.tools(fields) }

    private static func tools(_ fields: RequestFields) -> [JSONElement] { fields["tools"]?.elements.map { Array($0) } ?? [] }

    private static func searchesFiles(_ tool: JSONElement) -> Bool { tool["type"]?.isString("file_search") == true }

    /// The tools that `tool_choice` allows, by their indices; nil if it has no list of them.
    private var allowedTools: [Int]? {
        get throws(APIError) {
            guard let choice = fields["tool_choice"], choice["type"]?.isString("allowed_tools") == true else { return nil }
            let names = fields["tools"]?.elements?.map { $0["name"]?.string } ?? []
            guard let list = choice["tools"]?.elements.map({ Array($0) }), !list.isEmpty else {
                throw .invalid("tool_choice.tools", "expected a list of at least one tool.")
            }
            var allowed: Set<Int> = []
            for (position, tool) in list.enumerated() {
                guard let name = tool["name"]?.string, let index = names.firstIndex(of: name) else {
                    throw .invalid("tool_choice.tools[\(position)].name", "expected the name of one of the tools.")
                }
                allowed.insert(index)
            }
            return allowed.sorted()
        }
    }

    /// Copies the members that an object has.
    private static func copy(_ names: [String], of object: JSONElement, to copy: inout JSONWriter) {
        for name in names { if let value = object[name], !value.isNull { copy.element(name, value) } }
    }

    /// The members of a schema's format are in an object of their own in chat completions.
    private func writeFormat(to body: inout JSONWriter) throws(APIError) {
        guard let format = fields["text"]?["format"], !format.isNull else { return }
        body.key("response_format")
        guard format["type"]?.isString("json_schema") == true else { return body.element(format) }
        guard format["schema"]?.kind == .object else { throw .invalid("text.format.schema", "expected a JSON schema.") }
        body.object { object in
            object["type"] = "json_schema"
            object.object("json_schema") { Self.copy(["name", "description", "schema", "strict"], of: format, to: &$0) }
        }
    }
}

extension JSONElement {
    static func parsed(_ bytes: [UInt8]) throws(APIError) -> JSONElement {
        do throws(JSONError) { return try JSONElement(parsing: bytes) } catch { throw APIError(error) }
    }
}

extension ResponsesRequest {
    /// The name that a field of a chat completion has in the Responses API.
    private func name(of field: String) -> String {
        if field.hasPrefix("messages") { return "input" }
        if field == "documents" || field == "max_passages" { return "tools" }
        if field.hasPrefix("tool_choice.") { return field.replacing(".function.", with: ".") }
        if field.hasPrefix("tools["), let end = field.firstIndex(of: "]") {
            let number = Int(field[..<end].dropFirst("tools[".count)) ?? 0, functions = (try? functions) ?? []
            let index = functions.indices.contains(number) ? functions[number] : number
            return "tools[\(index)]" + field[end...].dropFirst().replacing(".function.", with: ".", maxReplacements: 1)
        }
        for (chat, response) in [
            ("response_format.json_schema", "text.format"), ("response_format", "text.format"),
            ("max_completion_tokens", "max_output_tokens"), ("max_tokens", "max_output_tokens"), ("reasoning_effort", "reasoning.effort"),
        ] where field.hasPrefix(chat) { return response + field.dropFirst(chat.count) }
        return field
    }
}
