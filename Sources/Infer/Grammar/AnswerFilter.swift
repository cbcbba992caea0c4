package import Tokenize

/// Restricts the tokens of an answer to those that continue a text of a grammar.
///
///     var filter = AnswerFilter(grammar, vocabulary, stopTokens: rules.stopTokens)
///     filter.restrict(&logits)
///     filter.add(id)
///     filter.isComplete                                        // whether only the end can follow
///
/// The tokens that a state allows are kept, because the inside of a text has one state.
package struct AnswerFilter: Sendable {
    private static let maxStates = 2_000
    private static let maxMasks = 200

    private let vocabulary: Vocabulary
    private let stopTokens: [TokenID]
    private var matcher: GrammarMatcher
    private var state: GrammarMatcher.State
    /// A bit for each token.
    private var masks: [GrammarMatcher.State: [UInt64]] = [:]

    package init(_ grammar: Grammar, _ vocabulary: Vocabulary, stopTokens: [TokenID]) {
        self.vocabulary = vocabulary
        self.stopTokens = stopTokens.filter(vocabulary.contains)
        matcher = GrammarMatcher(grammar)
        state = matcher.start
    }

    package var isComplete: Bool { matcher.isComplete(state) }

    /// Makes the logits of tokens that the grammar does not allow -∞.
    package mutating func restrict(_ logits: inout MutableSpan<Float>) {
        if state == GrammarMatcher.dead {
            for id in logits.indices { logits[id] = -.infinity }
            return
        }
        if matcher.stateCount > Self.maxStates || masks.count > Self.maxMasks {
            matcher.forget(allBut: state)
            state = matcher.start
            masks = [:]
        }
        let mask = mask(of: state)
        var ends: [(id: Int, logit: Float)] = []
        if matcher.accepts(state) { ends = stopTokens.map { (Int($0), logits[Int($0)]) } }
        for id in logits.indices where id >= 64 * mask.count || mask[id / 64] >> UInt64(id % 64) & 1 == 0 { logits[id] = -.infinity }
        for (id, logit) in ends { logits[id] = logit }
    }

    package mutating func add(_ id: TokenID) {
        if stopTokens.contains(id) { return }
        guard vocabulary.contains(id) else {
            state = GrammarMatcher.dead
            return
        }
        for byte in vocabulary.tokens[Int(id)] where state != GrammarMatcher.dead { state = matcher.next(state, byte) }
    }

    private mutating func mask(of state: GrammarMatcher.State) -> [UInt64] {
        if let mask = masks[state] { return mask }
        let tokens = vocabulary.tokens
        var mask = [UInt64](repeating: 0, count: (tokens.count + 63) / 64)
        for id in tokens.indices {
            let range = tokens.range(of: id)
            if range.isEmpty { continue }
            var next = state
            for i in range {
                next = matcher.next(next, tokens.bytes[i])
                if next == GrammarMatcher.dead { break }
            }
            if next != GrammarMatcher.dead { mask[id / 64] |= 1 << UInt64(id % 64) }
        }
        for id in stopTokens { mask[Int(id) / 64] &= ~(1 << UInt64(id % 64)) }
        masks[state] = mask
        return mask
    }
}
