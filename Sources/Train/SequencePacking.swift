import Kernels
import Random

/// An assignment of conversations to rows of a fixed length, with little padding.
///
///     let packing = SequencePacking([0..<300, 300..<420, 420..<500], into: 384, seed: 1)
///     packing.rows                             // [[0..<299, 420..<499], [300..<419]]: inputs; the targets are one token further
struct SequencePacking {
    /// For each row, ranges of inputs, which together fit into the row.
    let rows: [[Range<Int>]]
    /// The share of all positions that is padding.
    let padded: Double

    /// Best-fit decreasing (Johnson 1973): the longest piece first, each into the fullest row that it fits into.
    init(_ conversations: [Range<Int>], into context: Int, seed: UInt64) {
        var pieces: [Range<Int>] = []
        for conversation in conversations {
            var start = conversation.lowerBound
            // The last token of a conversation is only a target.
            while start < conversation.upperBound - 1 {
                let end = min(start + context, conversation.upperBound - 1)
                pieces.append(start..<end)
                start = end
            }
        }
        var random = SeededRandom(seed: seed, stream: 0)
        pieces.shuffle(using: &random)                       // pieces of equal length in random order
        pieces.sort { $0.count > $1.count }
        var rows: [[Range<Int>]] = []
        var rowsByCapacity = [[Int]](repeating: [], count: context + 1)
        // A bit for each remaining capacity that some row has, to find the next larger one quickly.
        var capacities = [UInt64](repeating: 0, count: context / 64 + 1)
        for piece in pieces {
            let capacity: Int
            if let found = Self.first(in: capacities, from: piece.count), let row = rowsByCapacity[found].popLast() {
                if rowsByCapacity[found].isEmpty { capacities[found >> 6] &= ~(1 << UInt64(found & 63)) }
                rows[row].append(piece)
                capacity = found - piece.count
                rowsByCapacity[capacity].append(row)
            } else {
                capacity = context - piece.count
                rowsByCapacity[capacity].append(rows.count)
                rows.append([piece])
            }
            capacities[capacity >> 6] |= 1 << UInt64(capacity & 63)
        }
        self.rows = rows
        let used = pieces.reduce(0) { $0 + $1.count }
        padded = rows.isEmpty ? 0 : 1 - Double(used) / Double(rows.count * context)
    }

    /// The first set bit at index `start` or later.
    private static func first(in bits: [UInt64], from start: Int) -> Int? {
        var word = start >> 6
        if word >= bits.count { return nil }
        var rest = bits[word] & (~0 << UInt64(start & 63))
        while rest == 0 {
            word += 1
            if word == bits.count { return nil }
            rest = bits[word]
        }
        return word << 6 + rest.trailingZeroBitCount
    }
}
