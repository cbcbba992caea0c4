package import Autograd
package import Checkpoint
package import Kernels
package import Model
package import Tokenize

/// Carries out a model's forward pass for answering: each sequence remembers the keys and values of what it has seen, so that only what is new goes through
/// the model, and weights are kept as answering reads them fastest.
///
///     let runner = Runner(of: model, parameters, on: processor, form: .int8)
///     let memory = runner.makeKVCache()
///     let scores = runner.scores(after: [.init(memory, from: 0, ids: prompt)])               // [1, V]
///
/// Rows of different sequences go through the model together: [N, 1, C], where N counts the new tokens of all. What comes out for a sequence does not
/// depend, bit for bit, on who else takes part, or on how its tokens are cut into steps.
package final class Runner: Executor {
    /// What is new of one sequence.
    package struct Part {
        /// Whose scores are wanted.
        package enum Asked: Sendable { case nobody, last, all }

        let rows: CachedRows
        let ids: [TokenID]
        let asked: Asked

        package init(_ memory: KVCache, from start: Int, ids: [TokenID], asked: Asked = .last) {
            (rows, self.ids, self.asked) = (CachedRows(memory, from: start, count: ids.count), ids, asked)
        }
    }

    package let model: GPT
    package let form: WeightPrecision
    package let processor: Processor
    private let parameters: Parameters
    /// Made when they are first needed.
    private var packs: ByParameter<PackedWeights>, copies: ByParameter<Buffer>
    /// Weights that are rounded already, by name: their parameters have no values.
    private let rounded: Named<RoundedWeights>
    private var step: [Part] = []
    private var angles: Buffer?                        // [context, D]

    package init(of model: GPT, _ parameters: Parameters, rounded: Named<RoundedWeights> = [:], on processor: Processor, form: WeightPrecision) {
        (self.model, self.parameters, self.rounded, self.processor, self.form) = (model, parameters, rounded, processor, form)
        (packs, copies) = (ByParameter(parameters), ByParameter(parameters))
        _ = scores(after: [Part(makeKVCache(), from: 0, ids: [0])])        // so that the first to ask need not wait for the weights
    }

    /// - Parameter base: the model that an adapter is for, where that is not where it was.
    package convenience init(of checkpoint: Checkpoint, base: String? = nil, on processor: Processor, form: WeightPrecision) throws(CheckpointError) {
        let (model, parameters) = try checkpoint.model(base: base, leavingRounded: true, on: processor)
        self.init(of: model, parameters, rounded: checkpoint.rounded, on: processor, form: form)
    }

    /// Of a sequence that has seen nothing.
    package func makeKVCache() -> KVCache {
        let c = model.configuration
        return processor.makeKVCache(layers: c.layers, heads: c.heads, headWidth: c.headWidth, room: c.context, form == .int4 ? .int8 : form)
    }

    /// Bytes of the weights that are packed.
    package var weightBytes: Int { packs.all.reduce(0) { $0 + $1.byteCount } }

    /// A score for every token to come next, after each part that asks, in their order.   [asked, V]
    package func scores(after parts: [Part]) -> Tensor {
        step = parts.filter { !$0.ids.isEmpty }
        defer { step = [] }
        let N = step.reduce(0) { $0 + $1.ids.count }, ids = processor.buffer(of: N, .int32)
        ids.writeIDs { span in
            var n = 0
            for part in step { for id in part.ids { span[n] = id; n += 1 } }
        }
        let scores = model.logits(of: Tensor(ids, [N, 1]), on: self)
        return Tensor(scores.elements, [scores.shape[0], scores.shape[-1]])
    }

    /// What each target costs; negative ones do not count. Nothing of it is remembered.
    package func tokenLosses(of ids: [TokenID], predicting targets: [TokenID]) -> TokenLosses {
        require(ids.count == targets.count, "\(ids.count) ids and \(targets.count) targets")
        let scores = scores(after: [Part(makeKVCache(), from: 0, ids: ids, asked: .all)]), wanted = processor.buffer(of: ids.count, .int32)
        wanted.writeIDs { span in for i in span.indices { span[i] = targets[i] } }
        let losses = processor.buffer(of: ids.count, .float32), hits = processor.buffer(of: ids.count, .int32)
        processor.crossEntropy(scores.elements, N: ids.count, V: model.configuration.vocabulary, targets: wanted, losses: losses, hits: hits, gradient: nil, scale: 0)
        var result = TokenLosses()
        for i in targets.indices where targets[i] >= 0 {
            result.nats.append(losses.read { $0[i] })
            result.isLikeliest.append(hits.readIDs { $0[i] } != 0)
        }
        return result
    }

    // MARK: Operations

    package func embed(_ ids: Tensor, in table: Embedding, plus positions: Embedding?) -> Tensor {
        let C = table.table.shape[1], y = empty(ids.shape[0], C)
        var n = 0
        for part in step {
            let rows = n..<n + part.ids.count, start = part.rows.start
            let places = positions.map { value(of: $0.table)[start * C..<(start + rows.count) * C] }, result = y.elements[rows.lowerBound * C..<rows.upperBound * C]
            if readsTable(table.table) {
                processor.embed(ids.elements[rows], table: value(of: table.table), C: C, plus: places, period: rows.count, into: result)
            } else {
                processor.embed(ids.elements[rows], in: packed(table.table), plus: places, into: result)
            }
            n = rows.upperBound
        }
        return y
    }

    /// Whether the rows of a table are looked up where they are, in memory or in a file: where nothing is gained by packing them.
    private func readsTable(_ table: Parameter) -> Bool { form == .float32 && rounded[table.name] == nil }

    package func norm(_ x: Tensor, by norm: Norm) -> Tensor {
        let (N, C) = x.shape.rows, y = empty(N, C), statistics = processor.buffer(of: 2 * N, .float32)
        processor.norm(x.elements, N: N, C: C, scale: value(of: norm.weight), shift: norm.bias.map(value), into: y.elements,
                       mean: norm.kind == .layer ? statistics[0..<N] : nil, rstd: statistics[N..<2 * N], epsilon: 1e-5)
        return y
    }

    package func linear(_ x: Tensor, weight: Parameter, bias: Parameter?, then f: Function, plus: Tensor?) -> Tensor {
        let N = x.shape.rows.N, y = empty(N, weight.shape[0])
        processor.multiply(x.elements, rows: N, by: packed(weight), bias: bias.map(value), then: f, plus: plus?.elements, into: y.elements)
        return y
    }

    package func rotate(_ qkv: Tensor, heads H: Int) -> Tensor {
        let (N, C) = qkv.shape.rows, D = C / (3 * H), y = empty(N, C), angles = angles(width: D)
        var n = 0
        for part in step {
            let rows = n * C..<(n + part.ids.count) * C, from = part.rows.start * D
            processor.rotate(qkv.elements[rows], N: part.ids.count, C: C, heads: 2 * H, D: D, by: angles[from..<from + part.ids.count * D], into: y.elements[rows])
            n += part.ids.count
        }
        return y
    }

    package func normHeads(_ qkv: Tensor, heads H: Int) -> Tensor {
        let (N, C) = qkv.shape.rows, y = empty(N, C)
        processor.normHeads(qkv.elements, N: N, C: C, heads: 2 * H, D: C / (3 * H), into: y.elements, rstd: processor.buffer(of: N * 2 * H, .float32), epsilon: 1e-5)
        return y
    }

    package func attend(_ qkv: Tensor, heads H: Int, layer: Int, documents: Tensor?) -> Tensor {
        require(documents == nil, "sequences that are answered have memories of their own, and no documents")
        let (N, C) = qkv.shape.rows, y = empty(N, C / 3)
        processor.recall(qkv.elements, rows: step.map(\.rows), layer: layer, into: y.elements)
        return y
    }

    package func add(_ a: Tensor, _ b: Tensor) -> Tensor {
        let y = empty(a.shape.rows.N, a.shape.rows.C)
        y.elements.copy(from: a.elements)
        processor.copy(b.elements, into: y.elements, adding: true)
        return y
    }

    package func scale(_ x: Tensor, by factor: Float) -> Tensor {
        let y = empty(x.shape.rows.N, x.shape.rows.C)
        processor.copy(x.elements, into: y.elements, scale: factor)
        return y
    }

    package func apply(_ f: Function, to x: Tensor) -> Tensor {
        let y = empty(x.shape.rows.N, x.shape.rows.C)
        processor.apply(f, x.elements, into: y.elements)
        return y
    }

    package func dropout(_ x: Tensor, _ p: Float) -> Tensor { x }
    package func checkpoint(_ x: Tensor, _ body: @escaping (Tensor) -> Tensor) -> Tensor { body(x) }

    package func wanted(_ x: Tensor) -> Tensor {
        let (N, C) = x.shape.rows
        var asked: [Int] = [], n = 0
        for part in step {
            switch part.asked {
            case .nobody: break
            case .last: asked.append(n + part.ids.count - 1)
            case .all: asked += n..<n + part.ids.count
            }
            n += part.ids.count
        }
        if asked.count == N || n != N { return x }
        let y = empty(asked.count, C)
        for (i, row) in asked.enumerated() { y.elements[i * C..<(i + 1) * C].copy(from: x.elements[row * C..<(row + 1) * C]) }
        return y
    }

    // MARK: Weights

    private func empty(_ N: Int, _ C: Int) -> Tensor { Tensor(processor.buffer(of: N * C, .float32), Shape(N, 1, C)) }

    private func stored(_ parameter: Parameter) -> Buffer { parameters.value(of: parameter).elements }

    /// As it is: norms, biases, positions. What is small is taken out of its file, a page of which brings up to 2 MB of what lies around it.
    private func value(of parameter: Parameter) -> Buffer {
        if let there = copies[parameter] { return there }
        let stored = stored(parameter)
        if stored.count > 1 << 20 { return stored }
        let copy = processor.buffer(of: stored.count, .float32)
        copy.copy(from: stored)
        if isAsStored { stored.forgetFile() }
        copies[parameter] = copy
        return copy
    }

    private func packed(_ weight: Parameter) -> PackedWeights {
        if let there = packs[weight] { return there }
        // What adapts a layer is thin, and much hangs on it: it is not rounded to a few levels.
        let isThin = weight.isLearned && !parameters.frozen.isEmpty
        var form = isThin ? (processor.offers(.bfloat16) && form != .float32 ? .bfloat16 : .float32) : form
        // Everything begins with the embedding of a token: where it is not the head too, int4 would save little there.
        if form == .int4, weight.name.hasPrefix("tokens"), !model.configuration.isTied { form = .int8 }
        let packed = pack(weight, as: form)
        packs[weight] = packed
        return packed
    }

    /// Whether what is in memory of a file is what the file says: an adapter may have changed its base.
    private var isAsStored: Bool { parameters.frozen.isEmpty }

    private func pack(_ weight: Parameter, as form: WeightPrecision) -> PackedWeights {
        let (O, I) = (weight.shape[0], weight.shape[1])
        guard let rounded = rounded[weight.name] else { return processor.pack(stored(weight), outputs: O, inputs: I, as: form, forgetting: isAsStored) }
        if rounded.form == form { return processor.pack(rounded, forgetting: true) }
        let values = processor.buffer(of: O * I, .float32)
        processor.values(of: rounded, into: values)
        return processor.pack(values, outputs: O, inputs: I, as: form)
    }

    private func angles(width D: Int) -> Buffer {
        if let angles { return angles }
        let made = processor.rotations(of: model.configuration.context, width: D)
        angles = made
        return made
    }
}

/// Something for each parameter of a model, or nothing yet.
private struct ByParameter<Value> {
    private var learned: [Value?], frozen: [Value?]

    init(_ parameters: Parameters) {
        learned = Array(repeating: nil, count: parameters.list.count)
        frozen = Array(repeating: nil, count: parameters.frozen.count)
    }

    var all: [Value] { (learned + frozen).compactMap(\.self) }

    subscript(parameter: Parameter) -> Value? {
        get { parameter.isLearned ? learned[parameter.index] : frozen[parameter.index] }
        set { if parameter.isLearned { learned[parameter.index] = newValue } else { frozen[parameter.index] = newValue } }
    }
}
