/// A priority queue of token pairs, most frequent first; ties are broken by the older left token, then the older right token.
///
/// A pair's count may be outdated, and then too large: `MergeTrainer` recounts a pair when it is popped.
struct PairQueue {
    struct Pair: Comparable {
        var count: Int
        let left, right: TokenID
        /// Its range in `MergeTrainer.positions`.
        var positions: Range<Int>

        /// Whether `a` comes before `b`.
        static func < (a: Pair, b: Pair) -> Bool {
            a.count != b.count ? a.count > b.count : a.left != b.left ? a.left < b.left : a.right < b.right
        }
    }

    private var heap = MinHeap<Pair>()

    mutating func push(_ pair: Pair) { heap.push(pair) }
    mutating func pop() -> Pair? { heap.pop() }
}
