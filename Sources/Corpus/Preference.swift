package import Tokenize

/// What a person thinks of answers to a prompt: which of two is better, or whether one is good.
///
///     Preference(prompt: [.init(.user, "Hi")], .pair(chosen: [.init(.assistant, "Hello!")], rejected: [.init(.assistant, "What?")]))
package struct Preference: Sendable, Equatable {
    package enum Answers: Sendable, Equatable {
        case pair(chosen: [Conversation.Message], rejected: [Conversation.Message])
        case rated([Conversation.Message], isGood: Bool)
    }

    /// The messages before the answers. None of them is trained on.
    package let prompt: [Conversation.Message]
    /// An answer is usually one message of the assistant.
    package let answers: Answers
    /// The functions that the assistant could call. nil: none.
    package internal(set) var tools: ChatTools?

    package init(prompt: [Conversation.Message], _ answers: Answers, tools: ChatTools? = nil) {
        self.prompt = prompt.map(\.asContext)
        self.answers = answers
        self.tools = tools
    }

    /// The prompt and an answer to it.
    package func conversation(with answer: [Conversation.Message]) -> Conversation { Conversation(prompt + answer, tools: tools) }

    /// The conversation with the preferred answer; nil if the only answer is bad.
    package var preferredConversation: Conversation? {
        switch answers {
        case .pair(let chosen, _): conversation(with: chosen)
        case .rated(let answer, let isGood): isGood ? conversation(with: answer) : nil
        }
    }

    /// The beginning of the conversation, up to the first message of the user: preferences that share it are of one conversation.
    package var beginning: [Conversation.Message] {
        let end = prompt.firstIndex { $0.role == .user }.map { $0 + 1 } ?? prompt.count
        return Array(prompt[..<end])
    }
}
