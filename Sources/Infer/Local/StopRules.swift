package import Tokenize

/// What ends an answer, which tokens are banned from it, and whether it is trimmed.
///
///     let rules = StopRules(for: .chat(messages), tokenizer.vocabulary, renderer, stop: config.stop)
package struct StopRules: Sendable, Equatable {
    package let stopTokens: [TokenID]
    /// All other special tokens, and ids without a token.
    package let banned: [TokenID]
    /// As UTF-8: those of the request, then that of the chat template.
    let stopTexts: [[UInt8]]
    /// Whether the last of the stop texts is the chat template's.
    private let hasTurnEnd: Bool
    /// Whether leading and trailing whitespace is removed, as in the training data of chat models.
    let trimsWhitespace: Bool

    /// - Parameters:
    ///   - renderer: nil for a model without a chat template.
    ///   - endTokens: The model's ``ServingDefaults/endTokens``.
    ///   - ignoresEOS: Bans all stop tokens instead of stopping at them.
    ///   - callsTools: Whether the answer may contain the special tokens of the model's tool calls.
    ///   - stopsAtLineBreak: Whether a line break ends the answers of templates without a token for that.
    package init(
        for prompt: Prompt, _ vocabulary: Vocabulary, _ renderer: ChatRenderer?, endTokens: [TokenID] = [], stop: [String],
        ignoresEOS: Bool = false, callsTools: Bool = false, stopsAtLineBreak: Bool = true
    ) {
        let channelTokens = renderer?.channels?.tokens ?? []
        let ends = (vocabulary.endTokens + endTokens.filter(vocabulary.contains)).filter { !channelTokens.contains($0) }
        var tokens = ignoresEOS ? [] : Set(ends)
        var texts = stop.map { Array($0.utf8) }
        var hasTurnEnd = false
        if case .chat = prompt, let renderer {
            if !ignoresEOS { tokens.formUnion(renderer.stopTokens.filter { !channelTokens.contains($0) }) }
            // A line break ends the turn even inside a longer token.
            hasTurnEnd = renderer.template == .humanAssistant && !ignoresEOS && stopsAtLineBreak
            if hasTurnEnd { texts.append([UInt8(ascii: "\n")]) }
            trimsWhitespace = true
        } else {
            trimsWhitespace = false
        }
        let unused = vocabulary.tokens.indices.filter { vocabulary.tokens.range(of: $0).isEmpty }.map { TokenID($0) }
        let marks = renderer?.thoughtMarks
        let callTokens = Set((callsTools ? renderer?.toolCallFormat.tokens ?? [] : []) + (marks.map { [$0.start, $0.end] } ?? []))
        let special = vocabulary.specialTokens.filter { !callTokens.contains($0.text) && !channelTokens.contains($0.id) }.map(\.id)
        banned = Set(special).union(unused).union(ends).subtracting(tokens).sorted()
        stopTokens = tokens.sorted()
        stopTexts = texts
        self.hasTurnEnd = hasTurnEnd
    }

    /// The start of the first complete stop text; of stop texts that end at the same byte, the longest one's.
    ///
    /// - Returns: Also the text; nil if it is the chat template's end of a turn, not a text of the request.
    func firstStopText(in text: [UInt8]) -> (start: Int, text: [UInt8]?)? {
        var found: (start: Int, end: Int, index: Int)?
        for (i, stop) in stopTexts.enumerated() where stop.count <= text.count {
            let starts = 0...text.count - stop.count
            guard let start = starts.first(where: { text[$0..<$0 + stop.count].elementsEqual(stop) }) else { continue }
            let end = start + stop.count
            if found.map({ end < $0.end || end == $0.end && start < $0.start }) ?? true { found = (start, end, i) }
        }
        return found.map { ($0.start, hasTurnEnd && $0.index == stopTexts.count - 1 ? nil : stopTexts[$0.index]) }
    }

    /// The number of bytes at the end of a text that may begin a stop text.
    func partialStopLength(atEndOf text: [UInt8]) -> Int {
        var longest = 0
        for stop in stopTexts {
            for length in stride(from: min(stop.count - 1, text.count), to: longest, by: -1)
            where text.suffix(length).elementsEqual(stop.prefix(length)) {
                longest = length
                break
            }
        }
        return longest
    }
}
