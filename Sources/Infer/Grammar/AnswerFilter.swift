package import Tokenize

/// Restricts the tokens of an answer to those that continue a text of a grammar.
///
///     var filter = AnswerFilter(grammar, model.grammarTokens, stopTokens: rules.stopTokens)
///     filter.restrict(&logits)
///     filter.add(id)
///     filter.isComplete                                        // whether only the end can follow
///
/// The tokens that a state allows are kept, because the inside of a text has one state.
///
/// In an answer in channels, the grammar holds for the text of the final message, or for a call. A thought before it is free.
package struct AnswerFilter: Sendable {
    private static let maxStates = 2_000
    private static let maxMasks = 200
    /// In bytes. An answer that needs more for its end is cut.
    private static let maxCompletion = 20_000

    /// Where an answer in channels is.
    private enum Section {
        /// Between the texts of messages: tokens of channels, and words such as `final`.
        case header
        /// Any text, up to the token that ends the message.
        case thought
        /// A text of the request's grammar, without tokens of channels. Other answers are this only.
        case content
    }

    private let vocabulary: Vocabulary
    private let trie: TokenTrie
    private let stopTokens: [TokenID]
    private var matcher: GrammarMatcher
    private var state: GrammarMatcher.State
    /// How many tokens the answer may still have.
    var budget = Int.max
    /// Whether a sampled token was replaced, because the answer could not have been completed after it.
    package private(set) var isShortened = false
    /// The tokens of the shortest completion.
    private var plan: [TokenID] = []
    private let banned: Set<TokenID>
    private var masks: [GrammarMatcher.State: TokenMask] = [:]
    private let channels: AnswerChannels?
    private var section: Section
    /// The state inside of a thought.
    private var thoughtState: GrammarMatcher.State

    /// - Parameters:
    ///   - banned: Never sampled, and so in no completion.
    ///   - channels: Those into which the answer is divided.
    ///   - isCall: Whether the grammar describes a whole message to a function, not the text of the final message.
    package init(
        _ grammar: Grammar, _ tokens: GrammarTokens, stopTokens: [TokenID], banned: [TokenID] = [], channels: AnswerChannels? = nil,
        isCall: Bool = false
    ) {
        vocabulary = tokens.vocabulary
        trie = tokens.trie
        self.stopTokens = stopTokens.filter(vocabulary.contains)
        self.banned = Set(banned + stopTokens)
        self.channels = channels
        section = channels == nil ? .content : .header
        matcher = GrammarMatcher(channels == nil ? grammar : grammar.inChannels(isCall: isCall))
        state = matcher.start
        thoughtState = channels == nil ? GrammarMatcher.dead : matcher.start
        for byte in AnswerChannels.thoughtOpening.utf8 { thoughtState = matcher.next(thoughtState, byte) }
    }

    package var isComplete: Bool { matcher.isComplete(state) }

    /// Makes the logits of tokens that the grammar does not allow -∞.
    package mutating func restrict(_ logits: inout MutableSpan<Float>) {
        if state == GrammarMatcher.dead {
            for id in logits.indices { logits[id] = -.infinity }
            return
        }
        if section == .thought, let channels {
            for id in stopTokens + channels.tokens where id != channels.end { logits[Int(id)] = -.infinity }
            return
        }
        let mask = nextMask()
        var ends: [(id: Int, logit: Float)] = []
        if matcher.accepts(state) { ends = stopTokens.map { (Int($0), logits[Int($0)]) } }
        mask.apply(to: &logits)
        for (id, logit) in ends { logits[id] = logit }
    }

    /// The next token, if the grammar allows no other and not the end.
    mutating func forcedToken() -> TokenID? {
        if section == .thought || state == GrammarMatcher.dead || matcher.accepts(state) { return nil }
        guard let id = nextMask().only, !banned.contains(id) else { return nil }
        return id
    }

    package mutating func add(_ id: TokenID) {
        if stopTokens.contains(id) { return }
        guard vocabulary.contains(id) else {
            state = GrammarMatcher.dead
            return
        }
        if plan.first == id { plan.removeFirst() } else { plan = [] }
        state = next(after: id)
        guard let channels else { return }
        if id == channels.message {
            section = state == thoughtState ? .thought : .content
        } else if section == .thought, id == channels.end {
            section = .header
        }
    }

    private mutating func next(after id: TokenID) -> GrammarMatcher.State {
        if section == .thought, id != channels?.end { return state }
        var next = state
        for byte in vocabulary.tokens[Int(id)] where next != GrammarMatcher.dead { next = matcher.next(next, byte) }
        return next
    }

    // MARK: Budget

    /// The token itself if the answer can be completed within the budget after it; otherwise the next one of the shortest completion.
    ///
    /// An answer for which the budget is too small from the beginning is cut.
    mutating func affordable(_ id: TokenID) -> TokenID {
        if stopTokens.contains(id) || state == GrammarMatcher.dead { return id }
        let limit = budget - 1, next = next(after: id)
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
        guard let text = matcher.shortestEnd(state, atMost: Self.maxCompletion) else { return nil }
        // For each position, from the last one: the number of tokens to the end, and the first of them.
        var best = [(count: Int, id: TokenID)](repeating: (Int.max, -1), count: text.count) + [(0, -1)]
        for at in text.indices.reversed() {
            trie.forEachBeginning(of: text[at...]) { ids, length in
                // Among equally many tokens, the longest come first.
                let rest = best[at + length].count
                guard rest < best[at].count, let id = ids.first(where: { !banned.contains($0) }) else { return }
                best[at] = (rest + 1, id)
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

    /// The tokens that can follow. Forgets what earlier tokens have needed if that is much.
    private mutating func nextMask() -> TokenMask {
        if matcher.stateCount > Self.maxStates {
            matcher.forget(allBut: state)
            state = matcher.start
            thoughtState = GrammarMatcher.dead
            masks = [:]
        }
        if masks.count > Self.maxMasks { masks = [:] }
        if let mask = masks[state] { return mask }
        var mask = TokenMask(of: state, &matcher, trie)
        for id in stopTokens { mask.remove(id) }
        if let channels {
            let special = channels.tokens
            if section == .content {
                for id in special { mask.remove(id) }
            } else {
                // No other token begins to spell one of them.
                mask.remove { !special.contains($0) && vocabulary.tokens[Int($0)].contains(UInt8(ascii: "<")) }
            }
        }
        masks[state] = mask
        return mask
    }
}
