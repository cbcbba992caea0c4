import Files
import JSON
import Tokenize

/// The formats with one JSON object per line. Additional keys are ignored.
enum JSONChat {
    /// Parses `{"user": "Hi", "assistant": "Hello!"}`, with the messages before it, if there are any, in `"history"`: these are context.
    static func exchange(_ root: JSONElement) throws(LineError) -> Conversation? {
        guard root.kind == .object else { throw LineError("expected an object, found \(root.kind.rawValue)") }
        let exchange: [Conversation.Message] = [
            .init(.user, try text(root["user"], "user").trimmed), .init(.assistant, try text(root["assistant"], "assistant").trimmed),
        ]
        guard let conversation = try Conversation(checking: exchange) else { return nil }
        if root["history"] == nil { return conversation }
        var context: [Conversation.Message] = []
        for message in try messages(root["history"], "history") where !message.text.isEmpty {
            context.append(Conversation.Message(message.role, message.text, isContext: true))
        }
        return Conversation(context + conversation.messages)
    }

    /// Parses `{"messages": [{"role": "user", "content": "Hi"}, …]}`.
    static func conversation(_ root: JSONElement) throws(LineError) -> Conversation? {
        guard root.kind == .object else { throw LineError("expected an object, found \(root.kind.rawValue)") }
        return try Conversation(checking: try messages(root["messages"], "messages"))
    }

    static func messages(_ list: JSONElement?, _ key: String) throws(LineError) -> [Conversation.Message] {
        guard let list else { throw LineError("expected \"\(key)\", found nothing") }
        guard let elements = list.elements else { throw LineError("\"\(key)\": expected an array, found \(list.kind.rawValue)") }
        var messages: [Conversation.Message] = []
        for element in elements {
            guard element.kind == .object else { throw LineError("in \"\(key)\": expected an object, found \(element.kind.rawValue)") }
            messages.append(.init(try role(element["role"]), try content(element["content"]).trimmed))
        }
        return messages
    }

    private static func role(_ element: JSONElement?) throws(LineError) -> Conversation.Role {
        for role in [Conversation.Role.user, .assistant, .system] where element?.isString(role.rawValue) ?? false { return role }
        let found = element?.string.map { "\"\($0.prefix(20))\"" } ?? element?.kind.rawValue ?? "nothing"
        throw LineError(#""role": expected "system", "user" or "assistant", found \#(found)"#)
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
