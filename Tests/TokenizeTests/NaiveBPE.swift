import Tokenize

/// Byte pair encoding in its simplest form.
enum NaiveBPE {
    /// Trains merges: counts all pairs, merges the most frequent one everywhere, and repeats.
    static func merges(of words: [[UInt8]: Int], upTo size: Int, minFrequency: Int = 1, base: Int = 0) -> [Vocabulary.Merge] {
        var split = words.map { (tokens: $0.key.map { TokenID(base) + TokenID($0) }, count: $0.value) }
        var merges: [Vocabulary.Merge] = []
        while base + 256 + merges.count < size {
            var counts: [[TokenID]: Int] = [:]
            for (tokens, count) in split { for i in tokens.indices.dropLast() { counts[[tokens[i], tokens[i + 1]], default: 0] += count } }
            let best = counts.max { a, b in a.value != b.value ? a.value < b.value : b.key.lexicographicallyPrecedes(a.key) }
            guard let best, best.value >= minFrequency else { break }
            let merge = Vocabulary.Merge(best.key[0], best.key[1], TokenID(base + 256 + merges.count))
            merges.append(merge)
            for i in split.indices { apply(merge, to: &split[i].tokens) }
        }
        return merges
    }

    static func apply(_ merge: Vocabulary.Merge, to tokens: inout [TokenID]) {
        var i = 0
        while i + 1 < tokens.count {
            if tokens[i] == merge.left, tokens[i + 1] == merge.right { tokens.replaceSubrange(i...i + 1, with: [merge.result]) }
            i += 1
        }
    }

    /// Applies the first possible merge at its leftmost position, until none is possible.
    static func encode(_ word: [TokenID], by merges: [Vocabulary.Merge]) -> [TokenID] {
        var tokens = word
        while true {
            var first: (rank: Int, at: Int)?
            for i in tokens.indices.dropLast() {
                if let rank = merges.firstIndex(where: { $0.left == tokens[i] && $0.right == tokens[i + 1] }), rank < first?.rank ?? .max {
                    first = (rank, i)
                }
            }
            guard let (rank, at) = first else { return tokens }
            tokens.replaceSubrange(at...at + 1, with: [merges[rank].result])
        }
    }
}
