import JSON
import Tokenize

/// A message of a chat, as the chat template renders it. (`Message` is one in the store.)
typealias ChatMessage = Conversation.Message

extension RequestFields {
    /// In Unicode code points.
    static let maxTextLength = 100_000
    /// The limit of the OpenAI routes and the tokenizer, also in token ids. The context limits prompts before this does.
    static let maxPromptLength = 1_000_000
    private static let maxMessages = 1_000

    /// Parses a list of objects with `role` and `content`.
    ///
    /// - Parameter isOpenAI: Also accepts a list of text parts as content, the role `developer` (system), tool calls and their results, and
    ///   ignores other members.
    func messages(_ name: String, isOpenAI: Bool = false) throws(APIError) -> [ChatMessage]? {
        guard let elements = try list(name) else { return nil }
        var messages: [ChatMessage] = []
        for element in elements {
            let path = "\(name)[\(messages.count)]"
            guard messages.count < Self.maxMessages else { throw .invalid(name, "expected at most \(Self.maxMessages) messages.") }
            guard let members = element.members else { throw .invalid(path, "expected an object, found \(element.kind.rawValue).") }
            if !isOpenAI, let other = members.lazy.compactMap(\.key.string).first(where: { $0 != "role" && $0 != "content" }) {
                throw .invalid("\(path).\(other.prefix(64))", "unknown field.")
            }
            var message = try isOpenAI ? Self.toolMessage(element, path) : nil
            if message == nil { message = ChatMessage(try Self.role(element, path, isOpenAI), try Self.content(element, path, isOpenAI)) }
            if isOpenAI, message?.role == .assistant { message?.reasoning = try Self.reasoning(element, path) }
            if let message { messages.append(message) }
        }
        return messages
    }

    private static func role(_ element: JSONElement, _ path: String, _ isOpenAI: Bool) throws(APIError) -> Conversation.Role {
        let text = element["role"]?.string
        if isOpenAI, text == "developer" { return .system }
        guard let role = text.flatMap(Conversation.Role.init), role != .tool else {
            let roles = isOpenAI ? "system, developer, user, assistant or tool" : "system, user or assistant"
            throw .invalid("\(path).role", "expected \(roles).")
        }
        return role
    }

    /// What the assistant thought before its message, as earlier answers returned it.
    private static func reasoning(_ element: JSONElement, _ path: String) throws(APIError) -> [UInt8]? {
        guard let value = element["reasoning_content"], !value.isNull else { return nil }
        let path = "\(path).reasoning_content"
        guard let text = value.string else { throw .invalid(path, "expected a string, found \(value.kind.rawValue).") }
        guard text.unicodeScalars.count <= maxPromptLength else { throw .invalid(path, "expected at most \(maxPromptLength) characters.") }
        return Array(text.utf8)
    }

    static func content(_ element: JSONElement, _ path: String, _ isOpenAI: Bool) throws(APIError) -> String {
        let path = "\(path).content"
        let content = element["content"]
        var text = content?.string
        if isOpenAI, text == nil, let parts = content?.elements {
            var joined = ""
            for part in parts {
                guard part["type"]?.isString("text") ?? false, let partText = part["text"]?.string else {
                    throw .invalid(path, "expected text parts only: this model reads nothing else.")
                }
                joined += partText
            }
            text = joined
        }
        guard let text else { throw .invalid(path, "expected a string, found \(content?.kind.rawValue ?? "nothing").") }
        let most = isOpenAI ? maxPromptLength : maxTextLength
        guard text.unicodeScalars.count <= most else { throw .invalid(path, "expected at most \(most) characters.") }
        return text
    }
}
