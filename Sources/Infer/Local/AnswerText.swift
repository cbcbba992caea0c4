package import Tokenize

/// Tokens one after the other to the pieces of an answer.
///
///     var text = AnswerText(tokenizer.vocabulary, rules)
///     if let piece = text.add(choice) { deliver(.piece(piece)) }
///     text.isOver                                              // a token or a text has ended it
///     if let piece = text.finish() { … }                       // what was held back
///
/// A piece has whole characters. What may be the beginning of a stop text waits until it is known; the stop text is never shown. What is trimmed, and a character
/// that does not become whole, is not shown either. All pieces together are: the text of all tokens, up to the first stop text, trimmed.
package struct AnswerText: Sendable {
    private let vocabulary: Vocabulary
    private let rules: AnswerRules
    private var decoder: StreamDecoder
    /// UTF-8 that is not shown yet, and where it begins in the text of all tokens.
    private var held: [UInt8] = [], place = 0
    /// Tokens whose piece has not come yet, and where their text begins.
    private var waiting: [(start: Int, token: GeneratedToken)] = []
    private var hasBegun: Bool
    package private(set) var isOver = false

    package init(_ vocabulary: Vocabulary, _ rules: AnswerRules) {
        (self.vocabulary, self.rules, hasBegun) = (vocabulary, rules, !rules.trims)
        decoder = StreamDecoder(vocabulary)
    }

    /// The text that is certain now, if there is any. After the end nothing comes.
    package mutating func add(_ choice: Sampler.Choice) -> AnswerPiece? {
        if isOver { return nil }
        if rules.stops.contains(choice.id) { return finish() }
        waiting.append((place + held.count, token(choice)))
        held += decoder.add(choice.id).utf8
        if let start = rules.stop(in: held) {
            held.removeSubrange(start...)
            return finish()
        }
        return piece(upTo: held.count - rules.beginningOfStop(at: held))
    }

    /// Ends it: what was held back, if it is to be shown.
    package mutating func finish() -> AnswerPiece? {
        if isOver { return nil }
        isOver = true
        return piece(upTo: held.count)
    }

    private mutating func piece(upTo limit: Int) -> AnswerPiece? {
        var start = 0, end = limit
        if rules.trims {
            let range = held.trimmed(0..<limit)
            if !hasBegun { start = range.lowerBound }
            // White space behind a word waits for the next one.
            end = range.isEmpty ? start : range.upperBound
            hasBegun = hasBegun || start < end
        }
        defer {
            held.removeFirst(end)
            place += end
        }
        guard start < end else { return nil }
        let tokens = waiting.prefix { $0.start < place + end }.map(\.token)
        waiting.removeFirst(tokens.count)
        return AnswerPiece(String(decoding: held[start..<end], as: UTF8.self), tokens)
    }

    private func token(_ choice: Sampler.Choice) -> GeneratedToken {
        func bytes(_ id: TokenID) -> [UInt8] { vocabulary.tokens.indices.contains(Int(id)) ? Array(vocabulary.tokens[Int(id)]) : [] }
        return GeneratedToken(choice.id, bytes(choice.id), logProbability: choice.logProbability,
                              alternatives: choice.alternatives.map { .init($0.id, bytes($0.id), $0.logProbability) })
    }
}
