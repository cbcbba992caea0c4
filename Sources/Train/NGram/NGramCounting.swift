import Checkpoint
package import Corpus
import Kernels
import Tokenize

/// Counts the bigrams and trigrams of a text, one part after the other.
///
///     var counting = NGramCounting(of: train, vocabulary: 16_387)
///     while counting.share < 1 { try counting.countNext(of: train) }
///
/// An n-gram is the number made of its token ids, the latest in the lowest bits. A text of more than `maxTokens` tokens is sampled: blocks
/// at equal distances, from its beginning to its end. The n-grams that begin in a block are counted.
package struct NGramCounting: Sendable {
    /// The number of bits of a token id.
    let bits: Int
    private(set) var bigrams = SortedCounts()
    private(set) var trigrams = SortedCounts()
    private var nextBlock = 0
    /// The number of tokens of the text.
    private let tokens: Int
    private let blockLength, blocks: Int

    /// The maximum number of tokens to count.
    package static let maxTokens = 1 << 25
    private static let sampleBlocks = 512
    /// About a tenth of a second of work.
    private static let tokensPerPart = 1 << 20

    package init(of text: TokenFile, vocabulary: Int, maxTokens: Int = Self.maxTokens) {
        bits = max(1, Int.bitWidth - (vocabulary - 1).leadingZeroBitCount)
        require(3 * bits <= 63, "trigrams of a vocabulary of \(vocabulary) tokens do not fit into 63 bits")
        tokens = text.count
        let isSample = tokens > maxTokens
        blockLength = isSample ? max(1, maxTokens / Self.sampleBlocks) : 1 << 16
        blocks = isSample ? maxTokens / blockLength : (tokens + blockLength - 1) / blockLength
    }

    /// The share of the work that is done.
    package var share: Double { blocks == 0 ? 1 : Double(nextBlock) / Double(blocks) }

    /// Counts the next part of the text.
    package mutating func countNext(of text: TokenFile) throws(CorpusError) {
        var pairs: [UInt64] = [], triples: [UInt64] = [], ids: [TokenID] = []
        let width = UInt64(bits)
        while nextBlock < blocks, pairs.count < Self.tokensPerPart {
            let block = range(ofBlock: nextBlock)
            try text.read(block.lowerBound..<min(block.upperBound + 2, tokens), into: &ids)
            for i in 0..<block.count where i + 1 < ids.count {
                let pair = UInt64(ids[i]) << width | UInt64(ids[i + 1])
                pairs.append(pair)
                if i + 2 < ids.count { triples.append(pair << width | UInt64(ids[i + 2])) }
            }
            nextBlock += 1
        }
        bigrams.add(SortedCounts(pairs, bits: 2 * bits))
        trigrams.add(SortedCounts(triples, bits: 3 * bits))
    }

    private func range(ofBlock block: Int) -> Range<Int> {
        let start = blocks * blockLength >= tokens ? block * blockLength : block * tokens / blocks
        return start..<min(start + blockLength, tokens)
    }
}

extension NGramCounting {
    var values: OrderedDictionary<CheckpointValue> {
        var values: OrderedDictionary<CheckpointValue> = ["ngrams/blocks": .integer(nextBlock)]
        for counts in [bigrams.values("ngrams/bigrams"), trigrams.values("ngrams/trigrams")] {
            for (name, value) in counts { values[name] = value }
        }
        return values
    }

    /// Continues from stored counts of the same text.
    mutating func restore(_ checkpoint: Checkpoint) throws(CheckpointError) {
        let counted = try checkpoint.integer("ngrams/blocks")
        guard 0...blocks ~= counted else {
            throw .mismatch(path: checkpoint.name, name: "ngrams/blocks", expected: "0 to \(blocks)", found: "\(counted)")
        }
        bigrams = try SortedCounts("ngrams/bigrams", of: checkpoint, below: 1 << UInt64(2 * bits))
        trigrams = try SortedCounts("ngrams/trigrams", of: checkpoint, below: 1 << UInt64(3 * bits))
        nextBlock = counted
    }
}
