import Autograd
import Checkpoint
import Kernels
import Random
import Tokenize

/// Trains an ``NGramTable`` on the next-token distributions of counts, step by step.
struct NGramTableFit {
    let table: Embedding
    let norm: Norm
    let head: Parameter
    let parameters: Parameters
    let width: Int
    let counts: NGramCounts
    private let vocabulary: Int
    private let settings: Settings
    private let processor: Processor
    private let tape: Tape
    private let optimizer: Optimizer
    private let seed: UInt64
    private var sampler: ContextSampler
    private var step = 0

    struct Settings {
        /// The number of training examples. A context is sampled several times.
        var rows: Int
        var batchRows = 1_024
        var rate: Float = 3e-3
        /// The share of the steps that train single tokens only, before pairs are added.
        var singleTokenShare = 0.375

        var steps: Int { max(1, rows / batchRows) }
        var singleTokenSteps: Int { Int(Double(steps) * singleTokenShare) }
    }

    init(
        of counts: NGramCounts, vocabulary V: Int, width: Int, _ settings: Settings, on processor: Processor, precision: DataType,
        seed: UInt64
    ) {
        var list = ParameterList()
        table = Embedding(of: V + counts.pairs.count, to: width, named: "table", in: &list)
        norm = Norm(of: width, named: "norm", in: &list)
        head = list.add("head", [V, width], .normal(deviation: 0.02))
        parameters = Parameters(list, on: processor, seed: seed)
        tape = Tape(processor, parameters: parameters, precision: precision)
        optimizer = Optimizer(for: parameters, on: processor)
        optimizer.decay = 0
        optimizer.beta2 = 0.99
        sampler = ContextSampler(counts.contexts.filter { $0.pair == nil })
        vocabulary = V
        self.counts = counts
        self.width = width
        self.settings = settings
        self.processor = processor
        self.seed = seed
    }

    /// The share of the steps that are done.
    var share: Double { Double(step) / Double(settings.steps) }

    mutating func advance() {
        let singleTokenSteps = settings.singleTokenSteps
        if step == singleTokenSteps {
            sampler = ContextSampler(counts.contexts)
            initializePairs()
        }
        let batch = sampler.batch(counts, settings.batchRows, V: vocabulary, seed: seed, step: step)
        tape.reset()
        let x = norm(table(tape.ids(batch.ids, [batch.ids.count, 1]), on: tape), on: tape)
        let loss = tape.linearCrossEntropy(x, weight: tape.value(of: head), softTargets: batch.targets.softTargets(on: processor))
        tape.backward(from: loss)
        let falling = step < singleTokenSteps ? 1 : Float(settings.steps - step) / Float(settings.steps - singleTokenSteps)
        optimizer.update(rate: settings.rate * min(1, Float(step + 1) / 10) * falling)
        step += 1
    }

    /// The row of a pair starts as a copy of the row of its last token.
    private func initializePairs() {
        parameters.values[table.table.range].write { span in
            for (k, pair) in counts.pairs.enumerated() {
                for i in 0..<width { span[(vocabulary + k) * width + i] = span[pair.last * width + i] }
            }
        }
    }
}

extension NGramTableFit {
    private var buffers: [(name: String, buffer: Buffer)] {
        [("values", parameters.values), ("first", optimizer.first), ("second", optimizer.second)]
    }

    var values: OrderedDictionary<CheckpointValue> {
        var values: OrderedDictionary<CheckpointValue> = ["ngrams/step": .integer(step), "ngrams/updates": .integer(optimizer.steps)]
        for (name, buffer) in buffers { values["ngrams/table/" + name] = .floats(buffer.copied) }
        return values
    }

    /// Continues a stored fit of the same counts.
    mutating func restore(_ checkpoint: Checkpoint) throws(CheckpointError) {
        let stored = try checkpoint.integer("ngrams/step")
        guard 0...settings.steps ~= stored else {
            throw .mismatch(path: checkpoint.name, name: "ngrams/step", expected: "0 to \(settings.steps)", found: "\(stored)")
        }
        for (name, buffer) in buffers {
            let floats = try checkpoint.floats("ngrams/table/" + name)
            guard floats.count == buffer.count else {
                throw .mismatch(
                    path: checkpoint.name, name: "ngrams/table/" + name, expected: "\(buffer.count) numbers", found: "\(floats.count)"
                )
            }
            buffer.write { span in for i in floats.indices { span[i] = floats[i] } }
        }
        optimizer.steps = try checkpoint.integer("ngrams/updates")
        step = stored
        if step > settings.singleTokenSteps { sampler = ContextSampler(counts.contexts) }
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
