/// How often each pair of neighbouring tokens occurs, and where: what `MergeLearner` keeps up to date.
struct PairCounts {
    private struct Entry {
        var pair: UInt64
        var count: Int
        /// The list of the places where it came into being, in order; -1 ends it.
        var firstPlace, lastPlace: Int32
    }

    private struct Occurrence {
        var place, next: Int32
    }

    private var entries: [Entry] = []
    /// Places of a hash table, of which at most two thirds are taken: places in `entries`, or -1.
    private var table: [Int32] = Array(repeating: -1, count: 1 << 12)
    private var occurrences: [Occurrence] = []
    /// Pairs that came into being since someone last looked.
    var fresh: [Int32] = []

    /// Counts a pair once more, `count` times, at a place behind all its others.
    @inline(__always)
    mutating func add(_ count: Int, at place: Int32, of left: TokenID, _ right: TokenID) {
        let i = index(of: Self.pair(left, right)), occurrence = Int32(occurrences.count)
        occurrences.append(Occurrence(place: place, next: -1))
        entries[i].count += count
        if entries[i].lastPlace >= 0 { occurrences[Int(entries[i].lastPlace)].next = occurrence } else { entries[i].firstPlace = occurrence }
        entries[i].lastPlace = occurrence
    }

    /// A place was lost: its occurrence stays in the list, and whoever walks it sees that the tokens are others now.
    @inline(__always)
    mutating func remove(_ count: Int, of left: TokenID, _ right: TokenID) { entries[index(of: Self.pair(left, right))].count -= count }

    func candidate(_ index: Int32) -> PairQueue.Candidate {
        let entry = entries[Int(index)]
        return PairQueue.Candidate(count: entry.count, pair: entry.pair, index: index)
    }

    /// The list of a pair's places, which is forgotten, and its count with it: they are about to be merged.
    mutating func takePlaces(of pair: Int32) -> Int32 {
        let first = entries[Int(pair)].firstPlace
        (entries[Int(pair)].firstPlace, entries[Int(pair)].lastPlace, entries[Int(pair)].count) = (-1, -1, 0)
        return first
    }

    @inline(__always)
    func occurrence(_ i: Int32) -> (place: Int32, next: Int32) { (occurrences[Int(i)].place, occurrences[Int(i)].next) }

    @inline(__always)
    private static func pair(_ left: TokenID, _ right: TokenID) -> UInt64 { UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right)) }

    /// Where a pair lies in `entries`, at its end if it is new.
    @inline(__always)
    private mutating func index(of pair: UInt64) -> Int {
        var place = Self.hash(pair) & (table.count - 1)
        while table[place] >= 0 {
            let i = Int(table[place])
            if entries[i].pair == pair { return i }
            place = (place + 1) & (table.count - 1)
        }
        table[place] = Int32(entries.count)
        fresh.append(Int32(entries.count))
        entries.append(Entry(pair: pair, count: 0, firstPlace: -1, lastPlace: -1))
        if entries.count * 3 > table.count * 2 { grow() }
        return entries.count - 1
    }

    @inline(__always)
    private static func hash(_ pair: UInt64) -> Int { Int(truncatingIfNeeded: (pair &* 0x9E37_79B9_7F4A_7C15) >> 29) }

    private mutating func grow() {
        table = Array(repeating: -1, count: table.count * 2)
        for i in entries.indices {
            var place = Self.hash(entries[i].pair) & (table.count - 1)
            while table[place] >= 0 { place = (place + 1) & (table.count - 1) }
            table[place] = Int32(i)
        }
    }
}

/// Pairs by how often they occur, the most frequent first; of equals the one with the older left token, then the older right token.
struct PairQueue {
    struct Candidate: Comparable {
        let count: Int
        /// The left token in the upper half, so that comparing pairs compares left tokens first.
        let pair: UInt64
        /// In `PairCounts`.
        let index: Int32

        var left: TokenID { TokenID(truncatingIfNeeded: pair >> 32) }
        var right: TokenID { TokenID(truncatingIfNeeded: pair) }

        static func < (a: Candidate, b: Candidate) -> Bool { a.count != b.count ? a.count < b.count : a.pair > b.pair }
    }

    private var heap: [Candidate] = []

    mutating func push(_ candidate: Candidate) {
        heap.append(candidate)
        var i = heap.count - 1
        while i > 0 {
            let parent = (i - 1) / 2
            if !(heap[parent] < candidate) { break }
            heap[i] = heap[parent]
            i = parent
        }
        heap[i] = candidate
    }

    mutating func pop() -> Candidate? {
        guard let top = heap.first, let last = heap.popLast() else { return nil }
        if heap.isEmpty { return top }
        var i = 0
        while true {
            var child = 2 * i + 1
            if child >= heap.count { break }
            if child + 1 < heap.count, heap[child] < heap[child + 1] { child += 1 }
            if !(last < heap[child]) { break }
            heap[i] = heap[child]
            i = child
        }
        heap[i] = last
        return top
    }
}
