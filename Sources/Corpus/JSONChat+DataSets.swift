import JSON
import Tokenize

/// The forms in which data sets for fine-tuning are published.
extension JSONChat {
    /// Parses the form of ShareGPT, of Alpaca, or TRL's prompt and completion. Throws if the object has none of their fields.
    static func dataSetMessages(_ root: JSONElement) throws(LineError) -> [Conversation.Message] {
        if let list = root["conversations"] { return try system(root) + (try shareGPT(list)) }
        if root["instruction"] != nil { return try system(root) + (try alpaca(root)) }
        if root["prompt"] != nil { return try completion(root) }
        throw LineError(#"expected "messages", "conversations", "instruction" or "prompt", found none of them"#)
    }

    /// `{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello!"}]}`. Some data sets name the fields as
    /// `"messages"` does.
    private static func shareGPT(_ list: JSONElement) throws(LineError) -> [Conversation.Message] {
        guard let elements = list.elements else { throw LineError("\"conversations\": expected an array, found \(list.kind.rawValue)") }
        if elements.first(where: { _ in true })?["role"] != nil { return try messages(list, "conversations") }
        var messages: [Conversation.Message] = []
        for element in elements {
            guard let role = roles.first(where: { element["from"]?.isString($0.name) ?? false })?.role else {
                let found = element["from"]?.string.map { "\"\($0.prefix(20))\"" } ?? element["from"]?.kind.rawValue ?? "nothing"
                throw LineError(#""from": expected "system", "human", "user", "gpt" or "assistant", found \#(found)"#)
            }
            messages.append(.init(role, try text(element["value"], "value").trimmed))
        }
        return messages
    }

    private static let roles: [(name: String, role: Conversation.Role)] = [
        ("human", .user), ("gpt", .assistant), ("user", .user), ("assistant", .assistant), ("system", .system),
    ]

    /// `{"instruction": "Translate.", "input": "Bonjour", "output": "Hello"}`
    private static func alpaca(_ root: JSONElement) throws(LineError) -> [Conversation.Message] {
        if let history = root["history"], history.elements?.first(where: { _ in true }) != nil {
            throw LineError(#""history" beside "instruction" is not read; write all messages as "messages""#)
        }
        var question = try text(root["instruction"], "instruction").trimmed
        if let input = root["input"], !input.isNull {
            let input = try text(input, "input").trimmed
            if !input.isEmpty { question += Array("\n\n".utf8) + input }
        }
        return [.init(.user, question), .init(.assistant, try text(root["output"], "output").trimmed)]
    }

    /// `{"prompt": "Hi", "completion": "Hello!"}`, each a text or a list of messages. The prompt is context.
    private static func completion(_ root: JSONElement) throws(LineError) -> [Conversation.Message] {
        func part(_ key: String, _ role: Conversation.Role) throws(LineError) -> [Conversation.Message] {
            guard let value = root[key] else { throw LineError("expected \"\(key)\", found nothing") }
            if value.elements != nil { return try messages(value, key) }
            return [.init(role, try text(value, key).trimmed)]
        }
        return try part("prompt", .user).map(\.asContext) + (try part("completion", .assistant))
    }

    /// Whether a line is a document: it has a text, and no field of a conversation.
    static func isDocument(_ root: JSONElement) -> Bool {
        root["text"] != nil && ["messages", "conversations", "instruction", "prompt"].allSatisfy { root[$0] == nil }
    }

    /// Parses `{"text": "A document."}`.
    static func document(_ root: JSONElement) throws(LineError) -> [UInt8] {
        return try text(root["text"], "text")
    }

    private static func system(_ root: JSONElement) throws(LineError) -> [Conversation.Message] {
        guard let system = root["system"], !system.isNull else { return [] }
        let text = try text(system, "system").trimmed
        return text.isEmpty ? [] : [.init(.system, text)]
    }
}
