package import Tokenize

/// What ends an answer, what never stands in it, and whether its edges are trimmed.
///
///     let rules = AnswerRules(for: .chat(messages), tokenizer.vocabulary, renderer, stop: config.stop)
package struct AnswerRules: Sendable, Equatable {
    /// The tokens that end it.
    package let stops: [TokenID]
    /// Those that may not come: all other special ones, and numbers that are no token.
    package let banned: [TokenID]
    /// UTF-8.
    let stopTexts: [[UInt8]]
    /// Whether white space at its beginning and end is left out, as in the texts that a chat model learned from.
    let trims: Bool

    /// What ends a text in the vocabularies that people have.
    private static let endMarkers: Set = ["<|eos|>", "<|endoftext|>", "</s>", "<|end_of_text|>", "<|im_end|>", "<eos>"]

    /// - Parameters:
    ///   - renderer: nil for a model without chats.
    ///   - ignoresEnd: Whether no token ends it; those that would may not come then.
    package init(for prompt: Prompt, _ vocabulary: Vocabulary, _ renderer: ChatRenderer?, stop: [String], ignoresEnd: Bool = false) {
        var stops = ignoresEnd ? [] : Set(vocabulary.specials.filter { Self.endMarkers.contains($0.text) }.map(\.id)), texts = stop.map { Array($0.utf8) }
        if case .chat = prompt, let renderer {
            if !ignoresEnd { stops.formUnion(renderer.stops) }
            // A line ends the turn whatever else is in the token that ends it.
            if renderer.form == .humanAssistant, !ignoresEnd { texts.append([UInt8(ascii: "\n")]) }
            trims = true
        } else {
            trims = false
        }
        let gaps = vocabulary.tokens.indices.filter { vocabulary.tokens.range(of: $0).isEmpty }.map { TokenID($0) }
        banned = Set(vocabulary.specials.map(\.id)).union(gaps).subtracting(stops).sorted()
        (self.stops, stopTexts) = (stops.sorted(), texts)
    }

    package init(stops: [TokenID], stopTexts: [String], trims: Bool) {
        (self.stops, banned, self.stopTexts, self.trims) = (stops, [], stopTexts.map { Array($0.utf8) }, trims)
    }

    /// Where the text begins that ends the answer: of the stop texts, the first that is whole; of those that end there, the longest.
    func stop(in text: [UInt8]) -> Int? {
        var found: (start: Int, end: Int)?
        for stop in stopTexts where stop.count <= text.count {
            guard let start = (0...text.count - stop.count).first(where: { text[$0..<$0 + stop.count].elementsEqual(stop) }) else { continue }
            let end = start + stop.count
            if found.map({ end < $0.end || end == $0.end && start < $0.start }) ?? true { found = (start, end) }
        }
        return found?.start
    }

    /// How many bytes at the end of a text may be the beginning of a stop text.
    func beginningOfStop(at text: [UInt8]) -> Int {
        var longest = 0
        for stop in stopTexts {
            for length in stride(from: min(stop.count - 1, text.count), to: longest, by: -1) where text.suffix(length).elementsEqual(stop.prefix(length)) {
                longest = length
                break
            }
        }
        return longest
    }
}
