/// The role that a token belongs to.
///
///     TokenRole(Conversation.Role.assistant)                    // .assistant
package enum TokenRole: UInt8, Sendable, CaseIterable {
    /// The tokens at the start of a conversation, before the first message.
    case preamble
    case user, assistant, system

    package init(_ role: Conversation.Role) {
        self = switch role {
        // Results of functions are input of the assistant, as messages of the user are.
        case .user, .tool: .user
        case .assistant: .assistant
        case .system: .system
        }
    }
}

/// The tokens of conversations, with the role of each token.
///
///     var chat = ChatTokens()
///     try renderer.append(conversation, with: &encoder, to: &chat)
///     chat.ranges(of: .assistant)                              // what a model is trained on, including the token that ends each turn
package struct ChatTokens: Sendable, Equatable {
    /// A run of tokens of one role: from `start` up to the next turn.
    package struct Turn: Sendable, Equatable {
        package let start: Int
        package let role: TokenRole

        package init(_ start: Int, _ role: TokenRole) {
            self.start = start
            self.role = role
        }
    }

    package var ids: [TokenID] = []
    /// In ascending order of `start`. A role's tokens include the token that ends its turn. The user's also include the role token or label
    /// that prompts the assistant.
    package var turns: [Turn] = []
    /// The number of message bytes per role; role tokens, labels and end tokens do not count.
    package var bytes = Bytes()

    package init() {}

    package func ranges(of role: TokenRole) -> [Range<Int>] {
        turns.indices
            .filter { turns[$0].role == role }
            .map { turns[$0].start..<($0 + 1 < turns.count ? turns[$0 + 1].start : ids.count) }
    }

    /// Cuts a conversation that begins at `start` to its first tokens.
    mutating func cut(after count: Int, from start: Int) {
        ids.removeSubrange((start + count)...)
        while let turn = turns.last, turn.start >= ids.count, turn.start > start { turns.removeLast() }
    }

    package struct Bytes: Sendable, Equatable {
        package var user = 0
        package var assistant = 0
        package var system = 0

        package init() {}

        package var total: Int { user + assistant + system }

        package subscript(role: TokenRole) -> Int {
            get {
                switch role {
                case .preamble: 0
                case .user: user
                case .assistant: assistant
                case .system: system
                }
            }
            set {
                switch role {
                case .preamble: break
                case .user: user = newValue
                case .assistant: assistant = newValue
                case .system: system = newValue
                }
            }
        }

        package static func += (sum: inout Bytes, other: Bytes) { for role in TokenRole.allCases { sum[role] += other[role] } }
    }
}
