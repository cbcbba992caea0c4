import Kernels

/// Some tokens of a text, and those that they attend to. A long text has several blocks, so that its scores need no memory for all pairs of
/// its tokens.
struct AttentionBlock {
    /// Rows of queries, and of keys and values.
    let queries, keys: Range<Int>
    /// Tokens on each side of a token that it attends to; nil: all keys of the block.
    let reach: Int?

    /// The scores of a head.
    var pairs: Int { queries.count * keys.count }

    /// The most scores of a block of a text whose tokens attend to all others, if that is more than `fewestQueries` of them.
    private static let mostScores = 1 << 22
    /// Fewer queries would be multiplied slowly: each block prepares its keys again.
    private static let fewestQueries = 128

    /// - Parameter text: Its rows.
    static func blocks(of text: Range<Int>, heads: Int, reach: Int?) -> [AttentionBlock] {
        let reach = reach.flatMap { $0 + 1 < text.count ? $0 : nil }
        let length = reach.map(queries(inReach:)) ?? max(fewestQueries, mostScores / max(1, heads * text.count))
        return stride(from: text.lowerBound, to: text.upperBound, by: length).map { first in
            let end = min(first + length, text.upperBound)
            let keys = reach.map { max(text.lowerBound, first - $0)..<min(text.upperBound, end + $0) } ?? text
            return AttentionBlock(queries: first..<end, keys: keys, reach: reach)
        }
    }

    /// The queries of a block with a window: half of its scores are of tokens that attend to each other.
    static func queries(inReach reach: Int) -> Int { max(64, min(2 * reach, 512)) }
}

/// What is added to the scores of a block, so that its tokens attend to a window: 0 within reach, −∞ beyond.
struct WindowMask {
    private let reach, width: Int
    /// [Q, Q + 2·reach]: the window of row i begins at column i.
    private let values: Buffer

    init(reach: Int, on processor: Processor) {
        let rows = AttentionBlock.queries(inReach: reach), width = rows + 2 * reach, values = processor.buffer(of: rows * width, .float32)
        values.write { span in
            for i in 0..<rows { for j in 0..<width { span[i * width + j] = i...i + 2 * reach ~= j ? 0 : -.infinity } }
        }
        self.reach = reach
        self.width = width
        self.values = values
    }

    /// - Parameter scores: [heads, Q, K] of a block with this reach.
    func add(to scores: Buffer, of block: AttentionBlock, heads: Int, on processor: Processor) {
        let (Q, K) = (block.queries.count, block.keys.count)
        // The keys of the first blocks of a text begin later than a window does.
        let start = block.keys.lowerBound - block.queries.lowerBound + reach
        processor.combine(
            .add, shape: [1, heads, Q, K], scores, strides: [0, Q * K, K, 1], values[start..<values.count], strides: [0, 0, width, 1],
            into: scores)
    }
}
