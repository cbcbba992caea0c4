import Autograd
import Checkpoint
import Kernels

/// The LoRA adapters of a `ModelRunner`, which share the weights of its model. Each row of a batch has the model alone, or one adapter.
struct AdapterWeights {
    /// For each adapter, its matrices by the name of the weight that they change.
    private let matrices: [[String: PackedLowRank]]
    /// For each adapter, its change of the embedding; nil if there is none.
    private let embeddings: [LowRankEmbedding?]
    private let adaptedNames: Set<String>
    /// The adapters' rows of the current batch: all rows, and those that need logits.
    private var rows: [AdapterRows] = []
    private var logitRows: [AdapterRows] = []
    private var rowCount = 0

    /// Consecutive rows with the same adapter.
    private struct AdapterRows {
        let adapter: Int
        var rows: Range<Int>
    }

    /// What an adapter adds to rows of an embedding: scale·table[id]·Aᵀ.
    private struct LowRankEmbedding {
        let table: PackedWeights                           // [V, R]
        let matrix: PackedWeights                          // [C, R]
        let scale: Float
    }

    /// - Parameter precision: The model's. The adapters' matrices are small and sensitive: they are not quantized.
    init(_ adapters: [[LoRAUpdate]], on processor: Processor, precision: WeightPrecision) {
        let precision = precision == .float32 ? WeightPrecision.float32 : .bfloat16
        func pack(_ matrix: FloatArray) -> PackedWeights {
            processor.pack(matrix.values, outputs: matrix.shape[0], inputs: matrix.shape[1], as: precision)
        }
        matrices = adapters.map { updates in
            let linear = updates.filter { !$0.isEmbedding }
            return Dictionary(linear.map { ($0.weight, PackedLowRank(a: pack($0.a), b: pack($0.b), scale: $0.scale)) }) { $1 }
        }
        embeddings = adapters.map { updates in
            updates.first(where: \.isEmbedding).map { update in
                let (V, R) = (update.b.shape[0], update.b.shape[1])
                let table = processor.unpacked(update.b.values, outputs: V, inputs: R, as: precision)
                return LowRankEmbedding(table: table ?? pack(update.b), matrix: pack(update.a), scale: update.scale)
            }
        }
        adaptedNames = Set(matrices.flatMap(\.keys))
    }

    var count: Int { matrices.count }
    var byteCount: Int {
        let embeddings = embeddings.reduce(0) { $0 + ($1.map { $0.table.byteCount + $0.matrix.byteCount } ?? 0) }
        return matrices.reduce(embeddings) { sum, layers in layers.values.reduce(sum) { $0 + $1.byteCount } }
    }

    /// Begins a step with the adapters of a batch.
    mutating func beginStep(_ batch: [ModelRunner.Segment]) {
        rows = []
        logitRows = []
        rowCount = 0
        if count == 0 { return }
        var logitCount = 0
        for segment in batch {
            let N = segment.ids.count, logits = segment.logitCount
            if let adapter = segment.adapter {
                require(adapter < count, "a batch with adapter \(adapter) of \(count)")
                Self.add(rowCount..<rowCount + N, of: adapter, to: &rows)
                Self.add(logitCount..<logitCount + logits, of: adapter, to: &logitRows)
            }
            rowCount += N
            logitCount += logits
        }
    }

    /// Sequences with the same adapter are neighbors in a batch, and one product covers them.
    private static func add(_ range: Range<Int>, of adapter: Int, to rows: inout [AdapterRows]) {
        if range.isEmpty { return }
        if let last = rows.last, last.adapter == adapter, last.rows.upperBound == range.lowerBound {
            rows[rows.count - 1].rows = last.rows.lowerBound..<range.upperBound
        } else {
            rows.append(AdapterRows(adapter: adapter, rows: range))
        }
    }

    /// Adds the changes of the embedding to the rows of a batch.   ids [N]; y [N, C]
    func addEmbeddings(of ids: Buffer, into y: Buffer, on processor: Processor) {
        for part in rows {
            guard let embedding = embeddings[part.adapter] else { continue }
            let (N, R, C) = (part.rows.count, embedding.table.inputs, embedding.matrix.outputs)
            var low = processor.buffer(of: N * R, .float32)
            processor.embed(ids[part.rows], in: embedding.table, plus: nil, into: low)
            if embedding.scale != 1 {
                let scaled = processor.buffer(of: N * R, .float32)
                processor.copy(low, into: scaled, scale: embedding.scale)
                low = scaled
            }
            let target = y[part.rows.lowerBound * C..<part.rows.upperBound * C]
            processor.packedMatmul(low, rows: N, by: embedding.matrix, plus: target, into: target)
        }
    }

    /// Whether some adapter changes a weight. The output of such a layer gets its activation function in a pass of its own, for all rows of
    /// all batches, so that the bits of a row do not depend on the others.
    func adapt(_ weight: Parameter) -> Bool { adaptedNames.contains(weight.name) }

    /// The products to add to the output of a layer.
    ///
    /// - Parameter N: The number of rows: all of the batch, or those that need logits.
    func updates(of weight: Parameter, rows N: Int) -> [LowRankUpdate] {
        (N == rowCount ? rows : logitRows).compactMap { part in
            matrices[part.adapter][weight.name].map { LowRankUpdate(part.rows, $0) }
        }
    }
}
