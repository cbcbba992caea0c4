/// The messages of a chat, in order.
///
///     Conversation([.init(.user, "Hi"), .init(.assistant, "Hello!")])
package struct Conversation: Sendable, Equatable {
    package enum Role: String, Sendable {
        case system, user, assistant
    }

    package struct Message: Sendable, Equatable {
        package let role: Role
        /// UTF-8.
        package let text: [UInt8]
        /// Whether it is an earlier message of a chat of which only the last exchange is trained on.
        package let isContext: Bool

        package init(_ role: Role, _ text: [UInt8], isContext: Bool = false) {
            self.role = role
            self.text = text
            self.isContext = isContext
        }

        package init(_ role: Role, _ text: String) { self.init(role, Array(text.utf8)) }
    }

    package var messages: [Message]

    package init(_ messages: [Message]) { self.messages = messages }
}
