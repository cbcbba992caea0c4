import JSON
import Tokenize

/// Makes the messages of a chat from the items of OpenAI's Responses API.
///
///     var chat = ResponseMessages()
///     for item in items { try chat.add(item, "input[0]") }
///     chat.endTurn()
///
/// Thoughts, text and calls of the assistant are items of their own, which together are one message of the chat.
struct ResponseMessages {
    private struct Turn {
        var reasoning: [String] = []
        var content: String?
        var calls: [(id: String, call: ToolCall)] = []

        var isEmpty: Bool { reasoning.isEmpty && content == nil && calls.isEmpty }
    }

    /// JSON objects.
    private(set) var messages: [String] = []
    /// Whether the last message is an answer without calls.
    private(set) var endsWithAnswer = false
    /// Whether the last message is a user's.
    private(set) var endsWithQuestion = false
    /// What the assistant has said since the last message.
    private var turn = Turn()

    var isEmpty: Bool { messages.isEmpty }

    /// - Parameter path: The name of the item in errors.
    mutating func add(_ item: JSONElement, _ path: String) throws(APIError) {
        guard item.kind == .object else { throw .invalid(path, "expected an object, found \(item.kind.rawValue).") }
        let type = item["type"].flatMap { $0.isNull ? nil : $0 }
        switch type.map({ $0.string ?? "" }) ?? "message" {
        case "message": try addMessage(item, path)
        case "reasoning": try addReasoning(item, path)
        case "function_call": try addCall(item, path)
        case "file_search_call": break
        case "function_call_output":
            let id = try Self.string("call_id", of: item, path)
            let output = try Self.text(item["output"], "\(path).output")
            endTurn()
            messages.append(Self.object {
                $0["role"] = "tool"
                $0["tool_call_id"] = id
                $0["content"] = output
            })
            endsWithAnswer = false
            endsWithQuestion = false
        default:
            throw .invalid("\(path).type", "expected message, reasoning, function_call, function_call_output or file_search_call.")
        }
    }

    mutating func add(_ role: String, _ text: String) {
        endTurn()
        messages.append(Self.object { $0["role"] = role; $0["content"] = text })
        endsWithAnswer = false
        endsWithQuestion = role == "user"
    }

    /// Writes what the assistant has said since the last message.
    mutating func endTurn() {
        if turn.isEmpty { return }
        messages.append(Self.object { message in
            message["role"] = "assistant"
            message["content"] = turn.content ?? ""
            if !turn.reasoning.isEmpty { message["reasoning_content"] = turn.reasoning.joined(separator: "\n") }
            if turn.calls.isEmpty { return }
            message.array("tool_calls") { list in for (id, call) in turn.calls { list.toolCall(call, id: id) } }
        })
        endsWithAnswer = turn.calls.isEmpty
        endsWithQuestion = false
        turn = Turn()
    }

    private mutating func addMessage(_ item: JSONElement, _ path: String) throws(APIError) {
        guard let role = item["role"]?.string, ["user", "assistant", "system", "developer"].contains(role) else {
            throw .invalid("\(path).role", "expected user, assistant, system or developer.")
        }
        let text = try Self.text(item["content"], "\(path).content")
        guard role == "assistant" else { return add(role, text) }
        if turn.content != nil || !turn.calls.isEmpty { endTurn() }
        turn.content = text
    }

    /// The text of a thought is in `content`, or there is only a summary of it.
    private mutating func addReasoning(_ item: JSONElement, _ path: String) throws(APIError) {
        if turn.content != nil || !turn.calls.isEmpty { endTurn() }
        for name in ["content", "summary"] {
            let parts = item[name]?.elements.map { Array($0) } ?? []
            if parts.isEmpty { continue }
            for (i, part) in parts.enumerated() {
                turn.reasoning.append(try Self.string("text", of: part, "\(path).\(name)[\(i)]"))
            }
            return
        }
    }

    private mutating func addCall(_ item: JSONElement, _ path: String) throws(APIError) {
        let id = try Self.string("call_id", of: item, path), name = try Self.string("name", of: item, path)
        let text = try Self.string("arguments", of: item, path), arguments = text.isEmpty ? "{}" : text
        guard let object = try? JSONElement.parsed(Array(arguments.utf8)), object.kind == .object else {
            throw .invalid("\(path).arguments", "expected a JSON object as a string.")
        }
        turn.calls.append((id, ToolCall(name: name, arguments: object.json)))
    }

    private static func string(_ name: String, of item: JSONElement, _ path: String) throws(APIError) -> String {
        guard let text = item[name]?.string else {
            throw .invalid("\(path).\(name)", "expected a string, found \(item[name]?.kind.rawValue ?? "nothing").")
        }
        return text
    }

    /// A string, or the text of a list of parts.
    private static func text(_ content: JSONElement?, _ path: String) throws(APIError) -> String {
        if let text = content?.string { return try checked(text, path) }
        guard let parts = content?.elements else {
            throw .invalid(path, "expected a string or a list of parts, found \(content?.kind.rawValue ?? "nothing").")
        }
        var joined = ""
        for (i, part) in parts.enumerated() {
            switch part["type"]?.string {
            case "input_text", "output_text", "text": joined += try string("text", of: part, "\(path)[\(i)]")
            case "refusal": joined += try string("refusal", of: part, "\(path)[\(i)]")
            default: throw .invalid("\(path)[\(i)].type", "expected input_text or output_text: this model reads nothing else.")
            }
        }
        return try checked(joined, path)
    }

    private static func checked(_ text: String, _ path: String) throws(APIError) -> String {
        let most = RequestFields.maxPromptLength
        guard text.unicodeScalars.count <= most else { throw .invalid(path, "expected at most \(most) characters.") }
        return text
    }

    private static func object(_ body: (inout JSONWriter) -> Void) -> String {
        var writer = JSONWriter()
        writer.object(body)
        return writer.text
    }
}
