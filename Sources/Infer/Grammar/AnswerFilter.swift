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
    /// In bytes. An answer that needs more for its end is cut.
    private static let maxCompletion = 20_000

    private let vocabulary: Vocabulary
    private let stopTokens: [TokenID]
    private var matcher: GrammarMatcher
    private var state: GrammarMatcher.State
    /// How many tokens the answer may still have.
    var budget = Int.max
    /// Whether a sampled token was replaced, because the answer could not have been completed after it.
    package private(set) var isShortened = false
    /// The tokens of the shortest completion.
    private var plan: [TokenID] = []
    /// The tokens that begin with each byte, the longest first.
    private var tokensByByte: [[TokenID]] = []
    private let banned: Set<TokenID>
    /// A bit for each token.
    private var masks: [GrammarMatcher.State: [UInt64]] = [:]

    /// - Parameter banned: Never sampled, and so in no completion.
    package init(_ grammar: Grammar, _ vocabulary: Vocabulary, stopTokens: [TokenID], banned: [TokenID] = []) {
        self.vocabulary = vocabulary
        self.stopTokens = stopTokens.filter(vocabulary.contains)
        self.banned = Set(banned + stopTokens)
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
        if plan.first == id { plan.removeFirst() } else { plan = [] }
        for byte in vocabulary.tokens[Int(id)] where state != GrammarMatcher.dead { state = matcher.next(state, byte) }
    }

    // MARK: Budget

    /// The token itself if the answer can be completed within the budget after it; otherwise the next one of the shortest completion.
    ///
    /// An answer for which the budget is too small from the beginning is cut.
    mutating func affordable(_ id: TokenID) -> TokenID {
        if stopTokens.contains(id) || state == GrammarMatcher.dead { return id }
        let limit = budget - 1
        var next = state
        for byte in vocabulary.tokens[Int(id)] where next != GrammarMatcher.dead { next = matcher.next(next, byte) }
        // A token has at least one byte, and usually each byte is a token.
        if let bytes = matcher.bytesToEnd(next), bytes <= limit / 2 { return id }
        if plan.first == id, plan.count <= budget { return id }
        if let completion = completion(from: next), completion.count <= limit {
            plan = [id] + completion
            return id
        }
        if plan.isEmpty || plan.count > budget { plan = completion(from: state) ?? [] }
        guard let first = plan.first, plan.count <= budget else { return id }
        isShortened = true
        return first
    }

    /// The fewest tokens that spell the shortest completion; nil if there are none.
    private mutating func completion(from state: GrammarMatcher.State) -> [TokenID]? {
        if tokensByByte.isEmpty { tokensByByte = vocabulary.tokensByFirstByte(without: banned) }
        guard let text = matcher.shortestEnd(state, atMost: Self.maxCompletion) else { return nil }
        // For each position, from the last one: the number of tokens to the end, and the first of them.
        var best = [(count: Int, id: TokenID)](repeating: (Int.max, -1), count: text.count) + [(0, -1)]
        for at in text.indices.reversed() {
            for id in tokensByByte[Int(text[at])] {
                let token = vocabulary.tokens[Int(id)], end = at + token.count
                guard end <= text.count, best[end].count < Int.max, best[end].count + 1 < best[at].count,
                      text[at..<end].elementsEqual(token) else { continue }
                best[at] = (best[end].count + 1, id)
            }
        }
        guard best[0].count < Int.max else { return nil }
        var ids: [TokenID] = [], at = 0
        while at < text.count {
            ids.append(best[at].id)
            at += vocabulary.tokens[Int(best[at].id)].count
        }
        return ids
    }

    // MARK: Masks

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

extension Vocabulary {
    fileprivate func tokensByFirstByte(without excluded: Set<TokenID>) -> [[TokenID]] {
        var lists = [[TokenID]](repeating: [], count: 256)
        for id in tokens.indices { if let first = tokens[id].first { lists[Int(first)].append(TokenID(id)) } }
        return lists.map { list in list.filter { !excluded.contains($0) }.sorted { tokens[Int($0)].count > tokens[Int($1)].count } }
    }
}
