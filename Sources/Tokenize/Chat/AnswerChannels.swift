import Files
import JSON

/// The special tokens that divide the answers of gpt-oss into channels: OpenAI's Harmony format. The prompt ends with
/// `<|start|>assistant`, and an answer is one message or several:
///
///     <|channel|>analysis<|message|>…<|end|><|start|>assistant                         a thought
///     <|channel|>commentary<|message|>…<|end|><|start|>assistant                       text for the user before a call
///     <|channel|>commentary to=functions.f <|constrain|>json<|message|>{…}<|call|>     a call
///      to=functions.f<|channel|>commentary json<|message|>{…}<|call|>                  the same
///     <|channel|>final<|message|>…<|return|>                                           the answer
package struct AnswerChannels: Sendable, Equatable {
    package let channel, message, end, start: TokenID
    /// Stands before the type of a message; nil if the vocabulary lacks it.
    let constrain: TokenID?
    /// Ends a call, and with it the answer; nil if the vocabulary lacks it.
    let call: TokenID?

    static let channelText = "<|channel|>"
    /// What the template writes before a thought.
    package static let thoughtOpening = "<|channel|>analysis<|message|>"
    package static let finalOpening = "<|channel|>final<|message|>"
    /// Between two messages of an answer.
    package static let nextMessage = "<|end|><|start|>assistant"

    /// nil if a chat template does not write channels, or the vocabulary lacks their tokens.
    init?(in template: JinjaChatTemplate, _ vocabulary: Vocabulary) {
        guard template.dividesThoughts, let channel = vocabulary.specialTokenID(Self.channelText),
              let message = vocabulary.specialTokenID("<|message|>"), let end = vocabulary.specialTokenID("<|end|>"),
              let start = vocabulary.specialTokenID("<|start|>") else { return nil }
        self.channel = channel
        self.message = message
        self.end = end
        self.start = start
        constrain = vocabulary.specialTokenID("<|constrain|>")
        call = vocabulary.specialTokenID("<|call|>")
    }

    /// The tokens that an answer may contain, and that do not end it.
    package var tokens: [TokenID] { [channel, message, end, start] + (constrain.map { [$0] } ?? []) }
}

/// Reads an answer in channels, one token at a time.
///
///     var reader = ChannelReader(channels, callsFunctions: true)
///     for (id, piece) in answer { text += reader.add(id, piece).text }
///     calls += reader.finish().calls
///
/// Thoughts before all other text are part of it, between the marks of ``ThoughtMarks/think``. Later ones come apart.
package struct ChannelReader: Sendable {
    /// What a token adds to an answer.
    package struct Part: Sendable, Equatable {
        package var text: String
        package var thought: String
        package var calls: [ToolCall]

        package init(text: String = "", thought: String = "", calls: [ToolCall] = []) {
            self.text = text
            self.thought = thought
            self.calls = calls
        }
    }

    private enum Message: Equatable {
        case thought, preamble, final
        case call(function: String)
    }

    private let channels: AnswerChannels
    private let callsFunctions: Bool
    /// Role, recipient and channel of the next message; nil inside of a message.
    private var header: String?
    /// The current message, or the last one.
    private var message: Message?
    private var arguments = ""
    /// Whether one of the tokens has come. An answer may have none of them.
    private var hasTokens = false
    private var hasText: Bool
    private var hasThought: Bool
    private var isThoughtOpen: Bool
    private var separatesThoughts: Bool
    package private(set) var isFinished = false
    /// The tokens inside of thoughts, without those that divide the answer.
    package private(set) var thoughtTokens = 0

    /// - Parameters:
    ///   - callsFunctions: Whether messages to functions are calls. Otherwise they are thoughts, as those to tools that slm does not have.
    ///   - separatesThoughts: Whether all thoughts come apart.
    ///   - continuesAnswer: Whether the prompt ends inside of a message: the final one, or a thought.
    package init(
        _ channels: AnswerChannels, callsFunctions: Bool = false, separatesThoughts: Bool = false, continuesAnswer: Bool = false,
        isThinking: Bool = false
    ) {
        self.channels = channels
        self.callsFunctions = callsFunctions
        self.separatesThoughts = separatesThoughts
        header = continuesAnswer ? nil : ""
        message = !continuesAnswer ? nil : isThinking ? .thought : .final
        hasText = continuesAnswer && !isThinking
        hasThought = continuesAnswer && isThinking
        isThoughtOpen = hasThought
    }

    /// - Parameter text: That of the token.
    package mutating func add(_ id: TokenID, _ text: String) -> Part {
        if id == channels.message {
            hasTokens = true
            return header == nil ? Part() : begin()
        }
        if id == channels.end || id == channels.call || id == channels.start {
            hasTokens = true
            isFinished = isFinished || id == channels.end && header == nil && message == .final
            return end()
        }
        if id == channels.channel {
            hasTokens = true
            // The token that ends a message may be missing.
            let part = header == nil ? end() : Part()
            header = (header ?? "") + AnswerChannels.channelText
            return part
        }
        if id == channels.constrain {
            header? += " "
            return Part()
        }
        guard let header else { return inside(text) }
        self.header = header + text
        return hasTokens || Self.mayNameRecipient(header + text) ? Part() : beginWithoutChannel()
    }

    /// Returns the rest at the end of the answer.
    ///
    /// - Parameter isCut: Whether the answer reached its limit of tokens: then a call that has begun is not text, but lost.
    package mutating func finish(isCut: Bool = false) -> Part { header != nil && !hasTokens ? beginWithoutChannel() : end(isCut: isCut) }

    /// Whether an answer that begins with this text may go on with a recipient: ` to=functions.f`.
    private static func mayNameRecipient(_ text: String) -> Bool {
        let text = text.drop(while: \.isWhitespace)
        return text.hasPrefix("to=") || "to=".hasPrefix(text)
    }

    private mutating func beginWithoutChannel() -> Part {
        defer { header = nil }
        message = .final
        return Part(text: textStart() + (header ?? ""))
    }

    private mutating func begin() -> Part {
        let next = message(of: header ?? "")
        header = nil
        message = next
        switch next {
        case .thought:
            defer { hasThought = true }
            if separatesThoughts { return Part(thought: hasThought ? "\n\n" : "") }
            defer { isThoughtOpen = true }
            return Part(text: isThoughtOpen ? "\n\n" : ThoughtMarks.think.start)
        case .preamble, .final: return Part(text: textStart())
        case .call: return Part(text: thoughtEnd())
        }
    }

    private func message(of header: String) -> Message {
        func word(after mark: String) -> Substring? {
            header.firstRange(of: mark).map { header[$0.upperBound...].prefix { !$0.isWhitespace && $0 != "<" } }
        }
        if let recipient = word(after: "to=") {
            let prefix = "functions.", name = recipient.dropFirst(prefix.count)
            return callsFunctions && recipient.hasPrefix(prefix) && !name.isEmpty ? .call(function: String(name)) : .thought
        }
        return switch word(after: AnswerChannels.channelText) {
        case nil, "final": .final
        case "commentary": .preamble
        default: .thought
        }
    }

    private mutating func thoughtEnd() -> String {
        defer { isThoughtOpen = false }
        separatesThoughts = true
        return isThoughtOpen ? ThoughtMarks.think.end : ""
    }

    /// What precedes a message's text in the text of the answer.
    private mutating func textStart() -> String {
        defer { hasText = true }
        return thoughtEnd() + (hasText ? "\n\n" : "")
    }

    private mutating func inside(_ text: String) -> Part {
        if message == .thought { thoughtTokens += 1 }
        switch message {
        case .thought? where !isThoughtOpen: return Part(thought: text)
        case .call?:
            arguments += text
            return Part()
        default: return Part(text: text)
        }
    }

    /// Ends the message, if there is one. A call that cannot be read is text.
    private mutating func end(isCut: Bool = false) -> Part {
        let isInside = header == nil
        header = ""
        guard isInside, case .call(let name)? = message else { return Part() }
        defer { arguments = "" }
        let text = Array(arguments.utf8).trimmed
        if let element = try? JSONElement(parsing: text), element.kind == .object {
            return Part(calls: [ToolCall(name: name, arguments: element.json)])
        }
        if isCut { return Part() }
        if text.isEmpty { return Part(calls: [ToolCall(name: name, arguments: Array("{}".utf8))]) }
        return Part(text: textStart() + arguments)
    }
}
