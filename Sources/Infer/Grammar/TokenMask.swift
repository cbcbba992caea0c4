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
        // By state.
        var runs: [Run?] = []
        func run(from state: GrammarMatcher.State) -> Run {
            if Int(state) >= runs.count { runs += Array(repeating: nil, count: Int(state) - runs.count + 64) }
            if let known = runs[Int(state)] { return known }
            let run = matcher.freeRun(from: state, limit: Self.longestRun)
            runs[Int(state)] = run
            return run
        }
        path[0] = run(from: state)
        // Ranges of the sorted tokens.
        var allowed: [Range<Int32>] = [], allowedCount = 0
        func allow(_ range: Range<Int32>) {
            if range.isEmpty { return }
            allowedCount += range.count
            if let last = allowed.last, last.upperBound == range.lowerBound {
                allowed[allowed.count - 1] = last.lowerBound..<range.upperBound
            } else {
                allowed.append(range)
            }
        }
        var index = 0
        while index < trie.nodes.count - 1 {
            let node = trie.nodes[index], depth = Int(node.depth), end = Int(node.end)
            if path[depth - 1].allows(node) {
                allow(node.firstToken..<trie.nodes[end].firstToken)
                index = end
                continue
            }
            let next = matcher.next(states[depth - 1], node.byte)
            if next == GrammarMatcher.dead {
                index = end
                continue
            }
            index += 1
            allow(node.firstToken..<trie.nodes[index].firstToken)
            if index == end { continue }
            states[depth] = next
            path[depth] = run(from: next)
        }
        words = Self.words(allowed, count: allowedCount, trie)
        count = allowedCount
    }

    private typealias Run = GrammarMatcher.FreeRun
    /// In characters. The bytes of longer tokens are looked at one by one.
    private static let longestRun: UInt8 = 16

    /// Sets the bits of the allowed tokens, or removes those of the others if these are fewer.
    private static func words(_ allowed: [Range<Int32>], count: Int, _ trie: TokenTrie) -> [UInt64] {
        var words = trie.everyToken
        if 2 * count < trie.ids.count {
            for index in words.indices { words[index] = 0 }
            for range in allowed {
                for id in trie.ids[Int(range.lowerBound)..<Int(range.upperBound)] { words[Int(id) / 64] |= 1 << UInt64(id % 64) }
            }
            return words
        }
        var start = 0
        for range in allowed + [Int32(trie.ids.count)..<Int32(trie.ids.count)] {
            for id in trie.ids[start..<Int(range.lowerBound)] { words[Int(id) / 64] &= ~(1 << UInt64(id % 64)) }
            start = Int(range.upperBound)
        }
        return words
    }

    mutating func remove(_ id: TokenID) {
        let bit: UInt64 = 1 << UInt64(id % 64)
        if words[Int(id) / 64] & bit == 0 { return }
        words[Int(id) / 64] &= ~bit
        count -= 1
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
    /// Whether everything that begins with a node is a part of the run.
    fileprivate func allows(_ node: TokenTrie.Node) -> Bool {
        node.isUnicode && node.height <= length && node.asciiLow & otherLow == 0 && node.asciiHigh & otherHigh == 0
            && node.leads & otherLeads == 0
    }
}
