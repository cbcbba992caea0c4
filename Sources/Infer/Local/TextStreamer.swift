package import Tokenize

/// Turns sampled tokens into pieces of text, and detects stop tokens and stop texts.
///
///     var text = TextStreamer(tokenizer.vocabulary, rules)
///     if let piece = text.add(choice) { deliver(.piece(piece)) }
///     text.isFinished                                          // after a stop token or stop text
///     if let piece = text.finish() { … }                       // the text that was held back
///
/// A piece consists of whole characters. Text that may begin a stop text is held back until that is decided; the stop text
/// itself, trimmed whitespace and incomplete characters are never returned. The pieces concatenate to the text of all tokens, cut
/// before the first stop text, and trimmed; white space before a stop text of the request stays.
///
/// The tokens of all pieces are all tokens, except stop tokens and those of a stop text. The last piece has no text of its own if the
/// last tokens have none: whitespace that is trimmed, or an incomplete character.
package struct TextStreamer: Sendable {
    private let vocabulary: Vocabulary
    private let rules: StopRules
    private var decoder: StreamDecoder
    private var channels: ChannelReader?
    private var thoughts: ThoughtParser?
    /// What the answer has in channels beside its text, and was not returned yet.
    private var apart = ChannelReader.Part()
    /// UTF-8 that was not returned yet.
    private var held: [UInt8] = []
    /// The offset of `held` in the text of all tokens.
    private var offset = 0
    /// Tokens that were not returned yet, with the offset of their text.
    private var pending: [(start: Int, token: GeneratedToken)] = []
    private var hasBegun: Bool
    private let keepsStopToken: Bool
    package private(set) var isFinished = false
    /// The stop text of the request that has ended the text.
    package private(set) var stopText: String?

    /// - Parameters:
    ///   - channels: Reads the channels into which the answer is divided.
    ///   - thoughts: Counts the tokens of a thought between marks, which stays in the text.
    ///   - continuesText: Whether white space at the beginning belongs to a text that the prompt has begun.
    ///   - keepsStopToken: Whether the last piece has the stop token, which adds no text.
    package init(
        _ vocabulary: Vocabulary, _ rules: StopRules, channels: ChannelReader? = nil, thoughts: ThoughtParser? = nil,
        continuesText: Bool = false, keepsStopToken: Bool = false
    ) {
        self.channels = channels
        self.thoughts = thoughts
        self.keepsStopToken = keepsStopToken
        self.vocabulary = vocabulary
        self.rules = rules
        hasBegun = continuesText || !rules.trimsWhitespace
        decoder = StreamDecoder(vocabulary)
    }

    /// The tokens inside of thoughts, without marks.
    package var thoughtTokens: Int { channels?.thoughtTokens ?? thoughts?.thoughtPieces ?? 0 }

    /// Adds a token and returns the text that can be shown now. nil if there is none, and after the end.
    package mutating func add(_ choice: Sampler.Choice) -> TextPiece? {
        if isFinished { return nil }
        if rules.stopTokens.contains(choice.id) {
            if keepsStopToken { pending.append((offset + held.count, token(choice))) }
            return finish()
        }
        pending.append((offset + held.count, token(choice)))
        _ = thoughts?.add(vocabulary.bytes(of: choice.id))
        let text = decoder.add(choice.id)
        take(channels?.add(choice.id, text) ?? ChannelReader.Part(text: text))
        if channels?.isFinished == true { return finish() }
        if let stop = rules.firstStopText(in: held) {
            held.removeSubrange(stop.start...)
            pending.removeAll { $0.start >= offset + stop.start }
            stopText = stop.text.map { String(decoding: $0, as: UTF8.self) }
            return finish(keepingWhitespace: stop.text != nil)
        }
        return withPartsApart(piece(upTo: held.count - rules.partialStopLength(atEndOf: held)))
    }

    /// Ends the text, and returns what was held back.
    ///
    /// - Parameter isCut: Whether the answer reached its limit of tokens.
    package mutating func finish(isCut: Bool = false) -> TextPiece? { finish(keepingWhitespace: false, isCut: isCut) }

    /// - Parameter keepsWhitespace: White space before a stop text of the request belongs to the answer, as in OpenAI's API.
    private mutating func finish(keepingWhitespace keepsWhitespace: Bool, isCut: Bool = false) -> TextPiece? {
        if isFinished { return nil }
        isFinished = true
        if let part = channels?.finish(isCut: isCut) { take(part) }
        let last = withPartsApart(piece(upTo: held.count, keepingWhitespace: keepsWhitespace))
        if pending.isEmpty { return last }
        defer { pending = [] }
        var result = last ?? TextPiece("")
        result.tokens += pending.map(\.token)
        return result
    }

    private mutating func take(_ part: ChannelReader.Part) {
        held += part.text.utf8
        apart.thought += part.thought
        apart.calls += part.calls
    }

    /// - Parameter piece: What is shown of the text.
    private mutating func withPartsApart(_ piece: TextPiece?) -> TextPiece? {
        if apart == ChannelReader.Part() { return piece }
        var result = piece ?? TextPiece("")
        result.reasoning = apart.thought
        result.toolCalls = apart.calls
        apart = ChannelReader.Part()
        if held.isEmpty {
            result.tokens += pending.map(\.token)
            pending = []
        }
        return result
    }

    private mutating func piece(upTo limit: Int, keepingWhitespace keepsWhitespace: Bool = false) -> TextPiece? {
        var start = 0
        var end = limit
        if rules.trimsWhitespace {
            let range = held.trimmed(0..<limit)
            if !hasBegun { start = range.lowerBound }
            // Trailing whitespace is held back until a word follows.
            end = range.isEmpty ? start : range.upperBound
            hasBegun = hasBegun || start < end
            if keepsWhitespace, hasBegun { end = limit }
        }
        defer {
            held.removeFirst(end)
            offset += end
        }
        guard start < end else { return nil }
        let tokens = pending.prefix { $0.start < offset + end }.map(\.token)
        pending.removeFirst(tokens.count)
        return TextPiece(String(decoding: held[start..<end], as: UTF8.self), tokens)
    }

    private func token(_ choice: Sampler.Choice) -> GeneratedToken {
        GeneratedToken(
            choice.id,
            vocabulary.bytes(of: choice.id),
            logProbability: choice.logProbability,
            alternatives: choice.alternatives.map { .init($0.id, vocabulary.bytes(of: $0.id), $0.logProbability) }
        )
    }
}
