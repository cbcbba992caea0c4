/// Trains byte pair encoding: repeatedly merges the most frequent pair of adjacent tokens into a new token (Sennrich, Haddow & Birch 2016).
///
/// Among equally frequent pairs, that with the oldest left token is merged first, then that with the oldest right token. So the same word
/// counts give the same merges on every machine, in whatever order the words are counted.
///
/// All words are stored in one array with an element per byte. A token's ID is stored at its first and its last byte, so that the tokens
/// before and after a position are found in constant time.
///
/// All occurrences of a pair appear at once, when the newer of its tokens is created; later the pair only loses occurrences. So a pair's
/// positions are recorded once, and filtered when the pair is merged. A merge visits only the positions of its pair, and each visit makes
/// a word one token shorter: all merges together visit fewer positions than the distinct words have bytes.
struct MergeTrainer {
    /// The token IDs by byte of all words. `border` separates words; `inside` marks a byte at which a token started before it was merged.
    private var line: [TokenID] = [Self.border]
    private static let border: TokenID = -1
    private static let inside: TokenID = -2
    /// The length of each token in bytes.
    private var lengths: [Int32]
    /// The word that each position of `line` belongs to.
    private var words: [Int32] = [-1]
    /// How often each word occurs.
    private var counts: [Int] = []
    /// The positions of all queued pairs; each pair has a range of this array.
    private var positions: [Int32] = []
    private var queue = MinHeap<QueuedPair>()
    private var newPairs = NewPairs()
    private let minFrequency: Int
    /// The number of tokens that all texts are encoded to so far.
    private(set) var tokenCount = 0

    /// - Parameters:
    ///   - base: the token of each byte.
    ///   - minFrequency: pairs that occur less often are not merged.
    init(_ words: borrowing WordCounts, base: [TokenID], minFrequency: Int) {
        self.minFrequency = max(1, minFrequency)
        lengths = Array(repeating: 1, count: Int(base.max() ?? 0) + 1)
        var line = line
        var wordIndices = self.words
        var counts: [Int] = []
        var total = 0
        words.forEach { word, count in
            guard line.count + word.count < Int(Int32.max) else {
                fatalError("expected less than 2 GiB of distinct words to train a vocabulary on")
            }
            for i in word.indices { line.append(base[Int(word[i])]) }
            line.append(Self.border)
            wordIndices.append(contentsOf: repeatElement(Int32(counts.count), count: word.count + 1))
            counts.append(count)
            total += word.count * count
        }
        tokenCount = total
        self.line = line
        self.words = wordIndices
        self.counts = counts
        // All pairs with the same left byte are recorded together, as if that byte had just become a token.
        var starts = [[Int32]](repeating: [], count: lengths.count)
        for position in line.indices.dropLast() where line[position] >= 0 && line[position + 1] >= 0 {
            starts[Int(line[position])].append(Int32(position))
        }
        for token in starts.indices {
            for position in starts[token] { record(Int(position), TokenID(token), line[Int(position) + 1], newer: .left) }
            queueNewPairs()
        }
    }

    /// Merges the most frequent allowed pair into the token `result`. Returns nil if no pair is frequent enough.
    mutating func mergeNext(
        into result: TokenID, allowing isAllowed: (_ left: TokenID, _ right: TokenID) -> Bool
    ) -> (merge: Vocabulary.Merge, frequency: Int)? {
        while var pair = queue.pop() {
            let outdatedCount = pair.count
            recount(&pair)
            if pair.count != outdatedCount {
                if pair.count >= minFrequency { queue.push(pair) }
                continue
            }
            guard isAllowed(pair.left, pair.right) else { continue }
            merge(pair, into: result)
            return (Vocabulary.Merge(pair.left, pair.right, result), pair.count)
        }
        return nil
    }

    /// Counts a pair again and removes the positions that it has lost.
    private mutating func recount(_ pair: inout QueuedPair) {
        let width = Int(lengths[Int(pair.left)])
        var count = 0
        var end = pair.positions.lowerBound
        for i in pair.positions {
            let position = Int(positions[i])
            guard line[position] == pair.left, line[position + width] == pair.right else { continue }
            count += counts[Int(words[position])]
            positions[end] = Int32(position)
            end += 1
        }
        pair.count = count
        pair.positions = pair.positions.lowerBound..<end
    }

    /// Merges all occurrences from left to right, so that "aaa" becomes "aa", "a".
    private mutating func merge(_ pair: QueuedPair, into result: TokenID) {
        let width = Int(lengths[Int(pair.left)])
        let length = width + Int(lengths[Int(pair.right)])
        while lengths.count <= result { lengths.append(0) }
        lengths[Int(result)] = Int32(length)
        for i in pair.positions {
            let position = Int(positions[i])
            guard line[position] == pair.left, line[position + width] == pair.right else { continue }
            tokenCount -= counts[Int(words[position])]
            line[position + width] = Self.inside
            line[position] = result
            line[position + length - 1] = result
            let before = line[position - 1]
            let after = line[position + length]
            if after >= 0 { record(position, result, after, newer: .left) }
            if before >= 0 { record(position - Int(lengths[Int(before)]), before, result, newer: .right) }
        }
        queueNewPairs()
    }

    /// Records a pair that starts at a position.
    @inline(__always)
    private mutating func record(_ position: Int, _ left: TokenID, _ right: TokenID, newer: NewPairs.TokenRole) {
        newPairs.record(Int32(position), counts[Int(words[position])], left, right, newer: newer)
    }

    private mutating func queueNewPairs() {
        newPairs.drain(minFrequency: minFrequency, into: &positions) { queue.push($0) }
    }
}

/// A pair of tokens in the queue: the most frequent comes first; ties are broken by the older left token, then the older right token.
///
/// The count may be outdated, and then too large: `MergeTrainer` recounts a pair when it is popped.
private struct QueuedPair: Comparable {
    var count: Int
    let left, right: TokenID
    /// Its range in `MergeTrainer.positions`.
    var positions: Range<Int>

    /// Whether `a` comes before `b`.
    static func < (a: QueuedPair, b: QueuedPair) -> Bool {
        a.count != b.count ? a.count > b.count : a.left != b.left ? a.left < b.left : a.right < b.right
    }
}

/// The pairs created by one merge: they all contain the new token.
private struct NewPairs {
    private struct Pair {
        let left, right: TokenID
        var count = 0
        var positions = 0
    }

    /// The side of a pair on which the new token is.
    enum TokenRole {
        case left, right
    }

    private var pairs: [Pair] = []
    /// The index in `pairs` by the other token of a pair, or -1.
    private var byLeft: [Int32] = []
    private var byRight: [Int32] = []
    private var occurrences: [(pair: Int32, position: Int32)] = []

    @inline(__always)
    mutating func record(_ position: Int32, _ count: Int, _ left: TokenID, _ right: TokenID, newer: TokenRole) {
        let i = newer == .left ? index(of: right, in: &byRight) : index(of: left, in: &byLeft)
        if i == pairs.count { pairs.append(Pair(left: left, right: right)) }
        pairs[i].count += count
        pairs[i].positions += 1
        occurrences.append((Int32(i), position))
    }

    @inline(__always)
    private func index(of token: TokenID, in table: inout [Int32]) -> Int {
        while table.count <= token { table.append(-1) }
        if table[Int(token)] < 0 { table[Int(token)] = Int32(pairs.count) }
        return Int(table[Int(token)])
    }

    /// Removes all pairs, and passes those that are frequent enough to `body` after appending their positions.
    mutating func drain(minFrequency: Int, into positions: inout [Int32], _ body: (QueuedPair) -> Void) {
        var ends: [Int] = []                                    // where the next position of each pair goes; -1: not frequent enough
        var end = positions.count
        for pair in pairs {
            ends.append(pair.count >= minFrequency ? end : -1)
            if pair.count >= minFrequency { end += pair.positions }
        }
        positions.append(contentsOf: repeatElement(-1, count: end - positions.count))
        for (pair, position) in occurrences where ends[Int(pair)] >= 0 {
            positions[ends[Int(pair)]] = position
            ends[Int(pair)] += 1
        }
        for (pair, end) in zip(pairs, ends) {
            if end >= 0 {
                body(QueuedPair(count: pair.count, left: pair.left, right: pair.right, positions: end - pair.positions..<end))
            }
            if byLeft.indices.contains(Int(pair.left)) { byLeft[Int(pair.left)] = -1 }
            if byRight.indices.contains(Int(pair.right)) { byRight[Int(pair.right)] = -1 }
        }
        pairs.removeAll(keepingCapacity: true)
        occurrences.removeAll(keepingCapacity: true)
    }
}
