import Autograd
import Kernels
import Random
import Tokenize

/// A low-rank factorization of n-gram statistics: one row per context and a shared head, trained on the next-token distributions of the
/// counts.
///
/// A context that occurs ten thousand times needs only one training row.
///
///     let table = NGramTable(
///         of: counts, vocabulary: 16_387, width: 352, fit: .init(rows: 400_000), on: processor, precision: .bfloat16, seed: 1
///     ) { share in … }
struct NGramTable {
    /// [V + pairs, width], each row with mean 0 and variance 1.
    let rows: [Float]
    /// [V, width]: the logits after the context of row r are head·(gain·r + shift).
    let head: [Float]
    let gain, shift: [Float]
    let width: Int

    struct Fit {
        /// The number of training examples. A context is drawn several times.
        var rows: Int
        var batchRows = 1_024
        var rate: Float = 3e-3
        /// The share of the steps that train single tokens only, before pairs are added.
        var singleTokenShare = 0.375
    }

    init(
        of counts: NGramCounts, vocabulary V: Int, width: Int, fit: Fit, on processor: Processor, precision: DataType, seed: UInt64,
        progress: (_ share: Double) -> Void
    ) {
        var list = ParameterList()
        let table = Embedding(of: V + counts.pairs.count, to: width, named: "table", in: &list)
        let norm = Norm(of: width, named: "norm", in: &list)
        let head = list.add("head", [V, width], .normal(deviation: 0.02))
        let parameters = Parameters(list, on: processor, seed: seed)
        let tape = Tape(processor, parameters: parameters, precision: precision)
        let optimizer = AdamW(for: parameters, on: processor)
        optimizer.decay = 0
        optimizer.beta2 = 0.99
        let steps = max(1, fit.rows / fit.batchRows)
        let singleTokenSteps = Int(Double(steps) * fit.singleTokenShare)
        var sampler = ContextSampler(counts.contexts.filter { $0.pair == nil })
        for step in 0..<steps {
            if step == singleTokenSteps {
                sampler = ContextSampler(counts.contexts)
                Self.initializePairs(parameters.values[table.table.range], counts.pairs, V: V, width: width)
            }
            progress(Double(step) / Double(steps))
            let batch = sampler.batch(counts, fit.batchRows, V: V, seed: seed, step: step)
            tape.reset()
            let x = norm(table(tape.ids(batch.ids, [batch.ids.count, 1]), on: tape), on: tape)
            let loss = tape.linearCrossEntropy(x, weight: tape.value(of: head), softTargets: batch.targets.softTargets(on: processor))
            tape.backward(from: loss)
            let falling = step < singleTokenSteps ? 1 : Float(steps - step) / Float(steps - singleTokenSteps)
            optimizer.update(rate: fit.rate * min(1, Float(step + 1) / 10) * falling)
        }
        self.width = width
        rows = Self.normalized(parameters.values[table.table.range].copied, width: width)
        self.head = parameters.values[head.range].copied
        gain = parameters.values[norm.weight.range].copied
        shift = norm.bias.map { parameters.values[$0.range].copied } ?? []
    }

    /// The row of a pair starts as a copy of the row of its last token.
    private static func initializePairs(_ table: Buffer, _ pairs: [NGramCounts.Pair], V: Int, width: Int) {
        table.write { span in
            for (k, pair) in pairs.enumerated() { for i in 0..<width { span[(V + k) * width + i] = span[pair.last * width + i] } }
        }
    }

    /// Normalizes each row as a layer norm does, which leaves the layer norm of the row unchanged.
    private static func normalized(_ table: [Float], width: Int) -> [Float] {
        var result = table
        for start in stride(from: 0, to: table.count, by: width) {
            let row = table[start..<start + width]
            let mean = row.reduce(0, +) / Float(width)
            let deviation = (row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(width)).squareRoot()
            for i in row.indices { result[i] = (table[i] - mean) / max(deviation, 1e-6) }
        }
        return result
    }
}

/// Samples contexts with probability proportional to count^¾, and weights each one so that the expected loss is that of the text.
private struct ContextSampler {
    private let contexts: [NGramCounts.Context]
    /// The probability of each context.
    private let probabilities: [Double]
    private let cumulative: [Double]
    private let total: Double

    init(_ contexts: [NGramCounts.Context]) {
        self.contexts = contexts
        let raw = contexts.map { context -> Double in
            let root = Double(context.total).squareRoot()
            return root * root.squareRoot()                   // to the power of ¾
        }
        let all = raw.reduce(0, +)
        var sum = 0.0, cumulative: [Double] = []
        for weight in raw {
            sum += weight / all
            cumulative.append(sum)
        }
        probabilities = raw.map { $0 / all }
        self.cumulative = cumulative
        total = contexts.reduce(0) { $0 + Double($1.total) }
    }

    func batch(_ counts: NGramCounts, _ rows: Int, V: Int, seed: UInt64, step: Int) -> (ids: [Int32], targets: SoftTargetRows) {
        var random = SeededRandom(seed: seed, stream: UInt64(step))
        var times: [Int: Int] = [:]
        for _ in 0..<rows { times[index(at: random.uniform()), default: 0] += 1 }
        var ids: [Int32] = [], targets = SoftTargetRows()
        for (i, count) in times.sorted(by: { $0.key < $1.key }) {
            let context = contexts[i]
            let weight = Double(count) / Double(rows) * Double(context.total) / total / probabilities[i]
            ids.append(Int32(context.pair.map { V + $0 } ?? counts.token(of: context)))
            counts.add(after: context, weight: Float(weight), to: &targets, &random)
            targets.endRow()
        }
        return (ids, targets)
    }

    private func index(at share: Double) -> Int { min(cumulative.prefixCount { $0 < share }, cumulative.count - 1) }
}

extension Buffer {
    var copied: [Float] { read { span in span.indices.map { span[$0] } } }
}
