import Autograd
import Kernels
import Tokenize
import Random

/// What each context of some counts expects, as one row of a table and a head that all share: fitted to the counts themselves, a row for a context
/// that may have occurred ten thousand times.
///
///     let table = try NGramTable(of: counts, vocabulary: 16_387, width: 352, fit: .init(rows: 400_000), on: processor, precision: .bfloat16, seed: 1)
struct NGramTable {
    /// [V + pairs, width], each of mean 0 and variance 1.
    let rows: [Float]
    /// [V, width]: the scores of what follows row r are head·(gain·r + shift).
    let head: [Float]
    let gain, shift: [Float]
    let width: Int

    struct Fit {
        /// Contexts looked at, some of them often.
        var rows: Int
        var rowsAtOnce = 1_024
        var rate: Float = 3e-3
        /// Of the rows: those for single tokens alone, before pairs are added.
        var singles = 0.375
    }

    init(of counts: NGramCounts, vocabulary V: Int, width: Int, fit: Fit, on processor: Processor, precision: DataType, seed: UInt64,
         progress: (_ share: Double) -> Void) throws(ProcessorError) {
        var list = ParameterList()
        let table = Embedding(of: V + counts.pairs.count, to: width, named: "table", in: &list)
        let norm = Norm(of: width, named: "norm", in: &list), head = list.add("head", [V, width], .normal(deviation: 0.02))
        let parameters = Parameters(list, on: processor, seed: seed)
        let tape = Tape(processor, parameters: parameters, precision: precision), optimizer = AdamW(for: parameters, on: processor)
        (optimizer.decay, optimizer.beta2) = (0, 0.99)
        let steps = max(1, fit.rows / fit.rowsAtOnce), singles = Int(Double(steps) * fit.singles)
        var draws = ContextSampler(counts.contexts.filter { $0.pair == nil })
        for step in 0..<steps {
            if step == singles {
                draws = ContextSampler(counts.contexts)
                Self.beginPairs(parameters.values[table.table.range], counts.pairs, V: V, width: width)
            }
            progress(Double(step) / Double(steps))
            let batch = draws.batch(counts, fit.rowsAtOnce, V: V, seed: seed, step: step)
            tape.reset()
            let x = norm(table(tape.ids(batch.ids, [batch.ids.count, 1]), on: tape), on: tape)
            let loss = tape.linearCrossEntropy(x, weight: tape.value(of: head), shares: batch.expected.onProcessor(processor))
            tape.backward(from: loss)
            let falling = step < singles ? 1 : Float(steps - step) / Float(steps - singles)
            optimizer.update(rate: fit.rate * min(1, Float(step + 1) / 10) * falling)
        }
        (self.width, rows) = (width, Self.normalized(parameters.values[table.table.range].copied, width: width))
        (self.head, gain) = (parameters.values[head.range].copied, parameters.values[norm.weight.range].copied)
        shift = norm.bias.map { parameters.values[$0.range].copied } ?? []
    }

    /// A pair begins as its last token.
    private static func beginPairs(_ table: Buffer, _ pairs: [NGramCounts.Pair], V: Int, width: Int) {
        table.write { span in
            for (k, pair) in pairs.enumerated() { for i in 0..<width { span[(V + k) * width + i] = span[pair.last * width + i] } }
        }
    }

    /// What a layer norm makes of each row, which it makes of the result, too.
    private static func normalized(_ table: [Float], width: Int) -> [Float] {
        var result = table
        for start in stride(from: 0, to: table.count, by: width) {
            let row = table[start..<start + width], mean = row.reduce(0, +) / Float(width)
            let deviation = (row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(width)).squareRoot()
            for i in row.indices { result[i] = (table[i] - mean) / max(deviation, 1e-6) }
        }
        return result
    }
}

/// Draws contexts, frequent ones more often but not as much as they are, and gives each the weight that makes up for it.
private struct ContextSampler {
    private let contexts: [NGramCounts.Context]
    /// The chance of each context, and of all up to it.
    private let chances, sums: [Double]
    private let total: Double

    init(_ contexts: [NGramCounts.Context]) {
        self.contexts = contexts
        let raw = contexts.map { context -> Double in
            let root = Double(context.total).squareRoot()
            return root * root.squareRoot()                   // to the power of ¾
        }
        let all = raw.reduce(0, +)
        var sum = 0.0, sums: [Double] = []
        for chance in raw {
            sum += chance / all
            sums.append(sum)
        }
        (chances, self.sums, total) = (raw.map { $0 / all }, sums, contexts.reduce(0) { $0 + Double($1.total) })
    }

    func batch(_ counts: NGramCounts, _ rows: Int, V: Int, seed: UInt64, step: Int) -> (ids: [Int32], expected: SoftTargetRows) {
        var random = SeededRandom(seed: seed, stream: UInt64(step)), times: [Int: Int] = [:]
        for _ in 0..<rows { times[draw(random.uniform()), default: 0] += 1 }
        var ids: [Int32] = [], expected = SoftTargetRows()
        for (i, count) in times.sorted(by: { $0.key < $1.key }) {
            let context = contexts[i], weight = Double(count) / Double(rows) * Double(context.total) / total / chances[i]
            ids.append(Int32(context.pair.map { V + $0 } ?? counts.token(of: context)))
            counts.add(after: context, weight: Float(weight), to: &expected, &random)
            expected.endRow()
        }
        return (ids, expected)
    }

    private func draw(_ share: Double) -> Int { min(sums.prefixCount { $0 < share }, sums.count - 1) }
}

extension Buffer {
    var copied: [Float] { read { span in span.indices.map { span[$0] } } }
}
