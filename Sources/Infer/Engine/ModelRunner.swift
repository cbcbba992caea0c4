package import Autograd
package import Checkpoint
package import Kernels
package import Model
package import Tokenize

/// Runs a model's forward pass for inference, with a KV cache for each sequence, so that only new tokens go through the model,
/// and with packed weights.
///
///     let runner = ModelRunner(of: model, parameters, on: processor, precision: .int8)
///     let cache = runner.makeKVCache()
///     let logits = runner.logits(for: [.init(cache, from: 0, ids: prompt)])                  // [1, V]
///
/// New tokens of different sequences form one batch: [N, 1, C], where N is the number of new tokens of all sequences. The logits
/// of a sequence do not depend, bit for bit, on the other sequences of the batch, or on how its tokens are divided into steps.
package final class ModelRunner: Executor {
    /// Which rows of a segment need logits.
    package enum LogitRows: Sendable {
        case all
        case last(Int)

        func count(of rows: Int) -> Int {
            switch self {
            case .all: rows
            case .last(let count): count
            }
        }
    }

    /// Consecutive new tokens of one sequence.
    package struct Segment {
        let rows: CachedRows
        let ids: [TokenID]
        let logitRows: LogitRows
        let adapter: Int?

        /// The number of rows that need logits.
        var logitCount: Int { logitRows.count(of: ids.count) }

        /// - Parameters:
        ///   - start: The position of the first id: the number of positions already in the cache.
        ///   - adapter: The index of a LoRA adapter; nil for the model alone.
        package init(_ cache: KVCache, from start: Int, ids: [TokenID], logits logitRows: LogitRows = .last(1), adapter: Int? = nil) {
            rows = CachedRows(cache, from: start, count: ids.count)
            self.ids = ids
            self.logitRows = logitRows
            self.adapter = adapter
        }
    }

    package let model: GPT
    package let precision: WeightPrecision
    /// The precision of cached keys and values.
    package let cachePrecision: WeightPrecision
    package let processor: Processor
    /// The positions that a KV cache can hold.
    package let context: Int
    private var weights: InferenceWeights
    private var adapters: AdapterWeights
    private var batch: [Segment] = []
    /// Called with the inputs of each matmul: N rows.
    package var observeInputs: ((_ weight: Parameter, _ x: Buffer, _ N: Int) -> Void)?
    private var rotaryAngles: [RotaryPositions: Buffer] = [:]             // [positions so far, D]

    /// - Parameters:
    ///   - adapters: LoRA adapters of the model, which segments refer to by index.
    ///   - context: The positions that a KV cache can hold, if they are fewer than the model's context. There are still fewer if the
    ///     addresses of the process do not suffice: some models declare contexts of millions of tokens.
    ///   - needsLogits: Whether logits will be asked for, so that the head is packed, too.
    package init(
        of model: GPT,
        _ parameters: Parameters,
        adapters: [[LoRAUpdate]] = [],
        on processor: Processor,
        precision: WeightPrecision,
        cache: KVPrecisionOption = .auto,
        context: Int? = nil,
        needsLogits: Bool = true
    ) {
        self.model = model
        self.processor = processor
        self.precision = precision
        let c = model.configuration
        cachePrecision = cache.resolved(weights: precision, hasQKVBias: c.hasQKVBias)
        self.context = processor.kvCacheCapacity(
            layers: c.layers, heads: c.keyValueHeads, headWidth: c.headWidth, upTo: min(context ?? c.defaultContext, c.context),
            cachePrecision)
        weights = InferenceWeights(parameters, on: processor, precision: precision)
        self.adapters = AdapterWeights(adapters, on: processor, precision: precision)
        // Packs the weights, so that the first request does not wait for it.
        let first = [Segment(makeKVCache(), from: 0, ids: [0])]
        _ = needsLogits ? logits(for: first) : hiddenStates(for: first)
    }

    /// - Parameters:
    ///   - base: The base model of a LoRA adapter; by default, the checkpoint at the path that the adapter names.
    ///   - isAlone: Whether the processor runs no other model.
    package convenience init(
        of checkpoint: Checkpoint,
        over base: Checkpoint? = nil,
        adapters: [[LoRAUpdate]] = [],
        on processor: Processor,
        precision: WeightPrecision,
        cache: KVPrecisionOption = .auto,
        context: Int? = nil,
        isAlone: Bool = true,
        needsLogits: Bool = true
    ) throws(CheckpointError) {
        if let device = processor.gpu?.device.name, checkpoint.configuration.hasAttentionSinks {
            throw .mismatch(
                path: checkpoint.name, name: "configuration/attention_sinks", expected: "a model without attention sinks on \(device)",
                found: "gpt-oss: use --device cpu")
        }
        let (model, parameters) = try checkpoint.model(over: base, keepingQuantized: true, on: processor)
        self.init(
            of: model, parameters, adapters: adapters, on: processor, precision: precision, cache: cache, context: context,
            needsLogits: needsLogits)
        if isAlone { saveMemoryOfSmallModel() }
    }

    /// For a processor that does nothing else: the rest of a huge page would be a large part of the memory of a small model.
    package func saveMemoryOfSmallModel() {
        if weightBytes < 48 << 20 { processor.useSmallPages() }
    }

    /// An empty KV cache for one sequence.
    ///
    /// - Parameter capacity: The positions that it can hold, if they are fewer than the context.
    package func makeKVCache(capacity: Int? = nil) -> KVCache {
        let c = model.configuration
        return processor.makeKVCache(
            layers: c.layers,
            heads: c.keyValueHeads,
            headWidth: c.headWidth,
            capacity: min(capacity ?? context, context),
            cachePrecision
        )
    }

    /// Bytes of addresses that KV caches may take.
    package var cacheAddresses: Int { processor.kvCacheAddresses }

    /// The size of the packed weights in bytes.
    package var weightBytes: Int { weights.packedBytes + adapters.byteCount }

    /// How much of that is not packed yet.
    package var unpackedBytes: Int { weights.unpackedBytes }

    /// The average over all matrices, with their scales; nil before the first step.
    package var bitsPerWeight: Double? { weights.bitsPerWeight }

    /// The logits of the next token, for the rows that the segments ask for, in their order.   [rows, V]
    ///
    /// Adds the tokens of all segments to their caches.
    package func logits(for segments: [Segment]) -> Tensor { run(segments) { model.logits(of: $0, on: self) } }

    /// The final hidden states, those of which logits would be computed, for the rows that the segments ask for.   [rows, C]
    ///
    /// Adds the tokens of all segments to their caches.
    package func hiddenStates(for segments: [Segment]) -> Tensor { run(segments) { model.hiddenStates(of: $0, on: self) } }

    /// Runs a forward pass over the tokens of all segments.   ids [N, 1]
    private func run(_ segments: [Segment], _ forward: (_ ids: Tensor) -> Tensor) -> Tensor {
        batch = segments.filter { !$0.ids.isEmpty }
        defer { batch = [] }
        weights.beginStep()
        adapters.beginStep(batch)
        let N = batch.reduce(0) { $0 + $1.ids.count }, ids = processor.buffer(of: N, .int32)
        ids.writeIDs { span in
            var n = 0
            for segment in batch {
                for id in segment.ids {
                    span[n] = id
                    n += 1
                }
            }
        }
        let rows = forward(Tensor(ids, [N, 1]))
        return Tensor(rows.elements, [rows.shape[0], rows.shape[-1]])
    }

    /// The loss of each target, without those that are negative, for several sets of targets. Uses a temporary KV cache.
    package func tokenLosses(of ids: [TokenID], predicting sets: [[TokenID]]) -> [TokenLosses] {
        let cache = makeKVCache(), most = Tape.logitRows(of: model.configuration.vocabulary)
        var losses = [TokenLosses](repeating: TokenLosses(), count: sets.count)
        for start in stride(from: 0, to: ids.count, by: most) {
            let rows = start..<min(start + most, ids.count), part = Array(ids[rows])
            let logits = logits(for: [Segment(cache, from: start, ids: part, logits: .all)])        // [T, V]
            for (i, targets) in sets.enumerated() { losses[i] += tokenLosses(of: part, predicting: Array(targets[rows]), logits) }
        }
        return losses
    }

    private func tokenLosses(of ids: [TokenID], predicting targets: [TokenID], _ logits: Tensor) -> TokenLosses {
        require(ids.count == targets.count, "expected a target for each id, found \(ids.count) ids and \(targets.count) targets")
        let targetIDs = processor.buffer(of: ids.count, .int32)
        targetIDs.writeIDs { span in for i in span.indices { span[i] = targets[i] } }
        let losses = processor.buffer(of: ids.count, .float32), hits = processor.buffer(of: ids.count, .int32)
        processor.crossEntropy(
            logits.elements,
            N: ids.count,
            V: model.configuration.vocabulary,
            targets: targetIDs,
            losses: losses,
            hits: hits,
            gradient: nil,
            scale: 0
        )
        var result = TokenLosses()
        for i in targets.indices where targets[i] >= 0 {
            result.nats.append(losses.read { $0[i] })
            result.isTopPrediction.append(hits.readIDs { $0[i] } != 0)
        }
        return result
    }

    // MARK: Operations

    package func embed(_ ids: Tensor, in table: Embedding, plus positions: Embedding?, documentStarts: Tensor?) -> Tensor {
        let C = table.table.shape[1], y = empty(ids.shape[0], C)
        var n = 0
        for segment in batch {
            let rows = n..<n + segment.ids.count, start = segment.rows.start
            let positionRows = positions.map { weights.value(of: $0.table)[start * C..<(start + rows.count) * C] }
            weights.embed(
                ids.elements[rows], in: table.table, plus: positionRows, into: y.elements[rows.lowerBound * C..<rows.upperBound * C])
            n = rows.upperBound
        }
        if table.table == model.embedding { adapters.addEmbeddings(of: ids.elements, into: y.elements, on: processor) }
        return y
    }

    package func norm(_ x: Tensor, by norm: Norm) -> Tensor {
        let (N, C) = x.shape.rows, y = empty(N, C), statistics = processor.buffer(of: 2 * N, .float32)
        processor.norm(
            x.elements,
            N: N,
            C: C,
            scale: weights.value(of: norm.weight),
            shift: norm.bias.map { weights.value(of: $0) },
            into: y.elements,
            mean: norm.kind == .layer ? statistics[0..<N] : nil,
            rstd: statistics[N..<2 * N],
            epsilon: norm.epsilon
        )
        return y
    }

    package func linear(_ x: Tensor, weight: Parameter, bias: Parameter?, then f: UnaryFunction, plus: Tensor?) -> Tensor {
        let N = x.shape.rows.N, y = empty(N, weight.shape[0]), w = weights.packed(weight), b = bias.map { weights.value(of: $0) }
        observeInputs?(weight, x.elements, N)
        // The output of an adapted layer is complete before its activation function.
        let isFused = f == .identity || !adapters.adapt(weight)
        processor.packedMatmul(
            x.elements, rows: N, by: w, bias: b, then: isFused ? f : .identity, plus: isFused ? plus?.elements : nil, into: y.elements)
        processor.addLowRank(adapters.updates(of: weight, rows: N), of: x.elements, rows: N, into: y.elements)
        if isFused { return y }
        processor.apply(f, y.elements, into: y.elements)
        return plus.map { add($0, y) } ?? y
    }

    package func applyRotaryEmbedding(_ qkv: Tensor, _ heads: AttentionHeads, _ positions: RotaryPositions) -> Tensor {
        let (N, C) = qkv.shape.rows, D = heads.width, y = empty(N, C)
        let angles = angles(positions, width: D, count: batch.reduce(0) { max($0, $1.rows.start + $1.ids.count) })
        var n = 0
        for segment in batch {
            let count = segment.ids.count, rows = n * C..<(n + count) * C, start = segment.rows.start * D
            processor.rotate(
                qkv.elements[rows],
                N: count,
                C: C,
                heads: heads.positioned,
                D: D,
                by: angles[start..<start + count * D],
                into: y.elements[rows]
            )
            n += count
        }
        return y
    }

    package func applyQKNorm(_ qkv: Tensor, _ heads: AttentionHeads, weight: Parameter?, epsilon: Float) -> Tensor {
        let (N, C) = qkv.shape.rows, y = empty(N, C), rstd = processor.buffer(of: N * heads.positioned, .float32)
        processor.normHeads(
            qkv.elements, N: N, C: C, heads: heads.positioned, D: heads.width, scale: weight.map { weights.value(of: $0) },
            queries: heads.queries, into: y.elements, rstd: rstd, epsilon: epsilon)
        return y
    }

    package func causalAttention(
        _ qkv: Tensor, _ heads: AttentionHeads, layer: Int, sinks: Parameter?, documentStarts: Tensor?
    ) -> Tensor {
        require(documentStarts == nil, "document boundaries are only for training: each sequence has its own KV cache")
        let y = empty(qkv.shape.rows.N, heads.queryWidth)
        processor.cachedAttention(qkv.elements, heads, rows: batch.map(\.rows), layer: layer,
            sinks: sinks.map { weights.value(of: $0) }, into: y.elements)
        return y
    }

    package func gatedActivation(_ x: Tensor, by f: UnaryFunction) -> Tensor {
        let (N, C) = x.shape.rows, y = empty(N, C / 2)
        processor.gatedActivation(f, x.elements, N: N, F: C / 2, into: y.elements)
        return y
    }

    package func route(_ scores: Tensor, to experts: Experts) -> Routing {
        Routing(scores.elements, N: scores.shape.rows.N, of: experts, on: processor)
    }

    package func rows(of group: Routing.Group, in x: Tensor) -> Tensor {
        let (N, C) = x.shape.rows, M = group.rows.count
        if M == N { return x }
        let y = empty(M, C)
        processor.embed(group.indices(on: processor), table: x.elements, C: C, plus: nil, period: 1, into: y.elements)
        return y
    }

    package func weightedSum(of outputs: [Tensor], by routing: Routing, _ shape: Shape) -> Tensor {
        let y = empty(shape.rows.N, shape.rows.C)
        processor.sum(outputs.map(\.elements), by: routing, C: shape.rows.C, into: y.elements)
        return y
    }

    package func add(_ a: Tensor, _ b: Tensor) -> Tensor {
        let y = empty(a.shape.rows.N, a.shape.rows.C)
        y.elements.copy(from: a.elements)
        processor.copy(b.elements, into: y.elements, adding: true)
        return y
    }

    package func multiply(_ x: Tensor, _ factors: Tensor) -> Tensor {
        let (N, C) = x.shape.rows, y = empty(N, C)
        processor.combine(
            .multiply, shape: [1, 1, N, C], x.elements, strides: [0, 0, C, 1], factors.elements, strides: [0, 0, 1, 0], into: y.elements)
        return y
    }

    package func scaleChannels(_ u: Tensor, of layer: LoRALayer, bias: Parameter?) -> Tensor {
        guard let magnitude = layer.magnitude else { return u }
        let (N, O) = u.shape.rows
        func combine(_ f: ArithmeticOperator, _ x: Tensor, _ vector: Buffer) -> Tensor {
            let y = empty(N, O)
            processor.combine(f, shape: [1, 1, N, O], x.elements, strides: [0, 0, O, 1], vector, strides: [0, 0, 0, 1], into: y.elements)
            return y
        }
        let y = combine(.multiply, u, weights.channelFactors(of: layer, magnitude))
        return bias.map { combine(.add, y, weights.value(of: $0)) } ?? y
    }

    package func scale(_ x: Tensor, by factor: Float) -> Tensor {
        let y = empty(x.shape.rows.N, x.shape.rows.C)
        processor.copy(x.elements, into: y.elements, scale: factor)
        return y
    }

    package func apply(_ f: UnaryFunction, to x: Tensor) -> Tensor {
        let y = empty(x.shape.rows.N, x.shape.rows.C)
        processor.apply(f, x.elements, into: y.elements)
        return y
    }

    /// In place: what is capped is not needed any more.
    package func softCap(_ x: Tensor, at cap: Float) -> Tensor {
        processor.softCap(x.elements, at: cap, into: x.elements)
        return x
    }

    package func dropout(_ x: Tensor, _ p: Float) -> Tensor { x }
    package func addNoise(_ x: Tensor, limit: Float) -> Tensor { x }
    package func recompute(_ x: Tensor, _ body: @escaping (Tensor) -> Tensor) -> Tensor { body(x) }
    package func blockResult(_ layer: () -> Tensor) -> Tensor { layer() }

    package func rowsNeedingLogits(_ x: Tensor) -> Tensor {
        let (N, C) = x.shape.rows
        var selected: [Int] = [], n = 0
        for segment in batch {
            n += segment.ids.count
            selected += n - segment.logitCount..<n
        }
        // A call after the first finds the rows selected already.
        if selected.count == N || n != N { return x }
        let y = empty(selected.count, C)
        for (i, row) in selected.enumerated() { y.elements[i * C..<(i + 1) * C].copy(from: x.elements[row * C..<(row + 1) * C]) }
        return y
    }

    private func empty(_ N: Int, _ C: Int) -> Tensor { Tensor(processor.buffer(of: N * C, .float32), Shape(N, 1, C)) }

    /// The angles of the first positions, at least `count`. Most sequences are far shorter than a long context.
    private func angles(_ positions: RotaryPositions, width D: Int, count: Int) -> Buffer {
        let positions = positions.ofSequences(upTo: context)
        if let angles = rotaryAngles[positions], angles.count >= count * D { return angles }
        var enough = 1_024
        while enough < count { enough *= 2 }
        let angles = processor.rotaryAngles(of: min(enough, model.configuration.context), width: D, positions)
        rotaryAngles[positions] = angles
        return angles
    }
}
