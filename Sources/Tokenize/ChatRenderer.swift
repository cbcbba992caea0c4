/// Puts conversations into a form. Only read once it is made: all threads may share it, each with an encoder of its own.
///
///     let renderer = try ChatRenderer(.specialTokens, for: tokenizer)
///     var prompt = ChatTokens()
///     try renderer.append(promptOf: [.init(.user, "Hi")], with: &encoder, to: &prompt)      // … <|assistant|>
///     renderer.stops                                                                       // <|user|>, <|eos|>: the answer is complete
///
/// Texts lose the white space around them. Where the form has no place for a system's text, it stands before the next user's, an empty line
/// between.
/// In `human-assistant` an answer begins with a space, that of `Assistant: Hello`, which is not part of what is said.
package struct ChatRenderer: Sendable {
    package let form: ChatTemplate
    /// The tokens that end the assistant's turn.
    package let stops: [TokenID]

    /// What stands before a text, by who says it; nil for a system that has no place.
    private let user, assistant: [TokenID], system: [TokenID]?
    /// What ends a turn, and what ends a conversation.
    private let turnEnd, end: [TokenID]
    private let vocabulary: Vocabulary

    package init(_ form: ChatTemplate, for tokenizer: Tokenizer) throws(TokenizeError) {
        self.form = form
        vocabulary = tokenizer.vocabulary
        switch form {
        case .specialTokens:
            func marker(_ text: String) throws(TokenizeError) -> TokenID {
                guard let id = tokenizer.vocabulary.specialTokenID(text) else { throw .missingSpecialToken(text, form: form.rawValue) }
                return id
            }
            user = [try marker("<|user|>")]
            assistant = [try marker("<|assistant|>")]
            end = [try marker("<|eos|>")]
            system = tokenizer.vocabulary.specialTokenID("<|system|>").map { [$0] }
            turnEnd = []
            stops = user + end
        case .humanAssistant:
            user = try tokenizer.ids(of: "Human:")
            assistant = try tokenizer.ids(of: "Assistant:")
            turnEnd = try tokenizer.ids(of: "\n")
            end = []
            system = nil
            guard turnEnd.count == 1 else { throw .missingSpecialToken("\\n", form: form.rawValue) }
            stops = turnEnd
        }
    }

    /// A conversation that is over; with a limit, at most the first so many ids of it. Says whether it was cut.
    @discardableResult
    package func append(_ conversation: Conversation, limit: Int = .max, with encoder: inout Encoder,
                        to chat: inout ChatTokens) throws(TokenizeError) -> Bool {
        let start = chat.ids.count
        let isWhole = try append(conversation.messages, limit: limit, with: &encoder, to: &chat)
        if isWhole, chat.ids.count > start {
            if chat.ids.count + end.count - start > limit { return true }
            chat.ids += end
        }
        return !isWhole
    }

    /// A conversation that the assistant is to go on with.
    package func append(
        promptOf history: [Conversation.Message], with encoder: inout Encoder, to chat: inout ChatTokens
    ) throws(TokenizeError) {
        let start = chat.ids.count
        _ = try append(history, limit: .max, with: &encoder, to: &chat)
        if chat.ids.count == start { chat.turns.append(.init(start, .preamble)) }
        chat.ids += assistant
    }

    private func append(_ messages: [Conversation.Message], limit: Int, with encoder: inout Encoder,
                        to chat: inout ChatTokens) throws(TokenizeError) -> Bool {
        let start = chat.ids.count
        var last: TokenRole?
        for message in placed(messages) {
            let side = TokenRole(message.role)
            switch last {
            case nil: chat.turns.append(.init(chat.ids.count, .preamble))
            // What the assistant learns to say ends with its own end: a line end, or the marker of the user.
            case .assistant? where form == .humanAssistant || side != .user: chat.turns.append(.init(chat.ids.count, .user))
            default: break
            }
            chat.ids += opening(of: side)
            // The user's label after the assistant's turn is the user's already.
            if chat.turns.last?.role != side { chat.turns.append(.init(chat.ids.count, side)) }
            let text = chat.ids.count
            try encode(message.text, with: &encoder, into: &chat.ids)
            let textEnd = chat.ids.count
            chat.ids += turnEnd
            if chat.ids.count - start > limit {
                chat.ids.removeSubrange((start + limit)...)
                while let turn = chat.turns.last, turn.start >= chat.ids.count, turn.start > start { chat.turns.removeLast() }
                chat.bytes[side] += textEnd <= chat.ids.count ? message.text.count : bytes(of: chat.ids[min(text, chat.ids.count)...])
                return false
            }
            chat.bytes[side] += message.text.count
            last = side
        }
        return true
    }

    private func opening(of side: TokenRole) -> [TokenID] {
        switch side { case .assistant: assistant; case .system: system ?? user; default: user }
    }

    /// The bytes of a text that these ids, its first, stand for.
    private func bytes(of ids: ArraySlice<TokenID>) -> Int {
        let count = ids.reduce(0) { $0 + vocabulary.tokens.range(of: Int($1)).count }
        return form == .humanAssistant ? max(0, count - 1) : count          // not the space after the label
    }

    private func encode(_ text: [UInt8], with encoder: inout Encoder, into ids: inout [TokenID]) throws(TokenizeError) {
        switch form {
        case .specialTokens: try encoder.encode(text.span, into: &ids)
        case .humanAssistant: try encoder.encode(([UInt8(ascii: " ")] + text).span, into: &ids)
        }
    }

    /// The messages as they will stand there.
    private func placed(_ messages: [Conversation.Message]) -> [Conversation.Message] {
        var result: [Conversation.Message] = [], waiting: [UInt8] = []
        for message in messages {
            var text = message.text.trimmed
            if message.role == .system, system == nil {
                waiting += (waiting.isEmpty ? [] : [10, 10]) + text
                continue
            }
            if message.role == .user, !waiting.isEmpty {
                text = waiting + [10, 10] + text
                waiting = []
            }
            result.append(.init(message.role, text))
        }
        if !waiting.isEmpty { result.append(.init(.user, waiting)) }
        return form == .specialTokens ? result : result.map { .init($0.role, Self.oneLine($0.text)) }
    }

    private static func oneLine(_ text: [UInt8]) -> [UInt8] {
        if !text.contains(10), !text.contains(13) { return text }
        return Array(text.split { $0 == 10 || $0 == 13 }.joined(separator: [UInt8(ascii: " ")]))
    }
}

extension [UInt8] {
    /// Without the white space, of ASCII's, around it.
    package var trimmed: [UInt8] {
        let range = trimmed(indices)
        return range.count == count ? self : Array(self[range])
    }

    /// A range of it without the white space at its ends.
    package func trimmed(_ range: Range<Int>) -> Range<Int> {
        func isSpace(_ byte: UInt8) -> Bool { byte == 32 || 9...13 ~= byte }
        var start = range.lowerBound
        var end = range.upperBound
        while start < end, isSpace(self[start]) { start += 1 }
        while start < end, isSpace(self[end - 1]) { end -= 1 }
        return start..<end
    }
}
