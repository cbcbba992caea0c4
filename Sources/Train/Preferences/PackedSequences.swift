import Autograd
import Distributed
import Kernels

/// Some sequences as a batch: packed into rows, with what belongs to which.
struct PackedSequences: Sendable {
    struct Segment: Sendable {
        let sequence: Int
        /// The positions of the sequence in the batch, across rows.
        let range: Range<Int>
    }

    let batch: Batch
    /// In the order of their positions.
    let segments: [Segment]

    /// Rows are as long as the longest sequence, rounded up, so that few different shapes occur.
    private static let rounding = 16

    /// - Parameter sharesRows: Whether several short sequences can be in one row.
    init(_ indices: [Int], of data: PreferenceData, sharesRows: Bool) {
        let sequences = data.sequences
        let longest = indices.map { sequences[$0].inputs.count }.max() ?? 0
        let length = sharesRows ? (longest + Self.rounding - 1) / Self.rounding * Self.rounding : longest
        var rows: [(members: [Int], free: Int)] = []
        for index in indices.sorted(by: { (sequences[$0].inputs.count, $1) > (sequences[$1].inputs.count, $0) }) {
            let count = sequences[index].inputs.count
            if sharesRows, let row = rows.firstIndex(where: { $0.free >= count }) {
                rows[row].members.append(index)
                rows[row].free -= count
            } else {
                rows.append(([index], length - count))
            }
        }
        var inputs: [Int32] = [], targets: [Int32] = [], starts: [Int32] = [], segments: [Segment] = []
        for row in rows {
            for index in row.members {
                let sequence = sequences[index], start = inputs.count
                segments.append(Segment(sequence: index, range: start..<start + sequence.inputs.count))
                starts += repeatElement(Int32(start % length), count: sequence.inputs.count)
                inputs += sequence.inputs
                targets += sequence.targets
            }
            starts += repeatElement(Int32(length - row.free), count: row.free)
            inputs += repeatElement(data.padding, count: row.free)
            targets += repeatElement(-1, count: row.free)
        }
        self.segments = segments
        let isOnePerRow = rows.allSatisfy { $0.members.count == 1 }
        batch = Batch(inputs: inputs, targets: targets, rows: rows.count, documentStarts: isOnePerRow ? nil : starts)
    }

    /// Divides groups of sequences into micro-batches of about so many tokens. A group, such as the answers of a pair, stays together.
    static func microBatches(_ groups: [[Int]], of data: PreferenceData, tokens most: Int) -> [[Int]] {
        var result: [[Int]] = []
        var tokens = 0
        // Groups of similar length together, so that there is little padding.
        let longest = groups.map { $0.map { data.sequences[$0].inputs.count }.max() ?? 0 }
        for i in groups.indices.sorted(by: { (longest[$0], $1) > (longest[$1], $0) }) {
            let count = groups[i].count * longest[i]
            if result.isEmpty || tokens + count > most {
                result.append([])
                tokens = 0
            }
            result[result.count - 1].append(i)
            tokens += count
        }
        return result
    }
}

extension PreferenceData {
    /// The log-probability of each sequence: the sum over the tokens of its answer.
    ///
    /// - Parameters:
    ///   - sharesRows: Whether `losses` separates the sequences of a row.
    ///   - ranks: Each of them computes a part of the sequences.
    ///   - losses: Computes the losses of the targets of a batch, in order.
    func logProbabilities(
        of indices: [Int], tokens: Int, sharesRows: Bool = true, over ranks: RankGroup?, progress: (_ tokens: Int) throws -> Void,
        _ losses: (Batch) -> TokenLosses
    ) rethrows -> [Int: Double] {
        let groups = PackedSequences.microBatches(indices.map { [$0] }, of: self, tokens: tokens).map { $0.map { indices[$0] } }
        var done = 0
        let ends = groups.map { group in
            done += group.reduce(0) { $0 + sequences[$1].inputs.count }
            return done
        }
        let all = try ranks.shared(groups.count) { i -> [Double] in
            let packed = PackedSequences(groups[i], of: self, sharesRows: sharesRows)
            let nats = losses(packed.batch).nats
            var found: [Int: Double] = [:], next = 0
            for segment in packed.segments {
                let count = packed.batch.targets[segment.range].reduce(0) { $0 + ($1 >= 0 ? 1 : 0) }
                found[segment.sequence] = nats[next..<next + count].reduce(0) { $0 - Double($1) }
                next += count
            }
            try progress(ends[i])
            return groups[i].map { found[$0] ?? .nan }
        }
        return Dictionary(zip(groups.joined(), all.joined()), uniquingKeysWith: { _, last in last })
    }
}
