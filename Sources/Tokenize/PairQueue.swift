/// A priority queue of token pairs, most frequent first; ties are broken by the older left token, then the older right token.
///
/// A binary heap in which a pair's count may be outdated, and then too large: `MergeTrainer` recounts a pair when it is popped.
struct PairQueue {
    struct Pair: Comparable {
        var count: Int
        let left, right: TokenID
        /// Its range in `MergeTrainer.positions`.
        var positions: Range<Int>

        static func < (a: Pair, b: Pair) -> Bool {
            a.count != b.count ? a.count < b.count : a.left != b.left ? a.left > b.left : a.right > b.right
        }
    }

    private var heap: [Pair] = []

    mutating func push(_ pair: Pair) {
        heap.append(pair)
        var i = heap.count - 1
        while i > 0 {
            let parent = (i - 1) / 2
            if !(heap[parent] < pair) { break }
            heap[i] = heap[parent]
            i = parent
        }
        heap[i] = pair
    }

    mutating func pop() -> Pair? {
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
