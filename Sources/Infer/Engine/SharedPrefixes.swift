import Tokenize

/// The beginnings of prompts that contain nothing of a person: the beginning of the chat template, and a system prompt of the operator.
/// Their keys and values may be shared between the prompts of different owners.
struct SharedPrefixes {
    private let prefixes: [[TokenID]]

    init(of model: ModelInfo, systemPrompt: String?) throws {
        guard let renderer = model.renderer else {
            prefixes = []
            return
        }
        var encoder = try Encoder(model.tokenizer, cacheBits: 0)
        func ids(_ messages: [Conversation.Message]) throws -> [TokenID] {
            var chat = ChatTokens()
            try renderer.append(promptOf: messages, with: &encoder, to: &chat)
            return chat.ids
        }
        // What the prompts of two different questions have in common does not depend on the question.
        func commonPrefix(after system: [Conversation.Message]) throws -> [TokenID] {
            let first = try ids(system + [Conversation.Message(.user, "a")])
            let second = try ids(system + [Conversation.Message(.user, "1")])
            return Array(first.prefix(Self.commonLength(first, second)))
        }
        var prefixes = [try commonPrefix(after: [])]
        if let systemPrompt { prefixes.append(try commonPrefix(after: [Conversation.Message(.system, systemPrompt)])) }
        self.prefixes = prefixes
    }

    /// The length of the longest such beginning of a prompt.
    func length(in prompt: [TokenID]) -> Int { prefixes.reduce(0) { max($0, Self.commonLength($1, prompt)) } }

    private static func commonLength(_ first: [TokenID], _ second: [TokenID]) -> Int {
        zip(first, second).prefix { $0 == $1 }.count
    }
}

/// The prefixes of the model alone, then of each adapter.
extension [SharedPrefixes] {
    func length(in prompt: [TokenID], adapter: Int?) -> Int { self[adapter.map { $0 + 1 } ?? 0].length(in: prompt) }
}
