/// The messages of a chat, in order, and the functions that the assistant could call.
///
///     Conversation([.init(.user, "Hi"), .init(.assistant, "Hello!")])
package struct Conversation: Sendable, Equatable {
    package enum Role: String, Sendable, CaseIterable {
        case system, user, assistant
        /// The result of a function that the assistant has called. Only Jinja templates have this role.
        case tool
    }

    package struct Message: Sendable, Equatable {
        package let role: Role
        /// UTF-8.
        package private(set) var text: [UInt8]
        /// Whether it is an earlier message of a chat of which only the last exchange is trained on.
        package private(set) var isContext: Bool
        /// Functions that the assistant has called in this message.
        package private(set) var toolCalls: [IdentifiedToolCall] = []
        /// The call whose result a message of the role `tool` is.
        package private(set) var toolCallID: String?
        /// What the assistant thought before this message, as UTF-8. Jinja templates decide whether the model sees it.
        package var reasoning: [UInt8]?

        package init(_ role: Role, _ text: [UInt8], isContext: Bool = false) {
            self.role = role
            self.text = text
            self.isContext = isContext
        }

        /// An answer that calls functions.
        package init(_ text: String, calling calls: [IdentifiedToolCall]) {
            self.init(.assistant, text)
            toolCalls = calls
        }

        /// The result of a function.
        package init(resultOf call: String, _ text: String) {
            self.init(.tool, text)
            toolCallID = call
        }

        package init(_ role: Role, _ text: String) { self.init(role, Array(text.utf8)) }

        /// The same message with another text.
        package func with(text: [UInt8]) -> Message {
            var message = self
            message.text = text
            return message
        }

        /// The same message with one of its calls.
        func calling(_ call: IdentifiedToolCall) -> Message {
            var message = self
            message.toolCalls = [call]
            return message
        }

        /// The same message as one that is not trained on.
        package var asContext: Message {
            var message = self
            message.isContext = true
            return message
        }

        /// Whether it calls functions, or is the result of one.
        package var concernsTools: Bool { role == .tool || !toolCalls.isEmpty }

        /// Whether it says nothing. The result of a function may have no text.
        package var isEmpty: Bool { text.isEmpty && !concernsTools }
    }

    package struct IdentifiedToolCall: Sendable, Equatable {
        package let id: String
        package let call: ToolCall

        package init(id: String, _ call: ToolCall) {
            self.id = id
            self.call = call
        }
    }

    package var messages: [Message]
    /// nil: none.
    package let tools: ChatTools?

    package init(_ messages: [Message], tools: ChatTools? = nil) {
        self.messages = messages
        self.tools = tools
    }

    /// Whether only a template that has tools can render it.
    package var concernsTools: Bool { tools != nil || messages.contains(where: \.concernsTools) }
}

extension Sequence<Conversation.Message> {
    /// What the user has written, in order.
    /// For a template without a system role: system messages are prepended to the next user message.
    var withoutSystemRole: [Conversation.Message] {
        var result: [Conversation.Message] = [], pending: [UInt8] = []
        for message in self {
            if message.role == .system {
                pending += (pending.isEmpty ? [] : [10, 10]) + message.text
            } else if message.role == .user, !pending.isEmpty {
                result.append(.init(.user, pending + [10, 10] + message.text, isContext: message.isContext))
                pending = []
            } else {
                result.append(message)
            }
        }
        return pending.isEmpty ? result : result + [.init(.user, pending)]
    }

    package var userTexts: [String] { filter { $0.role == .user }.map { String(decoding: $0.text, as: UTF8.self) } }
}
