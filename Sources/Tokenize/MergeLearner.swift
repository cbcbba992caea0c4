/// Learns the merges of a byte pair encoding: again and again, of all neighbouring tokens the pair that occurs most often becomes a token.
///
/// Of pairs that occur equally often, the one whose left token is older is merged first, then the one whose right token is: so the same
/// counts
/// give the same merges, on any machine and in whatever order the words come.
///
/// All words lie in one line of bytes, and a token's number stands at the first and at the last of its bytes: so each finds its neighbours.
///
/// A pair comes into being in one go, when the newer of its two tokens does, and afterwards only loses places. So it is enough to note its
/// places then; whoever comes back to it looks which are left. A merge visits the places of its pair alone, and each visit makes a word one
/// token shorter: all merges together visit fewer places than the different words have bytes.
struct MergeTrainer {
    /// Tokens by the bytes of all words. `border` between two words; inside a token, where one that became a part of it began, `inside`.
    private var line: [TokenID] = [Self.border]
    private static let border: TokenID = -1, inside: TokenID = -2
    /// Of each token, in bytes.
    private var lengths: [Int32]
    /// The word that each place is in.
    private var words: [Int32] = [-1]
    /// How often each word occurs.
    private var counts: [Int] = []
    /// The places of all pairs that wait in the queue, one pair behind the other.
    private var places: [Int32] = []
    private var queue = PairQueue()
    private var fresh = FreshPairs()
    private let leastCount: Int
    /// How many tokens all texts are by now.
    private(set) var textTokens = 0

    /// - Parameters:
    ///   - base: the token of each byte.
    ///   - leastCount: pairs that occur less often are left alone.
    init(_ words: borrowing WordCounts, base: [TokenID], leastCount: Int) {
        self.leastCount = max(1, leastCount)
        lengths = Array(repeating: 1, count: Int(base.max() ?? 0) + 1)
        var line = line
        var places = self.words
        var counts = [Int]()
        var total = 0
        words.forEach { word, count in
            guard line.count + word.count < Int(Int32.max) else { fatalError("MergeTrainer: expected less than 2 GiB of distinct words") }
            for i in word.indices { line.append(base[Int(word[i])]) }
            line.append(Self.border)
            places.append(contentsOf: repeatElement(Int32(counts.count), count: word.count + 1))
            counts.append(count)
            total += word.count * count
        }
        textTokens = total
        self.line = line
        self.words = places
        self.counts = counts
        // All pairs with one byte on the left are found at once: as if it had just come into being.
        var starts = [[Int32]](repeating: [], count: lengths.count)
        for place in line.indices.dropLast() where line[place] >= 0 && line[place + 1] >= 0 {
            starts[Int(line[place])].append(Int32(place))
        }
        for token in starts.indices {
            for place in starts[token] { note(Int(place), TokenID(token), line[Int(place) + 1], newer: .left) }
            queueFreshPairs()
        }
    }

    /// The next merge, as `result`, and how often the pair occurs; nil when none occurs often enough.
    mutating func learn(
        as result: TokenID, allowing allowed: (_ left: TokenID, _ right: TokenID) -> Bool
    ) -> (Vocabulary.Merge, count: Int)? {
        while var pair = queue.pop() {
            let counted = pair.count
            recount(&pair)
            if pair.count != counted {
                if pair.count >= leastCount { queue.push(pair) }
                continue
            }
            guard allowed(pair.left, pair.right) else { continue }
            merge(pair, as: result)
            return (Vocabulary.Merge(pair.left, pair.right, result), pair.count)
        }
        return nil
    }

    /// Counts a pair anew, and forgets the places that it has lost.
    private mutating func recount(_ pair: inout PairQueue.Pair) {
        let width = Int(lengths[Int(pair.left)])
        var count = 0, kept = pair.places.lowerBound
        for i in pair.places {
            let place = Int(places[i])
            guard line[place] == pair.left, line[place + width] == pair.right else { continue }
            count += counts[Int(words[place])]
            places[kept] = Int32(place)
            kept += 1
        }
        pair.count = count
        pair.places = pair.places.lowerBound..<kept
    }

    /// From left to right, so that "aaa" becomes "aa", "a".
    private mutating func merge(_ pair: PairQueue.Pair, as result: TokenID) {
        let width = Int(lengths[Int(pair.left)]), length = width + Int(lengths[Int(pair.right)])
        while lengths.count <= result { lengths.append(0) }
        lengths[Int(result)] = Int32(length)
        for i in pair.places {
            let place = Int(places[i])
            guard line[place] == pair.left, line[place + width] == pair.right else { continue }
            textTokens -= counts[Int(words[place])]
            line[place + width] = Self.inside
            line[place] = result
            line[place + length - 1] = result
            let before = line[place - 1], behind = line[place + length]
            if behind >= 0 { note(place, result, behind, newer: .left) }
            if before >= 0 { note(place - Int(lengths[Int(before)]), before, result, newer: .right) }
        }
        queueFreshPairs()
    }

    /// Notes the pair that begins at a place.
    @inline(__always)
    private mutating func note(_ place: Int, _ left: TokenID, _ right: TokenID, newer: FreshPairs.TokenRole) {
        fresh.note(Int32(place), counts[Int(words[place])], left, right, newer: newer)
    }

    private mutating func queueFreshPairs() {
        fresh.take(leastCount: leastCount, placesInto: &places) { queue.push($0) }
    }
}

/// Pairs that come into being together: they have one token in common.
private struct FreshPairs {
    private struct Pair {
        let left, right: TokenID
        var count = 0, places = 0
    }

    /// Which token of a pair is the one that they have in common.
    enum TokenRole {
        case left, right
    }

    private var pairs: [Pair] = []
    /// By the other token, which stands left or right of the common one: a place in `pairs`, or -1.
    private var byLeft: [Int32] = [], byRight: [Int32] = []
    private var found: [(pair: Int32, place: Int32)] = []

    @inline(__always)
    mutating func note(_ place: Int32, _ count: Int, _ left: TokenID, _ right: TokenID, newer: TokenRole) {
        let i = newer == .left ? at(right, in: &byRight) : at(left, in: &byLeft)
        if i == pairs.count { pairs.append(Pair(left: left, right: right)) }
        pairs[i].count += count
        pairs[i].places += 1
        found.append((Int32(i), place))
    }

    @inline(__always)
    private func at(_ token: TokenID, in table: inout [Int32]) -> Int {
        while table.count <= token { table.append(-1) }
        if table[Int(token)] < 0 { table[Int(token)] = Int32(pairs.count) }
        return Int(table[Int(token)])
    }

    /// Forgets all pairs, after handing on those that occur often enough.
    mutating func take(leastCount: Int, placesInto places: inout [Int32], _ body: (PairQueue.Pair) -> Void) {
        var starts: [Int] = [], end = places.count
        for pair in pairs {
            starts.append(pair.count >= leastCount ? end : -1)
            if pair.count >= leastCount { end += pair.places }
        }
        places.append(contentsOf: repeatElement(-1, count: end - places.count))
        for (pair, place) in found where starts[Int(pair)] >= 0 {
            places[starts[Int(pair)]] = place
            starts[Int(pair)] += 1
        }
        for (pair, end) in zip(pairs, starts) {
            if end >= 0 { body(PairQueue.Pair(count: pair.count, left: pair.left, right: pair.right, places: end - pair.places..<end)) }
            if byLeft.indices.contains(Int(pair.left)) { byLeft[Int(pair.left)] = -1 }
            if byRight.indices.contains(Int(pair.right)) { byRight[Int(pair.right)] = -1 }
        }
        pairs.removeAll(keepingCapacity: true)
        found.removeAll(keepingCapacity: true)
    }
}
