package import Jinja

/// Renders conversations as token IDs by a chat template. Immutable: threads share one, each with an encoder of its own.
///
///     let renderer = try ChatRenderer(.specialTokens, for: tokenizer)
///     var prompt = ChatTokens()
///     try renderer.append(promptOf: [.init(.user, "Hi")], with: &encoder, to: &prompt)      // … <|assistant|>
///     renderer.stopTokens                                                                  // <|user|>, <|eos|>
package struct ChatRenderer: Sendable {
    package let template: ChatTemplate
    private let renderer: any MessageRenderer

    /// - Parameter clock: the date and time that a Jinja template can write.
    package init(
        _ template: ChatTemplate, for tokenizer: Tokenizer, clock: @escaping @Sendable () -> JinjaClock = { JinjaClock.now }
    ) throws(TokenizeError) {
        self.template = template
        renderer = switch template {
        case .specialTokens: try LabeledChatRenderer(specialTokensOf: tokenizer)
        case .humanAssistant: try LabeledChatRenderer(labelsFor: tokenizer)
        case .jinja(let template): try JinjaChatRenderer(template, for: tokenizer, clock: clock)
        }
    }

    /// The tokens that end the assistant's turn.
    package var stopTokens: [TokenID] { renderer.stopTokens }

    /// Appends a complete conversation, truncated to `maxTokens`. Returns whether it was truncated.
    @discardableResult
    package func append(
        _ conversation: Conversation, maxTokens: Int = .max, with encoder: inout Encoder, to chat: inout ChatTokens
    ) throws(TokenizeError) -> Bool {
        try !renderer.append(conversation, maxTokens: maxTokens, with: &encoder, to: &chat)
    }

    /// Appends a prompt: a conversation up to where the assistant's answer starts, or goes on.
    package func append(
        promptOf history: [Conversation.Message], _ form: ChatPromptForm = ChatPromptForm(), with encoder: inout Encoder,
        to chat: inout ChatTokens
    ) throws(TokenizeError) {
        var history = history, form = form
        if !hasTools, form.tools != nil || history.contains(where: \.concernsTools) {
            history = ToolPrompt.messages(history, form.tools, abbreviated: form.abbreviatesTools)
            form.tools = nil
        }
        try renderer.append(promptOf: history, form, with: &encoder, to: &chat)
    }

    /// The text of a user's message, of which `text` has all tokens up to the answer, without special tokens. A Jinja template writes
    /// more than special tokens around messages, such as `user` and `assistant`.
    package func question(in text: String) -> String {
        let (before, after) = renderer.aroundQuestion
        let bytes = Array(text.utf8)
        let start = bytes.withoutPrefix(before[...])
        let end = bytes[start...].reversed().withoutPrefix(after.reversed()).base
        return String(decoding: start < end ? bytes[start..<end] : [], as: UTF8.self)
    }

    /// Whether the template itself writes tools, and calls that slm can read. Otherwise ``ToolPrompt`` writes them into messages.
    package var hasTools: Bool { renderer.toolCallFormat != nil }

    /// How the model writes tool calls.
    package var toolCallFormat: ToolCallFormat { renderer.toolCallFormat ?? ToolPrompt.format }

    /// The texts around the name and the arguments of a call. nil if the template writes calls in an unusual way.
    package var toolCallShape: ToolCallShape? { hasTools ? renderer.toolCallShape : ToolPrompt.shape }

    /// The marks of the thought that an answer may begin with. nil if the model has none.
    package var thoughtMarks: ThoughtMarks? { renderer.thoughtMarks }

    /// The tokens that divide answers into channels; nil if the model has none.
    package var channels: AnswerChannels? { renderer.channels }
}

/// Renders the messages of a conversation as tokens.
protocol MessageRenderer: Sendable {
    var stopTokens: [TokenID] { get }
    /// nil if it writes no tools, or no calls that slm can read.
    var toolCallFormat: ToolCallFormat? { get }
    var toolCallShape: ToolCallShape? { get }
    var thoughtMarks: ThoughtMarks? { get }
    var channels: AnswerChannels? { get }
    /// What it writes around a user's message besides special tokens.
    var aroundQuestion: (before: [UInt8], after: [UInt8]) { get }

    /// Appends a complete conversation, truncated to `maxTokens`. Returns whether it is complete.
    func append(
        _ conversation: Conversation, maxTokens: Int, with encoder: inout Encoder, to chat: inout ChatTokens
    ) throws(TokenizeError) -> Bool

    /// Appends a prompt: a conversation up to where the assistant's answer starts, or goes on.
    func append(
        promptOf history: [Conversation.Message], _ form: ChatPromptForm, with encoder: inout Encoder, to chat: inout ChatTokens
    ) throws(TokenizeError)
}
