import HTTPServer
import Infer
import JSON
import Tokenize

/// The fields of a chat request that concern tools.
extension RequestFields {
    private static let maxTools = 128
    private static let maxNameLength = 64

    /// Parses `tools`. nil if there are none, or `tool_choice` is `none`.
    ///
    /// - Parameter messages: Calls and results in them need a template that knows tools, too.
    func tools(for model: ServedModel, _ messages: [ChatMessage]) throws(APIError) -> CompletionRequest.Tools? {
        let hasToolMessages = messages.contains { $0.role == .tool || !$0.toolCalls.isEmpty }
        let list = try toolList()
        if list.isEmpty, !hasToolMessages { return nil }
        let field = list.isEmpty ? "messages" : "tools"
        guard let info = model.modelInfo else { throw .invalid(field, "tools are not supported: the model runs on another server.") }
        guard let format = info.renderer?.toolCallFormat else {
            throw .invalid(field, "not supported: the chat template of \(model.name) has no tools whose calls can be read.")
        }
        if list.isEmpty || self["tool_choice"]?.isString("none") == true { return nil }
        var json = JSONWriter(), names: [String] = []
        json.array { array in for tool in list { array.element(tool.element) } }
        for tool in list { names.append(tool.name) }
        let allowsSeveral = try boolean("parallel_tool_calls") ?? true
        return CompletionRequest.Tools(tools: ChatTools(json: json.bytes, names: names), format: format, allowsSeveral: allowsSeveral)
    }

    private func toolList() throws(APIError) -> [(name: String, element: JSONElement)] {
        guard let value = self["tools"] else { return [] }
        guard let elements = value.elements else { throw .invalid("tools", "expected a list, found \(value.kind.rawValue).") }
        var list: [(name: String, element: JSONElement)] = []
        for element in elements {
            let path = "tools[\(list.count)]"
            guard list.count < Self.maxTools else { throw .invalid("tools", "expected at most \(Self.maxTools) tools.") }
            guard element["type"]?.isString("function") == true, let function = element["function"], function.kind == .object else {
                throw .invalid(path, "expected an object with the type function and the member function.")
            }
            let name = function["name"]?.string ?? ""
            guard (1...Self.maxNameLength).contains(name.utf8.count), name.utf8.allSatisfy({ $0.isNameByte }) else {
                let expected = "expected up to \(Self.maxNameLength) letters, digits, '-', '_' and '.'."
                throw .invalid("\(path).function.name", expected)
            }
            if let parameters = function["parameters"], parameters.kind != .object, !parameters.isNull {
                throw .invalid("\(path).function.parameters", "expected an object, found \(parameters.kind.rawValue).")
            }
            list.append((name, element))
        }
        return list
    }

    /// Parses a message of the role `tool`, or an answer with `tool_calls`. nil for other messages.
    static func toolMessage(_ element: JSONElement, _ path: String) throws(APIError) -> ChatMessage? {
        if element["role"]?.isString("tool") == true {
            guard let id = element["tool_call_id"]?.string else {
                throw .invalid("\(path).tool_call_id", "expected the id of a tool call.")
            }
            return ChatMessage(resultOf: id, try content(element, path, true))
        }
        guard element["role"]?.isString("assistant") == true, let value = element["tool_calls"], !value.isNull else { return nil }
        guard let elements = value.elements else {
            throw .invalid("\(path).tool_calls", "expected a list, found \(value.kind.rawValue).")
        }
        var calls: [Conversation.IdentifiedToolCall] = []
        for element in elements {
            let path = "\(path).tool_calls[\(calls.count)]"
            guard calls.count < maxTools else { throw .invalid("\(path).tool_calls", "expected at most \(maxTools) calls.") }
            calls.append(try toolCall(element, path))
        }
        if calls.isEmpty { return nil }
        let hasContent = element["content"].map { !$0.isNull } ?? false
        return ChatMessage(hasContent ? try content(element, path, true) : "", calling: calls)
    }

    private static func toolCall(_ element: JSONElement, _ path: String) throws(APIError) -> Conversation.IdentifiedToolCall {
        guard let id = element["id"]?.string else { throw .invalid("\(path).id", "expected a string.") }
        guard let name = element["function"]?["name"]?.string else { throw .invalid("\(path).function.name", "expected a string.") }
        let text = element["function"]?["arguments"]?.bytes ?? []
        var parser = JSONParser()
        guard let arguments = try? parser.parse(text.trimmed.isEmpty ? Array("{}".utf8) : text), arguments.kind == .object else {
            throw .invalid("\(path).function.arguments", "expected a JSON object in a string.")
        }
        return .init(id: id, ToolCall(name: name, arguments: arguments.json))
    }
}

extension UInt8 {
    fileprivate var isNameByte: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: [UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: ".")].contains(self)
        }
    }
}
