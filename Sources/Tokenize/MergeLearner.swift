/// Learns the merges of a byte pair encoding: again and again, of all neighbouring tokens the pair that occurs most often becomes a token.
///
/// Of pairs that occur equally often, the one whose left token is older is merged first, then the one whose right token is: so the same counts
/// give the same merges, on any machine and in whatever order the words come.
///
/// All words lie in one line of tokens. A pair knows the places where it came into being, so that a merge visits just those: as a word gets
/// shorter by one token with each, all merges together visit fewer places than the words have bytes, times a small constant.
struct MergeLearner {
    /// A place in the line of all words; a place that was merged into its left neighbour is empty.
    private var tokens: [TokenID] = []
    /// The neighbours' places: an empty place, and the border of a word, have none.
    private var previous: [Int32] = []
    private var next: [Int32] = []
    /// The word that a place is in, as a place in `counts`.
    private var wordOf: [Int32] = []
    private var counts: [Int] = []
    private var pairs = PairCounts()
    private var queue = PairQueue()

    private let leastCount: Int

    /// - Parameters:
    ///   - base: the token of each byte.
    ///   - leastCount: pairs that occur less often are left alone.
    init(_ words: borrowing WordCounts, base: [TokenID], leastCount: Int) {
        self.leastCount = max(1, leastCount)
        var (tokens, previous, next, wordOf, counts) = ([TokenID](), [Int32](), [Int32](), [Int32](), [Int]())
        words.forEach { word, count in
            for i in word.indices {
                let place = Int32(tokens.count)
                previous.append(i == 0 ? -1 : place - 1)
                next.append(i + 1 == word.count ? -1 : place + 1)
                wordOf.append(Int32(counts.count))
                tokens.append(base[Int(word[i])])
            }
            counts.append(count)
        }
        (self.tokens, self.previous, self.next, self.wordOf, self.counts) = (tokens, previous, next, wordOf, counts)
        for place in tokens.indices where next[place] >= 0 { count(at: Int32(place)) }
        queueFreshPairs()
    }

    /// The next merge, as `result`, and how often the pair occurs; nil when none occurs often enough.
    mutating func learn(as result: TokenID, allowing allowed: (_ left: TokenID, _ right: TokenID) -> Bool) -> (Vocabulary.Merge, count: Int)? {
        while let candidate = queue.pop() {
            // Counts only fall once all of a pair's places are known, so a count that has fallen goes back to where it belongs.
            let now = pairs.candidate(candidate.index)
            if now.count != candidate.count {
                if now.count >= leastCount { queue.push(now) }
                continue
            }
            let (left, right) = (now.left, now.right)
            guard allowed(left, right) else { continue }
            merge(candidate.index, left, right, as: result)
            return (Vocabulary.Merge(left, right, result), now.count)
        }
        return nil
    }

    private mutating func merge(_ pair: Int32, _ left: TokenID, _ right: TokenID, as result: TokenID) {
        var occurrence = pairs.takePlaces(of: pair)
        while occurrence >= 0 {
            let (place, following) = pairs.occurrence(occurrence)
            occurrence = following
            let other = next[Int(place)]
            // It may be that another merge, or the last one of this run, took the place.
            guard tokens[Int(place)] == left, other >= 0, tokens[Int(other)] == right else { continue }
            let before = previous[Int(place)], behind = next[Int(other)], count = counts[Int(wordOf[Int(place)])]
            if before >= 0 { pairs.remove(count, of: tokens[Int(before)], left) }
            if behind >= 0 { pairs.remove(count, of: right, tokens[Int(behind)]) }
            tokens[Int(place)] = result
            tokens[Int(other)] = -1
            next[Int(place)] = behind
            if behind >= 0 {
                previous[Int(behind)] = place
                self.count(at: place)
            }
            if before >= 0 { self.count(at: before) }
        }
        queueFreshPairs()
    }

    private mutating func queueFreshPairs() {
        for pair in pairs.fresh {
            let candidate = pairs.candidate(pair)
            if candidate.count >= leastCount { queue.push(candidate) }
        }
        pairs.fresh.removeAll(keepingCapacity: true)
    }

    /// Counts the pair that begins at a place.
    private mutating func count(at place: Int32) {
        pairs.add(counts[Int(wordOf[Int(place)])], at: place, of: tokens[Int(place)], tokens[Int(next[Int(place)])])
    }
}
