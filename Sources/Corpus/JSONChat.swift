import Files
import JSON
import Tokenize

/// The formats with one JSON object per line. Additional keys are ignored.
enum JSONChat {
    /// Parses `{"user": "Hi", "assistant": "Hello!"}`, with the messages before it, if there are any, in `"history"`: these are context.
    static func exchange(_ root: JSONElement) throws(LineError) -> Conversation? {
        let exchange: [Conversation.Message] = [
            .init(.user, try text(root["user"], "user").trimmed), .init(.assistant, try text(root["assistant"], "assistant").trimmed),
        ]
        guard let conversation = try Conversation(checking: exchange, tools: try tools(root)) else { return nil }
        guard let history = root["history"] else { return conversation }
        let context = try messages(history, "history").filter { !$0.isEmpty }.map(\.asContext)
        return Conversation(context + conversation.messages, tools: conversation.tools)
    }

    /// Parses `{"messages": [{"role": "user", "content": "Hi"}, …]}` or the form of a data set, with the functions that the assistant could
    /// call in `"tools"`.
    static func conversation(_ root: JSONElement) throws(LineError) -> Conversation? {
        let messages: [Conversation.Message]
        if let list = root["messages"] { messages = try self.messages(list, "messages") } else { messages = try dataSetMessages(root) }
        return try Conversation(checking: messages, tools: try tools(root))
    }

    static func messages(_ list: JSONElement, _ key: String) throws(LineError) -> [Conversation.Message] {
        guard let elements = list.elements else { throw LineError("\"\(key)\": expected an array, found \(list.kind.rawValue)") }
        var messages: [Conversation.Message] = [], ids = ToolCallIDs()
        for element in elements {
            guard element.kind == .object else { throw LineError("in \"\(key)\": expected an object, found \(element.kind.rawValue)") }
            let role = try role(element["role"])
            let message: Conversation.Message
            if role == .tool {
                let id = try ids.id(ofResult: element["tool_call_id"])
                message = .init(resultOf: id, String(decoding: try content(element["content"]).trimmed, as: UTF8.self))
            } else if role == .assistant, let calls = try calls(element["tool_calls"], &ids) {
                let text = element["content"].map { $0.isNull } ?? true ? [] : try content(element["content"]).trimmed
                message = .init(String(decoding: text, as: UTF8.self), calling: calls)
            } else {
                message = .init(role, try content(element["content"]).trimmed)
            }
            messages.append(try isTrainedOn(element) ? message : message.asContext)
        }
        return messages
    }

    /// The `weight` of a message, 1 or 0, as OpenAI's fine-tuning has it.
    private static func isTrainedOn(_ element: JSONElement) throws(LineError) -> Bool {
        guard let weight = element["weight"], !weight.isNull else { return true }
        guard let value = weight.integer, 0...1 ~= value else { throw LineError(#""weight": expected 0 or 1"#) }
        return value == 1
    }

    // MARK: Tools

    /// A list, or one in a string, as TRL has it. nil if there are none.
    static func tools(_ root: JSONElement) throws(LineError) -> ChatTools? {
        guard var list = root["tools"], !list.isNull else { return nil }
        if let text = list.bytes {
            if text.trimmed.isEmpty { return nil }
            do throws(JSONError) { list = try JSONElement(parsing: text) } catch { throw LineError("\"tools\": \(error.description)") }
        }
        do throws(ToolFieldError) { return try ChatTools(list) } catch {
            throw LineError(sentence: "\"tools\(error.path)\": \(error.reason)")
        }
    }

    private static func calls(_ element: JSONElement?, _ ids: inout ToolCallIDs) throws(LineError) -> [Conversation.IdentifiedToolCall]? {
        guard let element, !element.isNull else { return nil }
        let list: [(id: String?, call: ToolCall)]
        do throws(ToolFieldError) { list = try ToolCall.list(element) } catch {
            throw LineError(sentence: "\"tool_calls\(error.path)\": \(error.reason)")
        }
        return list.isEmpty ? nil : list.map { ids.identified($0.call, $0.id) }
    }

    /// Gives an id to calls that have none, and to their results in the order of the calls. It has nine characters, which the templates of
    /// Mistral require.
    private struct ToolCallIDs {
        private var count = 0
        /// The ids of the calls whose result has not been read.
        private var pending: [String] = []

        mutating func identified(_ call: ToolCall, _ id: String?) -> Conversation.IdentifiedToolCall {
            count += 1
            let id = id ?? "call\(10_000 + count)"
            pending.append(id)
            return .init(id: id, call)
        }

        mutating func id(ofResult element: JSONElement?) throws(LineError) -> String {
            if let element, !element.isNull {
                guard let id = element.string else {
                    throw LineError("\"tool_call_id\": expected a string, found \(element.kind.rawValue)")
                }
                if let index = pending.firstIndex(of: id) { pending.remove(at: index) }
                return id
            }
            guard !pending.isEmpty else { throw LineError(#"a message of the role "tool" without a call before it"#) }
            return pending.removeFirst()
        }
    }

    // MARK: Fields

    private static func role(_ element: JSONElement?) throws(LineError) -> Conversation.Role {
        for role in Conversation.Role.allCases where element?.isString(role.rawValue) ?? false { return role }
        let found = element?.string.map { "\"\($0.prefix(20))\"" } ?? element?.kind.rawValue ?? "nothing"
        throw LineError(#""role": expected "system", "user", "assistant" or "tool", found \#(found)"#)
    }

    /// A string, or an array of text parts.
    static func content(_ element: JSONElement?) throws(LineError) -> [UInt8] {
        guard let parts = element?.elements else { return try text(element, "content") }
        var whole: [UInt8] = []
        for part in parts {
            guard part["type"]?.isString("text") ?? false else {
                let found = (part["type"]?.string).map { "\"\($0.prefix(20))\"" } ?? part.kind.rawValue
                throw LineError(#""content": expected parts of type "text", found \#(found)"#)
            }
            whole += try text(part["text"], "text")
        }
        return whole
    }

    static func text(_ element: JSONElement?, _ key: String) throws(LineError) -> [UInt8] {
        guard let element, let bytes = element.bytes else {
            throw LineError("\"\(key)\": expected a string, found \(element?.kind.rawValue ?? "nothing")")
        }
        guard bytes.firstIndex(of: 0, in: bytes.indices) == nil else { throw LineError("\"\(key)\": a NUL character") }
        return bytes
    }
}
