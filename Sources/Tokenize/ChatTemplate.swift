/// How a conversation becomes one row of tokens. A checkpoint says which it learned.
///
/// markers:          `<|user|>` Hi `<|assistant|>` Hello! `<|eos|>`, where the markers are tokens that no typed text becomes.
/// human-assistant:  `Human: Hi\nAssistant: Hello!\n`, all of it text, for models that began as GPT-2. A run of line ends in a message
/// becomes a
///                   space, since a line end ends the turn.
package enum ChatTemplate: String, Sendable, CaseIterable {
    case markers, humanAssistant = "human-assistant"
}

/// Who says a token.
///
///     TokenRole(Conversation.Role.assistant)                         // .assistant
package enum TokenRole: UInt8, Sendable, CaseIterable {
    /// Nobody: the ids that a conversation begins with, before anyone has said a word.
    case nobody, user, assistant, system

    package init(_ role: Conversation.Role) {
        self = switch role { case .user: .user; case .assistant: .assistant; case .system: .system }
    }
}

/// Conversations as tokens, and who says which.
///
///     var chat = ChatTokens()
///     try renderer.append(conversation, with: &encoder, to: &chat)
///     chat.ranges(of: .assistant)                              // what a model learns to say, the token that ends each turn included
package struct ChatTokens: Sendable, Equatable {
    /// From this id on, up to the next turn, a side speaks.
    package struct Turn: Sendable, Equatable {
        package let start: Int
        package let side: TokenRole

        package init(_ start: Int, _ side: TokenRole) {
            self.start = start
            self.role = side
        }
    }

    package var ids: [TokenID] = []
    /// In the order of `start`, no two alike. A side's ids include the token that ends its turn. The user has what nobody else says: the
    /// marker, or
    /// the label, that makes the assistant speak.
    package var turns: [Turn] = []
    /// The bytes of text that each side's ids stand for; markers, labels and ends of turns are none.
    package var bytes = Bytes()

    package init() {}

    package func ranges(of side: TokenRole) -> [Range<Int>] {
        turns.indices.filter { turns[$0].role == side }.map { turns[$0].start..<($0 + 1 < turns.count ? turns[$0 + 1].start : ids.count) }
    }

    package struct Bytes: Sendable, Equatable {
        package var user = 0, assistant = 0, system = 0

        package init() {}

        package var total: Int { user + assistant + system }

        package subscript(side: TokenRole) -> Int {
            get {
                switch side {
                case .preamble: 0;
                case .user: user;
                case .assistant: assistant;
                case .system: system
                }
            }
            set {
                switch side {
                case .preamble: break;
                case .user: user = newValue;
                case .assistant: assistant = newValue;
                case .system: system = newValue
                }
            }
        }

        package static func += (sum: inout Bytes, other: Bytes) { for side in TokenRole.allCases { sum[side] += other[side] } }
    }
}
