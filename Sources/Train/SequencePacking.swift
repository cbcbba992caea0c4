import Kernels
import Random

/// Which pieces of which documents share a row.
///
///     let packing = SequencePacking([0..<300, 300..<420, 420..<500], into: 384, seed: 1)
///     packing.rows                             // [[0..<299, 420..<499], [300..<419]]: inputs, whose targets are one further
struct SequencePacking {
    /// Ranges of inputs. Together they have at most as many tokens as a row.
    let rows: [[Range<Int>]]
    /// The share of all places that stays empty.
    let waste: Double

    /// The longest first, each into the fullest row that has room for it (best fit decreasing, Johnson 1973).
    init(_ documents: [Range<Int>], into context: Int, seed: UInt64) {
        var pieces: [Range<Int>] = []
        for document in documents {
            var start = document.lowerBound
            // The last token of a document is predicted and predicts nothing.
            while start < document.upperBound - 1 {
                let end = min(start + context, document.upperBound - 1)
                pieces.append(start..<end)
                start = end
            }
        }
        var random = SeededRandom(seed: seed, stream: 0)
        pieces.shuffle(using: &random)                       // equals in no particular order
        pieces.sort { $0.count > $1.count }
        var rows: [[Range<Int>]] = []
        var byRoom = [[Int]](repeating: [], count: context + 1)
        // The rooms that there are rows of, a bit each, so that the next larger is found at once.
        var rooms = [UInt64](repeating: 0, count: context / 64 + 1)
        for piece in pieces {
            let room: Int
            if let found = Self.first(in: rooms, from: piece.count), let row = byRoom[found].popLast() {
                if byRoom[found].isEmpty { rooms[found >> 6] &= ~(1 << UInt64(found & 63)) }
                rows[row].append(piece)
                room = found - piece.count
                byRoom[room].append(row)
            } else {
                room = context - piece.count
                byRoom[room].append(rows.count)
                rows.append([piece])
            }
            rooms[room >> 6] |= 1 << UInt64(room & 63)
        }
        self.rows = rows
        let used = pieces.reduce(0) { $0 + $1.count }
        waste = rows.isEmpty ? 0 : 1 - Double(used) / Double(rows.count * context)
    }

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
