package import Infer
package import Tokenize

/// The history and the settings of a conversation.
///
///     var session = ChatSession(config: config)
///     let request = session.request(sending: "Hi")
///     session.add(try backend.generate(request))
///     session.request(sending: "And then?")                    // includes the first exchange
package struct ChatSession: Sendable {
    /// User and assistant messages, without the one that waits for its answer.
    package private(set) var messages: [Conversation.Message] = []
    /// The system message.
    package var system: String?
    package var config: GenerationConfig
    package var policy: TruncationPolicy
    /// Variables of the chat template.
    package var templateArguments: TemplateArguments?
    /// What only a model on another server reads.
    package var forwardedFields: [ForwardedField] = []
    /// The user message that waits for its answer.
    private var pendingMessage: Conversation.Message?
    /// What the model receives instead of it, such as the same question with passages of documents. The history does not keep it.
    private var pendingPrompt: String?
    /// The number of retries of the last message. With a fixed seed, each retry uses the next seed.
    private var retries: UInt64 = 0
    package private(set) var totals = Totals()
    package private(set) var lastResult: GenerationResult?

    package struct Totals: Sendable, Equatable {
        package var answers = 0
        package var promptTokens = 0
        package var answerTokens = 0
        package var timings = GenerationTimings()

        package init() {}
    }

    package init(config: GenerationConfig = GenerationConfig(), system: String? = nil, policy: TruncationPolicy = .oldestTurns) {
        self.config = config
        self.system = system
        self.policy = policy
    }

    /// The whole conversation, with the system message.
    package var conversation: Conversation { Conversation((system.map { [.init(.system, $0)] } ?? []) + messages) }

    /// The request for an answer to a new user message.
    ///
    /// - Parameter prompt: What the model receives instead of the message, which the history keeps.
    package mutating func request(sending text: String, as prompt: String? = nil) -> GenerationRequest {
        pendingMessage = .init(.user, text)
        pendingPrompt = prompt
        retries = 0
        return request
    }

    /// The last user message; nil if there is none.
    package var lastQuestion: String? { messages.userTexts.last }

    /// The request for another answer to the last user message; nil if there is none. Removes the previous answer.
    package mutating func requestForRetry(as prompt: String? = nil) -> GenerationRequest? {
        guard let index = messages.lastIndex(where: { $0.role == .user }) else { return nil }
        pendingMessage = messages[index]
        pendingPrompt = prompt
        messages.removeSubrange(index...)
        retries += 1
        return request
    }

    private var request: GenerationRequest {
        let pending = pendingMessage.map { message in pendingPrompt.map { message.with(text: Array($0.utf8)) } ?? message }
        let prompt = conversation.messages + (pending.map { [$0] } ?? [])
        var request = GenerationRequest(.chat(prompt), config.reseeded(attempt: retries), policy: policy)
        request.templateArguments = templateArguments
        request.forwardedFields = forwardedFields
        return request
    }

    /// Adds the answer to the pending message. An incomplete answer is kept; a message without any answer is removed.
    package mutating func add(_ result: GenerationResult) {
        defer { pendingMessage = nil }
        lastResult = result
        totals.answers += 1
        totals.promptTokens += result.end.promptTokens
        totals.answerTokens += result.end.answerTokens
        totals.timings.queued += result.end.timings.queued
        totals.timings.prefill += result.end.timings.prefill
        totals.timings.decode += result.end.timings.decode
        guard let pendingMessage, !result.text.isEmpty || result.end.reason == .stop else { return }
        messages += [pendingMessage, .init(.assistant, result.text)]
    }

    /// Removes a message whose generation could not start.
    package mutating func discardPendingMessage() { pendingMessage = nil }

    package mutating func reset() {
        messages = []
        lastResult = nil
    }

    /// Removes the last user message and its answer. Returns false if there is none.
    package mutating func undo() -> Bool {
        guard let index = messages.lastIndex(where: { $0.role == .user }) else { return false }
        messages.removeSubrange(index...)
        lastResult = nil
        return true
    }

    /// Replaces the conversation by another one.
    package mutating func resume(_ conversation: Conversation) {
        reset()
        let system = conversation.messages.filter { $0.role == .system }.map { String(decoding: $0.text, as: UTF8.self) }
        self.system = system.isEmpty ? nil : system.joined(separator: "\n\n")
        messages = conversation.messages.filter { $0.role != .system }
    }
}
