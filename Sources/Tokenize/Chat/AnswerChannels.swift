/// The special tokens that divide the answers of gpt-oss into channels (OpenAI's Harmony format):
/// `<|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…`.
package struct AnswerChannels: Sendable, Equatable {
    let channel, message, end, start: TokenID
    /// What the template writes before a thought.
    static let thoughtOpening = "<|channel|>analysis<|message|>"

    /// nil if a chat template does not write channels, or the vocabulary lacks their tokens.
    init?(in template: JinjaChatTemplate, _ vocabulary: Vocabulary) {
        guard template.dividesThoughts, let channel = vocabulary.specialTokenID("<|channel|>"),
              let message = vocabulary.specialTokenID("<|message|>"), let end = vocabulary.specialTokenID("<|end|>"),
              let start = vocabulary.specialTokenID("<|start|>") else { return nil }
        self.channel = channel
        self.message = message
        self.end = end
        self.start = start
    }

    /// The tokens that an answer may contain, and that do not end it.
    package var tokens: [TokenID] { [channel, message, end, start] }
}

/// Reads an answer in channels: what is not in the channel `final` is a thought, between the marks of ``ThoughtMarks/think``.
///
///     var reader = ChannelReader(channels)
///     reader.text(of: channelToken, "") == ""                  // … analysis<|message|> begins a thought
package struct ChannelReader: Sendable {
    private enum State {
        /// The text of the answer, or of a thought.
        case text
        /// The name of a channel, up to `<|message|>`.
        case header(String)
        /// Behind a message: the role of the next one.
        case role
    }

    private let channels: AnswerChannels
    private var state = State.text
    /// Whether the current message is in the channel `final`, which `<|end|>` ends; nil before the first one.
    private var isFinal: Bool?
    package private(set) var isFinished = false

    package init(_ channels: AnswerChannels) { self.channels = channels }

    /// The part of the answer that a token adds.
    ///
    /// - Parameter text: That of the token.
    package mutating func text(of id: TokenID, _ text: String) -> String {
        switch id {
        case channels.channel: state = .header("")
        case channels.start: state = .role
        case channels.end where isFinal == true: isFinished = true
        case channels.end: state = .role
        case channels.message: return begin()
        default:
            switch state {
            case .text: return text
            case .header(let name): state = .header(name + text)
            case .role: break
            }
        }
        return ""
    }

    /// Begins the text of a message.
    private mutating func begin() -> String {
        defer { state = .text }
        var name = "final"
        // A name may be followed by the type of the message.
        if case .header(let header) = state { name = String(header.prefix { !$0.isWhitespace }) }
        let wasThinking = isFinal == false, isThinking = name != "final"
        isFinal = !isThinking
        return switch (wasThinking, isThinking) {
        case (false, true): ThoughtMarks.think.start
        case (true, true): "\n\n"
        case (true, false): ThoughtMarks.think.end
        case (false, false): ""
        }
    }
}
