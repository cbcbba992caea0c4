/// Renders conversations with a label before each message, in one of slm's own templates: special tokens, or the texts `Human:` and
/// `Assistant:`.
///
/// Messages are stripped of surrounding white space. If there is no label for the system, a system message is prepended to the next user
/// message, separated by an empty line. In plain text, the tokens of an answer start with the space of `Assistant: Hello`, which is not
/// part of the message.
struct LabeledChatRenderer: MessageRenderer {
    let stopTokens: [TokenID]
    /// Whether labels are text: a space follows them, and each message is one line.
    private let isPlainText: Bool
    /// The tokens before a message. No `systemLabel`: the template has no system role.
    private let userLabel: [TokenID]
    private let assistantLabel: [TokenID]
    private let systemLabel: [TokenID]?
    /// The labels at the beginning of a text, which get the space that SentencePiece prepends.
    private let firstUserLabel: [TokenID]
    private let firstAssistantLabel: [TokenID]
    /// The tokens after each message, and after a conversation.
    private let messageEnd: [TokenID]
    private let conversationEnd: [TokenID]
    private let vocabulary: Vocabulary

    init(specialTokensOf tokenizer: Tokenizer) throws(TokenizeError) {
        func required(_ text: String) throws(TokenizeError) -> TokenID {
            guard let id = tokenizer.vocabulary.specialTokenID(text) else {
                throw .missingSpecialToken(text, template: ChatTemplate.specialTokens.rawValue)
            }
            return id
        }
        isPlainText = false
        userLabel = [try required("<|user|>")]
        assistantLabel = [try required("<|assistant|>")]
        systemLabel = tokenizer.vocabulary.specialTokenID("<|system|>").map { [$0] }
        firstUserLabel = userLabel
        firstAssistantLabel = assistantLabel
        messageEnd = []
        conversationEnd = [try required("<|eos|>")]
        stopTokens = userLabel + conversationEnd
        vocabulary = tokenizer.vocabulary
    }

    init(labelsFor tokenizer: Tokenizer) throws(TokenizeError) {
        let user = Array("Human:".utf8), assistant = Array("Assistant:".utf8)
        guard let lineBreak = tokenizer.lineBreakToken else {
            throw .missingSpecialToken("\\n", template: ChatTemplate.humanAssistant.rawValue)
        }
        isPlainText = true
        userLabel = try tokenizer.ids(of: user, from: .insideText)
        assistantLabel = try tokenizer.ids(of: assistant, from: .insideText)
        systemLabel = nil
        firstUserLabel = try tokenizer.ids(of: user)
        firstAssistantLabel = try tokenizer.ids(of: assistant)
        messageEnd = [lineBreak]
        conversationEnd = []
        stopTokens = messageEnd
        vocabulary = tokenizer.vocabulary
    }

    var toolCallFormat: ToolCallFormat? { nil }
    var toolCallShape: ToolCallShape? { nil }
    var thoughtMarks: ThoughtMarks? { nil }
    var channels: AnswerChannels? { nil }
    var aroundQuestion: (before: [UInt8], after: [UInt8]) { ([], []) }

    func append(
        _ conversation: Conversation, maxTokens: Int, with encoder: inout Encoder, to chat: inout ChatTokens
    ) throws(TokenizeError) -> Bool {
        if conversation.concernsTools {
            let template = isPlainText ? ChatTemplate.humanAssistant : .specialTokens
            throw .chatTemplate("\(template.rawValue) has no tools")
        }
        let start = chat.ids.count
        let isComplete = try append(conversation.messages, maxTokens: maxTokens, with: &encoder, to: &chat)
        if isComplete, chat.ids.count > start {
            if chat.ids.count + conversationEnd.count - start > maxTokens { return false }
            chat.ids += conversationEnd
        }
        return isComplete
    }

    func append(
        promptOf history: [Conversation.Message], _ form: ChatPromptForm, with encoder: inout Encoder, to chat: inout ChatTokens
    ) throws(TokenizeError) {
        if form.continuesAnswer { return try append(continuationOf: normalized(history), with: &encoder, to: &chat) }
        let start = chat.ids.count
        _ = try append(history, maxTokens: .max, with: &encoder, to: &chat)
        let isFirst = chat.ids.count == start
        if isFirst { chat.turns.append(.init(start, .preamble)) }
        chat.ids += isFirst ? firstAssistantLabel : assistantLabel
    }

    private func append(
        continuationOf messages: [Conversation.Message], with encoder: inout Encoder, to chat: inout ChatTokens
    ) throws(TokenizeError) {
        guard let last = messages.lastIndex(where: { $0.role == .assistant }) else {
            throw .chatTemplate("there is no message of the assistant to continue")
        }
        try append(promptOf: Array(messages[..<last]), ChatPromptForm(), with: &encoder, to: &chat)
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
            // The assistant trains on the token that ends its turn: a line end, or the user's role token. Any other label is not its own.
            case .assistant? where isPlainText || role != .user: chat.turns.append(.init(chat.ids.count, .user))
            default: break
            }
            chat.ids += label(of: message.role, isFirst: chat.ids.count == start)
            // A user's label after the assistant's turn already belongs to the user.
            if chat.turns.last?.role != role { chat.turns.append(.init(chat.ids.count, role)) }
            let textStart = chat.ids.count
            try encode(message.text, with: &encoder, into: &chat.ids)
            let textEnd = chat.ids.count
            chat.ids += messageEnd
            if chat.ids.count - start > maxTokens {
                chat.cut(after: maxTokens, from: start)
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

    private func label(of role: Conversation.Role, isFirst: Bool) -> [TokenID] {
        let user = isFirst ? firstUserLabel : userLabel
        return switch role {
        case .assistant: isFirst ? firstAssistantLabel : assistantLabel
        case .system: systemLabel ?? user
        case .user, .tool: user
        }
    }

    /// The number of message bytes that the first tokens of a message encode.
    private func textBytes(of ids: ArraySlice<TokenID>) -> Int {
        let count = ids.reduce(0) { $0 + vocabulary.tokens.range(of: Int($1)).count }
        return isPlainText ? max(0, count - 1) : count          // without the space after the label
    }

    private func encode(_ text: [UInt8], with encoder: inout Encoder, into ids: inout [TokenID]) throws(TokenizeError) {
        if isPlainText {
            try encoder.encode(([UInt8(ascii: " ")] + text).span, from: .insideText, into: &ids)
        } else {
            try encoder.encode(text.span, into: &ids)
        }
    }

    /// The messages as the template renders them: trimmed, system messages merged if there is no system role, on one line if required.
    private func normalized(_ messages: [Conversation.Message]) -> [Conversation.Message] {
        let trimmed = messages.map { Conversation.Message($0.role, $0.text.trimmed, isContext: $0.isContext) }
        let result = systemLabel == nil ? trimmed.withoutSystemRole : trimmed
        return isPlainText ? result.map { .init($0.role, Self.oneLine($0.text), isContext: $0.isContext) } : result
    }

    private static func oneLine(_ text: [UInt8]) -> [UInt8] {
        if !text.contains(10), !text.contains(13) { return text }
        return Array(text.split { $0 == 10 || $0 == 13 }.joined(separator: [UInt8(ascii: " ")]))
    }
}
