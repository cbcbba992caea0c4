package import Tokenize

/// Fits prompts into the context, so that prompt and answer together never exceed it.
///
///     let budget = PromptBudget(context: 384, tokenizer, renderer)
///     let prompt = try budget.prompt(of: messages, policy: .oldestTurns, maxTokens: 200)
///     prompt.ids.count + prompt.maxNewTokens <= 384
///
/// No message is cut as long as the prompt leaves one token for an answer: the answer is limited to the rest of the context instead.
///
/// Policies that drop turns, or cut what does not fit, reserve `maxTokens` for the answer, or a quarter of the context if not given,
/// but at most half of the context: a long answer limit must not displace the question. System messages stay, but lose their end if they
/// are longer than half of the prompt's share. If the newest user message does not fit by itself, it loses its beginning.
///
/// Where a chat template has no tools, a system message describes them. If it would make the prompt longer than half of the context, it
/// only has their names.
package struct PromptBudget: Sendable {
    package struct FittedPrompt: Sendable, Equatable {
        package var ids: [TokenID] = []
        /// The number of messages that were left out.
        package var droppedMessages = 0
        /// Whether a message was shortened.
        package var wasTruncated = false
        /// The most tokens to generate.
        package var maxNewTokens = 0

        package init() {}
    }

    private let context: Int
    private let tokenizer: Tokenizer
    private let renderer: ChatRenderer?
    /// 0 for prompts without an answer, which may fill the context.
    private let leastAnswer: Int

    /// - Parameters:
    ///   - renderer: nil for a model without a chat template.
    ///   - leastAnswer: Tokens of the context that a prompt must leave for an answer.
    package init(context: Int, _ tokenizer: Tokenizer, _ renderer: ChatRenderer?, leastAnswer: Int = 1) {
        self.leastAnswer = leastAnswer
        self.context = context
        self.tokenizer = tokenizer
        self.renderer = renderer
    }

    /// The prompt of a conversation in which the assistant speaks next.
    package func prompt(
        of history: [Conversation.Message],
        _ form: ChatPromptForm = ChatPromptForm(),
        policy: TruncationPolicy,
        maxTokens: Int?
    ) throws(GenerationError) -> FittedPrompt {
        guard let chatRenderer = renderer else { throw .noChatTemplate(model: "this model") }
        var renderer = PromptRenderer(chatRenderer, form)
        let limit = try promptLimit(maxTokens)
        var fitted = FittedPrompt()
        fitted.ids = try ids(of: history, renderer)
        if form.tools != nil, !chatRenderer.hasTools, fitted.ids.count > context / 2 {
            renderer.form.abbreviatesTools = true
            fitted.ids = try ids(of: history, renderer)
        }
        if policy == .refuse, !fits(fitted.ids) { throw .tooLong(promptTokens: fitted.ids.count, context: context) }
        if policy != .refuse, fitted.ids.count > limit {
            let kept = try droppingTurns(of: history, by: policy, to: limit, renderer)
            fitted.droppedMessages = history.count - kept.count
            if fitted.droppedMessages > 0 { fitted.ids = try ids(of: kept, renderer) }
            if !fits(fitted.ids) {
                fitted.wasTruncated = true
                fitted.ids = try ids(of: try truncated(kept, to: limit, renderer), renderer)
                // In a very small context the role labels alone may be too long.
                if fitted.ids.count > limit { fitted.ids = Array(fitted.ids.suffix(limit)) }
            }
        }
        fitted.maxNewTokens = maxNewTokens(after: fitted.ids.count, maxTokens)
        return fitted
    }

    /// The prompt of a text to complete, with the tokens that begin every text, such as `<s>`. A long text keeps its end.
    package func prompt(of text: String, policy: TruncationPolicy, maxTokens: Int?) throws(GenerationError) -> FittedPrompt {
        let start = tokenizer.vocabulary.textPrefix
        var ids = try start + self.ids(of: Array(text.utf8))
        // An empty text is completed from the end-of-text token, which also separates texts in the training data.
        if ids.isEmpty, let start = StopRules(for: .text(text), tokenizer.vocabulary, renderer, stop: []).stopTokens.first { ids = [start] }
        return try prompt(of: ids, keeping: start.count, policy: policy, maxTokens: maxTokens)
    }

    /// The prompt of token ids to complete. Many ids keep their end.
    ///
    /// - Parameter kept: how many ids at the start are kept, too.
    package func prompt(
        of ids: [TokenID], keeping kept: Int = 0, policy: TruncationPolicy, maxTokens: Int?
    ) throws(GenerationError) -> FittedPrompt {
        let limit = try promptLimit(maxTokens), known = tokenizer.vocabulary.tokens.indices
        guard !ids.isEmpty else { throw .emptyPrompt }
        if let unknown = ids.first(where: { !known.contains(Int($0)) }) {
            throw .field("prompt", value: "token \(unknown)", expected: "token ids from 0 to \(known.count - 1)")
        }
        var fitted = FittedPrompt()
        fitted.ids = ids
        if !fits(ids) {
            if policy == .refuse { throw .tooLong(promptTokens: ids.count, context: context) }
            let start = fitted.ids.prefix(min(kept, limit / 2))
            fitted.ids = start + fitted.ids.suffix(limit - start.count)
            fitted.wasTruncated = true
        }
        fitted.maxNewTokens = maxNewTokens(after: fitted.ids.count, maxTokens)
        return fitted
    }

    /// Whether a prompt leaves a token for an answer, if there is one.
    private func fits(_ ids: [TokenID]) -> Bool { ids.count + leastAnswer <= context }

    private func maxNewTokens(after count: Int, _ maxTokens: Int?) -> Int { min(maxTokens ?? context, context - count) }

    /// The most tokens of a prompt from which something is dropped.
    private func promptLimit(_ maxTokens: Int?) throws(GenerationError) -> Int {
        guard context > 1 else { throw .tooLong(promptTokens: 1, context: context) }
        return context - max(1, maxTokens.map { min($0, context / 2) } ?? context / 4)
    }

    /// A chat template with the tools and settings of one request.
    private struct PromptRenderer {
        let renderer: ChatRenderer
        var form: ChatPromptForm

        init(_ renderer: ChatRenderer, _ form: ChatPromptForm) {
            self.renderer = renderer
            self.form = form
        }
    }

    private func ids(of messages: [Conversation.Message], _ prompt: PromptRenderer) throws(GenerationError) -> [TokenID] {
        do throws(TokenizeError) {
            var encoder = try Encoder(tokenizer, cacheBits: 0), chat = ChatTokens()
            try prompt.renderer.append(promptOf: messages, prompt.form, with: &encoder, to: &chat)
            return chat.ids
        } catch { throw .tokenizer(error) }
    }
}

extension PromptBudget {
    /// Drops the oldest turns: as few as needed, or all that may be dropped.
    private func droppingTurns(
        of history: [Conversation.Message],
        by policy: TruncationPolicy,
        to limit: Int,
        _ renderer: PromptRenderer
    ) throws(GenerationError) -> [Conversation.Message] {
        // The kept part may start at each user message.
        var starts = history.indices.filter { history[$0].role == .user }
        if starts.isEmpty { starts = history.indices.filter { history[$0].role != .system }.suffix(1) }
        guard let newest = starts.last else { return history }
        func messages(from start: Int) -> [Conversation.Message] {
            history.indices.filter { $0 >= start || history[$0].role == .system }.map { history[$0] }
        }
        if policy == .allButLast { return messages(from: newest) }
        var low = 0
        var high = starts.count - 1
        while low < high {
            let middle = (low + high) / 2
            if try ids(of: messages(from: starts[middle]), renderer).count <= limit { high = middle } else { low = middle + 1 }
        }
        return messages(from: starts[low])
    }

    /// Cuts the end of long system messages, and the beginning of the newest user message.
    private func truncated(
        _ messages: [Conversation.Message],
        to limit: Int,
        _ renderer: PromptRenderer
    ) throws(GenerationError) -> [Conversation.Message] {
        var messages = messages
        let templateTokens = try ids(of: messages.map { $0.with(text: []) }, renderer).count
        var systemShare = max(0, limit - templateTokens) / 2
        for i in messages.indices where messages[i].role == .system {
            let ids = try self.ids(of: messages[i].text)
            if ids.count > systemShare { messages[i] = .init(.system, tokenizer.bytes(of: ids.prefix(systemShare)).wholeCharacters) }
            systemShare = max(0, systemShare - ids.count)
        }
        let newest = messages.lastIndex { $0.role == .user } ?? messages.lastIndex { $0.role != .system }
        guard let newest else { return messages }
        // A cut text may have more tokens than before, so each attempt is tokenized again.
        let ids = try self.ids(of: messages[newest].text)
        var kept = min(ids.count, max(0, limit - templateTokens))
        while true {
            messages[newest] = messages[newest].with(text: tokenizer.bytes(of: ids.suffix(kept)).wholeCharacters)
            let excess = try self.ids(of: messages, renderer).count - limit
            if excess <= 0 || kept == 0 { return messages }
            kept = max(0, kept - excess)
        }
    }

    private func ids(of text: [UInt8]) throws(GenerationError) -> [TokenID] {
        do throws(TokenizeError) { return try tokenizer.ids(of: text) } catch { throw .tokenizer(error) }
    }
}

extension [UInt8] {
    /// Without incomplete characters at both ends.
    fileprivate var wholeCharacters: [UInt8] {
        Array(dropFirst(prefix(3).prefix { $0 & 0xC0 == 0x80 }.count).dropLast(span.incompleteUTF8Suffix))
    }
}
