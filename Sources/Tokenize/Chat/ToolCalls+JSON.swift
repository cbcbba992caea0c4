import Files
package import JSON

/// What is wrong with tools or calls in the form of OpenAI's API.
package struct ToolFieldError: Error, Equatable {
    /// Inside of the element that was read, such as `[0].function.name`.
    package let path: String
    package let reason: String
}

extension ChatTools {
    private static let maxTools = 128
    private static let maxNameLength = 64

    /// Reads a list such as `[{"type": "function", "function": {"name": "weather", "parameters": {…}}}]`. nil if it is empty.
    package init?(_ list: JSONElement) throws(ToolFieldError) {
        guard let elements = list.elements else {
            throw ToolFieldError(path: "", reason: "expected a list, found \(list.kind.rawValue).")
        }
        var json = JSONWriter(), names: [String] = []
        try json.array { array throws(ToolFieldError) in
            for element in elements {
                names.append(try Self.name(of: element, at: names.count))
                array.element(element)
            }
        }
        if names.isEmpty { return nil }
        self.init(json: json.bytes, names: names)
    }

    /// Those with certain names.
    package func only(_ allowed: Set<String>) -> ChatTools {
        let list = (try? JSONElement(parsing: json))?.elements.map { Array($0) } ?? []
        var writer = JSONWriter()
        writer.array { array in
            for (name, tool) in zip(names, list) where allowed.contains(name) { array.element(tool) }
        }
        return ChatTools(json: writer.bytes, names: names.filter(allowed.contains))
    }

    private static func name(of tool: JSONElement, at index: Int) throws(ToolFieldError) -> String {
        guard index < maxTools else { throw ToolFieldError(path: "", reason: "expected at most \(maxTools) tools.") }
        guard tool["type"]?.isString("function") == true, let function = tool["function"], function.kind == .object else {
            throw ToolFieldError(path: "[\(index)]", reason: "expected an object with the type function and the member function.")
        }
        let name = function["name"]?.string ?? ""
        guard (1...maxNameLength).contains(name.utf8.count), name.utf8.allSatisfy({ $0.isNameByte }) else {
            let expected = "expected up to \(maxNameLength) letters, digits, '-', '_' and '.'."
            throw ToolFieldError(path: "[\(index)].function.name", reason: expected)
        }
        if let parameters = function["parameters"], parameters.kind != .object, !parameters.isNull {
            let found = parameters.kind.rawValue
            throw ToolFieldError(path: "[\(index)].function.parameters", reason: "expected an object, found \(found).")
        }
        return name
    }
}

extension ToolCall {
    /// The most calls in one message.
    package static let maxCalls = 128

    /// Reads the `tool_calls` of a message: `[{"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{…}"}}]`.
    /// The arguments may also be an object, as in data sets of Hugging Face, where calls often have no id.
    package static func list(_ list: JSONElement) throws(ToolFieldError) -> [(id: String?, call: ToolCall)] {
        guard let elements = list.elements else {
            throw ToolFieldError(path: "", reason: "expected a list, found \(list.kind.rawValue).")
        }
        var calls: [(id: String?, call: ToolCall)] = []
        for element in elements {
            guard calls.count < maxCalls else { throw ToolFieldError(path: "", reason: "expected at most \(maxCalls) calls.") }
            let path = "[\(calls.count)]"
            guard let function = element["function"], let name = function["name"]?.string else {
                throw ToolFieldError(path: "\(path).function.name", reason: "expected a string.")
            }
            guard let arguments = arguments(function["arguments"]) else {
                throw ToolFieldError(path: "\(path).function.arguments", reason: "expected a JSON object, or one in a string.")
            }
            if let id = element["id"], !id.isNull, id.string == nil {
                throw ToolFieldError(path: "\(path).id", reason: "expected a string, found \(id.kind.rawValue).")
            }
            calls.append((element["id"]?.string, ToolCall(name: name, arguments: arguments)))
        }
        return calls
    }

    private static func arguments(_ element: JSONElement?) -> [UInt8]? {
        guard let element, !element.isNull else { return Array("{}".utf8) }
        if element.kind == .object { return element.json }
        guard let text = element.bytes else { return nil }
        if text.trimmed.isEmpty { return Array("{}".utf8) }
        guard let object = try? JSONElement(parsing: text), object.kind == .object else { return nil }
        return object.json
    }
}

extension UInt8 {
    fileprivate var isNameByte: Bool { isLetterOrDigit || [UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: ".")].contains(self) }
}

extension JSONWriter {
    /// A call as a message to OpenAI's API has it.
    ///
    /// - Parameter index: The call's place in a streamed answer.
    package mutating func toolCall(_ call: ToolCall, id: String, index: Int? = nil) {
        object {
            if let index { $0["index"] = index }
            $0["id"] = id
            $0["type"] = "function"
            $0.object("function") {
                $0["name"] = call.name
                $0["arguments"] = call.arguments
            }
        }
    }
}
