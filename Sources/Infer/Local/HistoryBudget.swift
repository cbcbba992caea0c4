package import Tokenize

/// A prompt that fits: prompt and answer together are never more than the context.
///
///     let budget = HistoryBudget(context: 384, tokenizer, renderer)
///     let prompt = try budget.prompt(of: messages, policy: .oldestTurns, maximumTokens: 200)
///     prompt.ids.count + prompt.room <= 384
///
/// Room is kept for `maximumTokens`, or for a quarter of the context where none are given; but for half of it at most, so that an answer that may be long does
/// not push out what it answers to. A short prompt leaves more room, and then the answer may use it.
///
/// What the system says stays, and is cut at its end if it is more than half of what there is for the prompt. If the newest turn of the user's does not fit by
/// itself, it loses its beginning.
package struct HistoryBudget: Sendable {
    package struct Fitted: Sendable, Equatable {
        package var ids: [TokenID] = []
        /// Messages that were left out.
        package var droppedTurns = 0
        /// Whether a message lost a part.
        package var wasCut = false
        /// Tokens that the answer may have.
        package var room = 0

        package init() {}
    }

    private let context: Int
    private let tokenizer: Tokenizer
    private let renderer: ChatRenderer?

    /// - Parameter renderer: nil for a model without chats.
    package init(context: Int, _ tokenizer: Tokenizer, _ renderer: ChatRenderer?) { (self.context, self.tokenizer, self.renderer) = (context, tokenizer, renderer) }

    /// A conversation that the assistant goes on with.
    package func prompt(of history: [Conversation.Message], policy: HistoryPolicy, maximumTokens: Int?, model: String = "this model") throws(GenerationError) -> Fitted {
        guard let renderer else { throw .noChats(model: model) }
        let limit = try self.limit(maximumTokens)
        var fitted = Fitted()
        fitted.ids = try ids(of: history, renderer)
        if fitted.ids.count > limit {
            if policy == .refuse { throw .tooLong(promptTokens: fitted.ids.count, context: context) }
            let kept = try shortened(history, by: policy, to: limit, renderer)
            (fitted.droppedTurns, fitted.ids) = (history.count - kept.count, try ids(of: kept, renderer))
            if fitted.ids.count > limit {
                fitted.wasCut = true
                fitted.ids = try ids(of: try cut(kept, to: limit, renderer), renderer)
                // Labels alone may be too long for a very small model.
                if fitted.ids.count > limit { fitted.ids = Array(fitted.ids.suffix(limit)) }
            }
        }
        fitted.room = room(behind: fitted.ids.count, maximumTokens)
        return fitted
    }

    /// A text that goes on. Its end is what counts.
    package func prompt(of text: String, policy: HistoryPolicy, maximumTokens: Int?) throws(GenerationError) -> Fitted {
        var ids = try self.ids(of: Array(text.utf8))
        if ids.isEmpty, let start = AnswerRules(for: .text(text), tokenizer.vocabulary, renderer, stop: []).stops.first { ids = [start] }
        return try prompt(of: ids, policy: policy, maximumTokens: maximumTokens)
    }

    /// Tokens that go on.
    package func prompt(of ids: [TokenID], policy: HistoryPolicy, maximumTokens: Int?) throws(GenerationError) -> Fitted {
        let limit = try self.limit(maximumTokens), known = tokenizer.vocabulary.tokens.indices
        guard !ids.isEmpty else { throw .emptyPrompt }
        if let other = ids.first(where: { !known.contains(Int($0)) }) { throw .field("prompt", value: "token \(other)", expected: "tokens from 0 to \(known.count - 1)") }
        var fitted = Fitted()
        fitted.ids = ids
        if fitted.ids.count > limit {
            if policy == .refuse { throw .tooLong(promptTokens: fitted.ids.count, context: context) }
            (fitted.ids, fitted.wasCut) = (Array(fitted.ids.suffix(limit)), true)
        }
        fitted.room = room(behind: fitted.ids.count, maximumTokens)
        return fitted
    }

    private func room(behind count: Int, _ maximumTokens: Int?) -> Int { min(maximumTokens ?? context, context - count) }

    /// Tokens that the prompt may have.
    private func limit(_ maximumTokens: Int?) throws(GenerationError) -> Int {
        guard context > 1 else { throw .tooLong(promptTokens: 1, context: context) }
        return context - max(1, maximumTokens.map { min($0, context / 2) } ?? context / 4)
    }

    private func ids(of messages: [Conversation.Message], _ renderer: ChatRenderer) throws(GenerationError) -> [TokenID] {
        do throws(TokenizeError) {
            var encoder = try Encoder(tokenizer, remembering: 0), chat = ChatTokens()
            try renderer.append(promptOf: messages, with: &encoder, to: &chat)
            return chat.ids
        } catch { throw .tokenizer(error) }
    }
}

/// What gives way.
extension HistoryBudget {
    /// Without the oldest turns: as few of them as will do, or all that may go.
    private func shortened(_ history: [Conversation.Message], by policy: HistoryPolicy, to limit: Int, _ renderer: ChatRenderer) throws(GenerationError) -> [Conversation.Message] {
        // Where the rest may begin: at each turn of the user's.
        var starts = history.indices.filter { history[$0].role == .user }
        if starts.isEmpty { starts = history.indices.filter { history[$0].role != .system }.suffix(1) }
        guard let newest = starts.last else { return history }
        func rest(from start: Int) -> [Conversation.Message] { history.indices.filter { $0 >= start || history[$0].role == .system }.map { history[$0] } }
        if policy == .allButLast { return rest(from: newest) }
        var (low, high) = (0, starts.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if try ids(of: rest(from: starts[middle]), renderer).count <= limit { high = middle } else { low = middle + 1 }
        }
        return rest(from: starts[low])
    }

    /// With less of what the system says, if it is long, and of the beginning of what the user says.
    private func cut(_ messages: [Conversation.Message], to limit: Int, _ renderer: ChatRenderer) throws(GenerationError) -> [Conversation.Message] {
        var messages = messages
        let frame = try ids(of: messages.map { .init($0.role, [UInt8]()) }, renderer).count
        var share = max(0, limit - frame) / 2
        for i in messages.indices where messages[i].role == .system {
            let ids = try self.ids(of: messages[i].text)
            if ids.count > share { messages[i] = .init(.system, tokenizer.bytes(of: ids.prefix(share)).wholeCharacters) }
            share = max(0, share - ids.count)
        }
        guard let newest = messages.lastIndex(where: { $0.role == .user }) ?? messages.lastIndex(where: { $0.role != .system }) else { return messages }
        // Cut text may take more tokens than it was: it is counted again.
        let ids = try self.ids(of: messages[newest].text)
        var kept = min(ids.count, max(0, limit - frame))
        while true {
            messages[newest] = .init(messages[newest].role, tokenizer.bytes(of: ids.suffix(kept)).wholeCharacters)
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
    /// Without halves of characters at its ends.
    fileprivate var wholeCharacters: [UInt8] { Array(dropFirst(prefix(3).prefix { $0 & 0xC0 == 0x80 }.count).dropLast(span.unfinishedTail)) }
}
