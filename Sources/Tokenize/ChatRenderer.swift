package import Jinja

/// Renders conversations as token IDs by a chat template. Immutable: threads share one, each with an encoder of its own.
///
///     let renderer = try ChatRenderer(.specialTokens, for: tokenizer)
///     var prompt = ChatTokens()
///     try renderer.append(promptOf: [.init(.user, "Hi")], with: &encoder, to: &prompt)      // … <|assistant|>
///     renderer.stopTokens                                                                  // <|user|>, <|eos|>
///
/// Messages are stripped of surrounding white space. If the template has no system role, a system message is prepended to the next user
/// message, separated by an empty line. In `human-assistant` the tokens of an answer start with the space of `Assistant: Hello`, which is
/// not part of the message. A Jinja template gets the messages as they are, and decides itself.
package struct ChatRenderer: Sendable {
    package let template: ChatTemplate
    /// The tokens that end the assistant's turn.
    package let stopTokens: [TokenID]

    /// The role tokens or labels before a message. No `systemPrefix`: the template has no system role.
    private let userPrefix: [TokenID]
    private let assistantPrefix: [TokenID]
    private let systemPrefix: [TokenID]?
    /// The labels at the beginning of a text, which get the space that SentencePiece prepends.
    private let firstUserPrefix: [TokenID]
    private let firstAssistantPrefix: [TokenID]
    /// The tokens after each message, and after a conversation.
    private let messageEnd: [TokenID]
    private let conversationEnd: [TokenID]
    private let vocabulary: Vocabulary
    /// Renders in place of the fields above.
    private let jinja: JinjaChatRenderer?

    /// - Parameter clock: the date and time that a Jinja template can write.
    package init(
        _ template: ChatTemplate, for tokenizer: Tokenizer, clock: @escaping @Sendable () -> JinjaClock = { JinjaClock.now }
    ) throws(TokenizeError) {
        self.template = template
        vocabulary = tokenizer.vocabulary
        if case .jinja(let template) = template {
            let renderer = try JinjaChatRenderer(template, for: tokenizer, clock: clock)
            jinja = renderer
            stopTokens = renderer.stopTokens
            userPrefix = []
            assistantPrefix = []
            firstUserPrefix = []
            firstAssistantPrefix = []
            systemPrefix = nil
            messageEnd = []
            conversationEnd = []
            return
        }
        jinja = nil
        switch template {
        case .specialTokens:
            func required(_ text: String) throws(TokenizeError) -> TokenID {
                guard let id = tokenizer.vocabulary.specialTokenID(text) else {
                    throw .missingSpecialToken(text, template: template.rawValue)
                }
                return id
            }
            userPrefix = [try required("<|user|>")]
            assistantPrefix = [try required("<|assistant|>")]
            conversationEnd = [try required("<|eos|>")]
            systemPrefix = tokenizer.vocabulary.specialTokenID("<|system|>").map { [$0] }
            messageEnd = []
            stopTokens = userPrefix + conversationEnd
            firstUserPrefix = userPrefix
            firstAssistantPrefix = assistantPrefix
        case .humanAssistant:
            let labels = (user: Array("Human:".utf8), assistant: Array("Assistant:".utf8))
            firstUserPrefix = try tokenizer.ids(of: labels.user)
            firstAssistantPrefix = try tokenizer.ids(of: labels.assistant)
            userPrefix = try tokenizer.ids(of: labels.user, from: .insideText)
            assistantPrefix = try tokenizer.ids(of: labels.assistant, from: .insideText)
            systemPrefix = nil
            guard let lineBreak = tokenizer.lineBreakToken else { throw .missingSpecialToken("\\n", template: template.rawValue) }
            messageEnd = [lineBreak]
            conversationEnd = []
            stopTokens = messageEnd
        case .jinja: preconditionFailure("rendered above")
        }
    }

    /// Appends a complete conversation, truncated to `maxTokens`. Returns whether it was truncated.
    @discardableResult
    package func append(
        _ conversation: Conversation, maxTokens: Int = .max, with encoder: inout Encoder, to chat: inout ChatTokens
    ) throws(TokenizeError) -> Bool {
        if let jinja { return try !jinja.append(conversation, maxTokens: maxTokens, with: &encoder, to: &chat) }
        if conversation.concernsTools { throw .chatTemplate("\(template.rawValue) has no tools") }
        let start = chat.ids.count
        let isComplete = try append(conversation.messages, maxTokens: maxTokens, with: &encoder, to: &chat)
        if isComplete, chat.ids.count > start {
            if chat.ids.count + conversationEnd.count - start > maxTokens { return true }
            chat.ids += conversationEnd
        }
        return !isComplete
    }

    /// The text of a user's message, of which `text` has all tokens up to the answer, without special tokens. A Jinja template writes
    /// more than special tokens around messages, such as `user` and `assistant`.
    package func question(in text: String) -> String {
        guard let jinja else { return text }
        var bytes = Array(text.utf8)[...]
        let (before, after) = jinja.aroundQuestion
        if bytes.starts(with: before) { bytes = bytes.dropFirst(before.count) }
        if bytes.count >= after.count, bytes.suffix(after.count).elementsEqual(after) { bytes = bytes.dropLast(after.count) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Whether the template itself writes tools, and calls that slm can read. Otherwise ``ToolPrompt`` writes them into messages.
    private var hasTools: Bool { jinja?.toolCallFormat != nil }

    /// How the model writes tool calls.
    package var toolCallFormat: ToolCallFormat { jinja?.toolCallFormat ?? ToolPrompt.format }

    /// The texts around the name and the arguments of a call. nil if the template writes calls in an unusual way.
    package var toolCallShape: ToolCallShape? { hasTools ? jinja?.toolCallShape : ToolPrompt.shape }

    /// The marks of the thought that an answer may begin with. nil if the model has none.
    package var thoughtMarks: ThoughtMarks? {
        guard case .jinja(let template) = template else { return nil }
        return JinjaChatRenderer.thoughtMarks(in: template.source, vocabulary)
    }

    /// Appends a prompt: a conversation up to where the assistant's answer starts, or goes on.
    package func append(
        promptOf history: [Conversation.Message], _ form: ChatPromptForm = ChatPromptForm(), with encoder: inout Encoder,
        to chat: inout ChatTokens
    ) throws(TokenizeError) {
        var history = history, form = form
        if !hasTools, form.tools != nil || history.contains(where: \.concernsTools) {
            history = ToolPrompt.messages(history, form.tools)
            form.tools = nil
        }
        if let jinja { return try jinja.append(promptOf: history, form, with: &encoder, to: &chat) }
        if form.continuesAnswer { return try append(continuationOf: normalized(history), with: &encoder, to: &chat) }
        let start = chat.ids.count
        _ = try append(history, maxTokens: .max, with: &encoder, to: &chat)
        let isFirst = chat.ids.count == start
        if isFirst { chat.turns.append(.init(start, .preamble)) }
        chat.ids += isFirst ? firstAssistantPrefix : assistantPrefix
    }

    private func append(
        continuationOf messages: [Conversation.Message], with encoder: inout Encoder, to chat: inout ChatTokens
    ) throws(TokenizeError) {
        guard let last = messages.lastIndex(where: { $0.role == .assistant }) else {
            throw .chatTemplate("there is no message of the assistant to continue")
        }
        try append(promptOf: Array(messages[..<last]), with: &encoder, to: &chat)
        let text = messages[last].text
        if !text.isEmpty { try encode(text, with: &encoder, into: &chat.ids) }
    }

    private func append(
        _ messages: [Conversation.Message], maxTokens: Int, with encoder: inout Encoder, to chat: inout ChatTokens
    ) throws(TokenizeError) -> Bool {
        let start = chat.ids.count
        var previous: TokenRole?
        for message in normalized(messages) {
            // An answer that is only context counts as part of what the user says.
            let role = message.isContext && message.role == .assistant ? .user : TokenRole(message.role)
            switch previous {
            case nil: chat.turns.append(.init(chat.ids.count, .preamble))
            // The assistant trains on the token that ends its turn: a line end, or the user's role token. Any other prefix is not its own.
            case .assistant? where template == .humanAssistant || role != .user: chat.turns.append(.init(chat.ids.count, .user))
            default: break
            }
            chat.ids += prefix(of: message.role, isFirst: chat.ids.count == start)
            // A user prefix after the assistant's turn already belongs to the user.
            if chat.turns.last?.role != role { chat.turns.append(.init(chat.ids.count, role)) }
            let textStart = chat.ids.count
            try encode(message.text, with: &encoder, into: &chat.ids)
            let textEnd = chat.ids.count
            chat.ids += messageEnd
            if chat.ids.count - start > maxTokens {
                chat.ids.removeSubrange((start + maxTokens)...)
                while let turn = chat.turns.last, turn.start >= chat.ids.count, turn.start > start { chat.turns.removeLast() }
                chat.bytes[role] += textEnd <= chat.ids.count
                    ? message.text.count
                    : textBytes(of: chat.ids[min(textStart, chat.ids.count)...])
                return false
            }
            chat.bytes[role] += message.text.count
            previous = role
        }
        return true
    }

    private func prefix(of role: Conversation.Role, isFirst: Bool) -> [TokenID] {
        let user = isFirst ? firstUserPrefix : userPrefix
        return switch role {
        case .assistant: isFirst ? firstAssistantPrefix : assistantPrefix
        case .system: systemPrefix ?? user
        case .user, .tool: user
        }
    }

    /// The number of message bytes that the first tokens of a message encode.
    private func textBytes(of ids: ArraySlice<TokenID>) -> Int {
        let count = ids.reduce(0) { $0 + vocabulary.tokens.range(of: Int($1)).count }
        return template == .humanAssistant ? max(0, count - 1) : count          // without the space after the label
    }

    private func encode(_ text: [UInt8], with encoder: inout Encoder, into ids: inout [TokenID]) throws(TokenizeError) {
        switch template {
        case .specialTokens: try encoder.encode(text.span, into: &ids)
        case .humanAssistant: try encoder.encode(([UInt8(ascii: " ")] + text).span, from: .insideText, into: &ids)
        case .jinja: preconditionFailure("rendered by JinjaChatRenderer")
        }
    }

    /// The messages as the template renders them: trimmed, system messages merged if there is no system role, on one line if required.
    private func normalized(_ messages: [Conversation.Message]) -> [Conversation.Message] {
        var result: [Conversation.Message] = []
        var pendingSystem: [UInt8] = []
        for message in messages {
            var text = message.text.trimmed
            if message.role == .system, systemPrefix == nil {
                pendingSystem += (pendingSystem.isEmpty ? [] : [10, 10]) + text
                continue
            }
            if message.role == .user, !pendingSystem.isEmpty {
                text = pendingSystem + [10, 10] + text
                pendingSystem = []
            }
            result.append(.init(message.role, text, isContext: message.isContext))
        }
        if !pendingSystem.isEmpty { result.append(.init(.user, pendingSystem)) }
        return template == .specialTokens ? result : result.map { .init($0.role, Self.oneLine($0.text), isContext: $0.isContext) }
    }

    private static func oneLine(_ text: [UInt8]) -> [UInt8] {
        if !text.contains(10), !text.contains(13) { return text }
        return Array(text.split { $0 == 10 || $0 == 13 }.joined(separator: [UInt8(ascii: " ")]))
    }
}

extension [UInt8] {
    /// The text without surrounding ASCII white space.
    package var trimmed: [UInt8] {
        let range = trimmed(indices)
        return range.count == count ? self : Array(self[range])
    }

    /// A range without the ASCII white space at its ends.
    package func trimmed(_ range: Range<Int>) -> Range<Int> {
        func isSpace(_ byte: UInt8) -> Bool { byte == 32 || 9...13 ~= byte }
        var start = range.lowerBound
        var end = range.upperBound
        while start < end, isSpace(self[start]) { start += 1 }
        while start < end, isSpace(self[end - 1]) { end -= 1 }
        return start..<end
    }
}
