import Tokenize

/// The tokens that a grammar allows: a bit for each id.
struct TokenMask: Sendable {
    private var words: [UInt64]
    private var count: Int

    /// Allows the tokens that can follow in a state, except those that no text of the grammar contains.
    ///
    /// What begins with bytes that are not allowed is skipped, and so is the inside of a text, where everything is allowed.
    init(of state: GrammarMatcher.State, _ matcher: inout GrammarMatcher, _ trie: TokenTrie) {
        var states = Array(repeating: state, count: trie.depth + 1), path = Array(repeating: Run(), count: trie.depth + 1)
        path[0] = matcher.freeRun(from: state)
        let whole = path[0]
        // The characters before the children of each node of the path.
        var characters = Array(repeating: UInt8(0), count: trie.depth + 1)
        var allowed = Ranges(), limited = Ranges()
        var index = 0
        while index < trie.nodes.count - 1 {
            let node = trie.nodes[index], depth = Int(node.depth), end = Int(node.end), before = path[depth - 1]
            if before.contains(node) {
                let tokens = node.firstToken..<trie.nodes[end].firstToken
                if node.height <= before.length {
                    allowed.append(tokens)
                    index = end
                    continue
                }
                // The whole token is within one limit, so the number of its characters decides.
                if before.isLimit, before.length + characters[depth - 1] == whole.length {
                    limited.append(tokens)
                    index = end
                    continue
                }
            }
            let next = matcher.next(states[depth - 1], node.byte)
            if next == GrammarMatcher.dead {
                index = end
                continue
            }
            index += 1
            allowed.append(node.firstToken..<trie.nodes[index].firstToken)
            if index == end { continue }
            states[depth] = next
            path[depth] = matcher.freeRun(from: next)
            // More than the longest run are as many as any.
            characters[depth] = min(characters[depth - 1] + (node.byte & 0xC0 == 0x80 ? 0 : 1), 2 * GrammarMatcher.longestFreeRun)
        }
        words = limited.count == 0 ? Self.words(allowed, trie) : Self.words(allowed, limited, upTo: whole.length, trie)
        count = words.reduce(0) { $0 + $1.nonzeroBitCount }
    }

    private typealias Run = GrammarMatcher.FreeRun

    /// Ranges of the sorted tokens, in their order.
    private struct Ranges {
        private(set) var ranges: [Range<Int32>] = []
        private(set) var count = 0

        mutating func append(_ range: Range<Int32>) {
            if range.isEmpty { return }
            count += range.count
            if let last = ranges.last, last.upperBound == range.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
            } else {
                ranges.append(range)
            }
        }
    }

    /// Sets the bits of the allowed tokens, or removes those of the others if these are fewer.
    private static func words(_ allowed: Ranges, _ trie: TokenTrie) -> [UInt64] {
        var words = trie.everyToken
        if 2 * allowed.count < trie.ids.count {
            for index in words.indices { words[index] = 0 }
            for range in allowed.ranges { set(trie.ids[Int(range.lowerBound)..<Int(range.upperBound)], in: &words) }
        } else {
            removeOthers(than: allowed.ranges, from: &words, trie)
        }
        return words
    }

    /// Sets the bits of the allowed tokens, and of those among the limited ones that have at most so many characters.
    private static func words(_ allowed: Ranges, _ limited: Ranges, upTo characters: UInt8, _ trie: TokenTrie) -> [UInt64] {
        let short = trie.tokensUpTo[Int(characters)]
        var words = short
        if 2 * limited.count < trie.ids.count {
            for index in words.indices { words[index] = 0 }
            for range in limited.ranges { set(trie.ids[Int(range.lowerBound)..<Int(range.upperBound)], in: &words) }
            for index in words.indices { words[index] &= short[index] }
        } else {
            removeOthers(than: limited.ranges, from: &words, trie)
        }
        for range in allowed.ranges { set(trie.ids[Int(range.lowerBound)..<Int(range.upperBound)], in: &words) }
        return words
    }

    private static func set(_ ids: ArraySlice<TokenID>, in words: inout [UInt64]) {
        for id in ids { words[Int(id) / 64] |= 1 << UInt64(id % 64) }
    }

    private static func removeOthers(than ranges: [Range<Int32>], from words: inout [UInt64], _ trie: TokenTrie) {
        var start = 0
        for range in ranges + [Int32(trie.ids.count)..<Int32(trie.ids.count)] {
            for id in trie.ids[start..<Int(range.lowerBound)] { words[Int(id) / 64] &= ~(1 << UInt64(id % 64)) }
            start = Int(range.upperBound)
        }
    }

    mutating func remove(_ id: TokenID) {
        let bit: UInt64 = 1 << UInt64(id % 64)
        if words[Int(id) / 64] & bit == 0 { return }
        words[Int(id) / 64] &= ~bit
        count -= 1
    }

    /// Removes the allowed tokens that meet a condition.
    mutating func remove(where condition: (TokenID) -> Bool) {
        for index in words.indices {
            var rest = words[index]
            while rest != 0 {
                let id = TokenID(64 * index + rest.trailingZeroBitCount)
                rest &= rest - 1
                if condition(id) { remove(id) }
            }
        }
    }

    /// The token, if only one is allowed.
    var only: TokenID? {
        guard count == 1, let word = words.firstIndex(where: { $0 != 0 }) else { return nil }
        return TokenID(64 * word + words[word].trailingZeroBitCount)
    }

    /// For each byte of a word: 0 where its bit is set, -∞ elsewhere.
    private static let offsets = (0..<256).map { bits in
        var offsets = SIMD8<Float>(repeating: 0)
        for bit in 0..<8 where bits >> bit & 1 == 0 { offsets[bit] = -.infinity }
        return offsets
    }

    /// Makes the logits of other tokens -∞, or NaN where they are ∞.
    func apply(to logits: inout MutableSpan<Float>) {
        let offsets = Self.offsets, whole = min(logits.count / 64, words.count)
        unsafe logits.withUnsafeMutableBytes { bytes in
            for index in 0..<whole where words[index] != .max {
                let word = words[index]
                for part in 0..<8 {
                    let start = 4 * (64 * index + 8 * part)
                    var values = offsets[0]
                    if word != 0 {
                        let bits = Int(truncatingIfNeeded: word >> UInt64(8 * part) & 0xFF)
                        values = unsafe bytes.loadUnaligned(fromByteOffset: start, as: SIMD8<Float>.self) + offsets[bits]
                    }
                    unsafe bytes.storeBytes(of: values, toByteOffset: start, as: SIMD8<Float>.self)
                }
            }
        }
        for id in 64 * whole..<logits.count where id >= 64 * words.count || words[id / 64] >> UInt64(id % 64) & 1 == 0 {
            logits[id] = -.infinity
        }
    }
}

extension GrammarMatcher.FreeRun {
    /// Whether all characters that begin with a node belong to the run, however many they are.
    fileprivate func contains(_ node: TokenTrie.Node) -> Bool {
        node.isUnicode && node.characters.isSubset(of: characters)
    }
}
