import Checkpoint
package import Corpus
package import Distributed
import Kernels
import Tokenize

/// Counts the bigrams and trigrams of a text, one part after the other.
///
///     var counting = NGramCounting(of: train, vocabulary: 16_387)
///     while counting.share < 1 { try counting.countNext(of: train) }
///
/// An n-gram is the number made of its token ids, the latest in the lowest bits. A text of more than `maxTokens` tokens is sampled: blocks
/// at equal distances, from its beginning to its end. The n-grams that begin in a block are counted.
///
/// Ranks count different parts; `merge` adds up their counts, which are those of one process.
package struct NGramCounting: Sendable {
    private let vocabulary: Int
    /// The number of bits of a token id.
    let bits: Int
    package private(set) var bigrams = SortedCounts()
    package private(set) var trigrams = SortedCounts()
    private var nextBlock = 0
    /// The number of tokens of the text.
    private let tokens: Int
    private let blockLength, blocks: Int
    /// Whether the counts are those of all ranks.
    private var isMerged = true

    /// The maximum number of tokens to count.
    package static let maxTokens = 1 << 25
    private static let sampleBlocks = 512
    /// About a tenth of a second of work.
    private static let tokensPerPart = 1 << 20
    private var blocksPerPart: Int { (Self.tokensPerPart + blockLength - 1) / blockLength }

    package init(of text: TokenFile, vocabulary: Int, maxTokens: Int = Self.maxTokens) {
        self.vocabulary = vocabulary
        bits = max(1, Int.bitWidth - (vocabulary - 1).leadingZeroBitCount)
        require(3 * bits <= 63, "trigrams of a vocabulary of \(vocabulary) tokens do not fit into 63 bits")
        tokens = text.count
        let isSample = tokens > maxTokens
        blockLength = isSample ? max(1, maxTokens / Self.sampleBlocks) : 1 << 16
        blocks = isSample ? maxTokens / blockLength : (tokens + blockLength - 1) / blockLength
    }

    /// The share of the work that is done.
    package var share: Double { blocks == 0 ? 1 : Double(nextBlock) / Double(blocks) }

    /// Counts the next part of the text; of ranks, each counts one of the next parts.
    package mutating func countNext(of text: TokenFile, over ranks: RankGroup? = nil) throws(CorpusError) {
        if let ranks, isMerged {
            // The first rank has the counts so far.
            if !ranks.isFirst { (bigrams, trigrams) = (SortedCounts(), SortedCounts()) }
            isMerged = false
        }
        let first = nextBlock + (ranks?.rank ?? 0) * blocksPerPart
        let part = min(blocks, first)..<min(blocks, first + blocksPerPart)
        nextBlock = min(blocks, nextBlock + (ranks?.count ?? 1) * blocksPerPart)
        if part.isEmpty { return }
        var pairs: [UInt64] = [], triples: [UInt64] = [], ids: [TokenID] = []
        let width = UInt64(bits)
        for block in part {
            let block = range(ofBlock: block)
            try text.read(block.lowerBound..<min(block.upperBound + 2, tokens), into: &ids)
            for i in 0..<block.count where i + 1 < ids.count {
                let pair = UInt64(ids[i]) << width | UInt64(ids[i + 1])
                pairs.append(pair)
                if i + 2 < ids.count { triples.append(pair << width | UInt64(ids[i + 2])) }
            }
        }
        bigrams.add(SortedCounts(pairs, bits: 2 * bits))
        trigrams.add(SortedCounts(triples, bits: 3 * bits))
    }

    /// Adds up the counts of all ranks.
    package mutating func merge(over ranks: RankGroup?) {
        guard let ranks, !isMerged else { return }
        bigrams = bigrams.sum(over: ranks)
        trigrams = trigrams.sum(over: ranks)
        isMerged = true
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
        let bigrams = try counts(of: 2, "ngrams/bigrams", in: checkpoint), trigrams = try counts(of: 3, "ngrams/trigrams", in: checkpoint)
        self.bigrams = bigrams
        self.trigrams = trigrams
        nextBlock = counted
    }

    private func counts(of n: Int, _ name: String, in checkpoint: Checkpoint) throws(CheckpointError) -> SortedCounts {
        let counts = try SortedCounts(name, of: checkpoint), mask = UInt64(1) << UInt64(bits) - 1
        let isKnown = counts.numbers.allSatisfy { number in
            number >> UInt64(n * bits) == 0 && (0..<n).allSatisfy { number >> UInt64($0 * bits) & mask < vocabulary }
        }
        if !isKnown {
            throw .mismatch(path: checkpoint.name, name: name + "/numbers", expected: "n-grams of \(vocabulary) tokens", found: "others")
        }
        return counts
    }
}
