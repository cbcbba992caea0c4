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

        package init(_ role: Role, _ text: [UInt8]) {
            self.role = role
            self.text = text
        }

        package init(_ role: Role, _ text: String) { self.init(role, Array(text.utf8)) }
    }

    package var messages: [Message]

    package init(_ messages: [Message]) { self.messages = messages }
}
