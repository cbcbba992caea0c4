package import Kernels

/// Runs the operations of a model's forward pass.
///
/// A ``Tape`` runs them for training. `ModelRunner` (in `Infer`) runs them with a KV cache and packed weights. Weights are passed as
/// parameters and not as tensors because each executor stores them in its own way.
///
///     func callAsFunction(_ x: Tensor, on executor: some Executor) -> Tensor { executor.norm(x, by: norm) }
package protocol Executor: AnyObject {
    /// table[ids] (+ positions[t] at position t).   ids [B, T]; y [B, T, C]
    ///
    /// - Parameter documentStarts: Positions count from these; nil if they count from the start of the row.   [B, T]
    func embed(_ ids: Tensor, in table: Embedding, plus positions: Embedding?, documentStarts: Tensor?) -> Tensor
    func norm(_ x: Tensor, by norm: Norm) -> Tensor
    /// f(x·Wᵀ + b) + plus
    func linear(_ x: Tensor, weight: Parameter, bias: Parameter?, then f: UnaryFunction, plus: Tensor?) -> Tensor
    /// Applies rotary position embeddings to queries and keys: see ``Tape/applyRotaryEmbedding(_:_:by:)``.   qkv [B, T, (H + 2·K)·D]
    func applyRotaryEmbedding(_ qkv: Tensor, _ heads: AttentionHeads, _ positions: RotaryPositions) -> Tensor
    /// Normalizes the queries and keys of each head to RMS 1 (QK-norm), and multiplies them by weights [2, D] if there are any.
    /// qkv [B, T, (H + 2·K)·D]
    func applyQKNorm(_ qkv: Tensor, _ heads: AttentionHeads, weight: Parameter?, epsilon: Float) -> Tensor
    /// Multi-head attention of each position to itself and the positions before it.   qkv [B, T, (H + 2·K)·D]; y [B, T, H·D]
    ///
    /// - Parameters:
    ///   - layer: The index of the layer, from 0.
    ///   - sinks: [H], for each head a score that takes its share of the softmax and has no value.
    func causalAttention(_ qkv: Tensor, _ heads: AttentionHeads, layer: Int, sinks: Parameter?, documentStarts: Tensor?) -> Tensor
    /// f(first half of x)·(second half of x): see ``Tape/gatedActivation(_:by:)``.   x [B, T, 2F]; y [B, T, F]
    func gatedActivation(_ x: Tensor, by f: UnaryFunction) -> Tensor
    /// Chooses the experts of each row.   scores [B, T, E]
    func route(_ scores: Tensor, to experts: Experts) -> Routing
    /// The rows of x [B, T, C] that an expert processes.   y [M, C]
    func rows(of group: Routing.Group, in x: Tensor) -> Tensor
    /// For each row, the sum of its experts' outputs, multiplied by their weights.   outputs [M, C] of each group; y has the `shape`
    func weightedSum(of outputs: [Tensor], by routing: Routing, _ shape: Shape) -> Tensor
    func add(_ a: Tensor, _ b: Tensor) -> Tensor
    /// x multiplied by a factor for each row.   x [.., C], factors [.., 1]
    func multiply(_ x: Tensor, _ factors: Tensor) -> Tensor
    /// m/‖V‖·u + b, channel by channel, for a layer with DoRA.   u [.., O], b [O]
    func scaleChannels(_ u: Tensor, of layer: LoRALayer, bias: Parameter?) -> Tensor
    func scale(_ x: Tensor, by factor: Float) -> Tensor
    func apply(_ f: UnaryFunction, to x: Tensor) -> Tensor
    /// cap·tanh(x/cap)
    func softCap(_ x: Tensor, at cap: Float) -> Tensor
    /// Applies dropout during training.
    func dropout(_ x: Tensor, _ p: Float) -> Tensor
    /// Adds uniform noise in ±limit during training.
    func addNoise(_ x: Tensor, limit: Float) -> Tensor
    /// Runs `body(x)`. A tape stores only x and runs `body` again in the backward pass.
    func recompute(_ x: Tensor, _ body: @escaping (Tensor) -> Tensor) -> Tensor
    /// Runs the last layer of the `body` of ``recompute(_:_:)``, whose result a tape does not need again.
    func blockResult(_ layer: () -> Tensor) -> Tensor
    /// The rows of x [B, T, C] whose logits the caller needs. Returns x unchanged if the rows were selected already.
    func rowsNeedingLogits(_ x: Tensor) -> Tensor
}

extension Tape: Executor {
    package func embed(_ ids: Tensor, in table: Embedding, plus positions: Embedding?, documentStarts: Tensor?) -> Tensor {
        let positions = positions.map { value(of: $0.table) }
        guard let quantized = parameters?.quantized(table.table) else {
            return embed(ids, in: value(of: table.table), plus: positions, documentStarts: documentStarts)
        }
        // A small table of the rows that are needed, one for each id.
        let rows = empty([ids.shape.count, quantized.inputs])
        processor.embed(ids.elements, in: quantized, into: rows.elements)
        let indices = self.ids((0..<Int32(ids.shape.count)).map { $0 }, ids.shape)
        return embed(indices, in: rows, plus: positions, documentStarts: documentStarts)
    }

    package func norm(_ x: Tensor, by norm: Norm) -> Tensor {
        switch norm.kind {
        case .layer: layerNorm(x, scale: value(of: norm.weight), shift: norm.bias.map(value), epsilon: norm.epsilon)
        case .rms: rmsNorm(x, scale: value(of: norm.weight), epsilon: norm.epsilon)
        }
    }

    package func linear(_ x: Tensor, weight: Parameter, bias: Parameter?, then f: UnaryFunction, plus: Tensor?) -> Tensor {
        if let quantized = parameters?.quantized(weight) {
            return linear(x, frozen: quantized, bias: bias.map(value), then: f, plus: plus)
        }
        return linear(x, weight: value(of: weight), bias: bias.map(value), then: f, plus: plus)
    }

    package func applyRotaryEmbedding(_ qkv: Tensor, _ heads: AttentionHeads, _ positions: RotaryPositions) -> Tensor {
        applyRotaryEmbedding(qkv, heads, by: cachedRotaryAngles(of: qkv.shape[1], width: heads.width, positions))
    }

    package func applyQKNorm(_ qkv: Tensor, _ heads: AttentionHeads, weight: Parameter?, epsilon: Float) -> Tensor {
        applyQKNorm(qkv, heads, scale: weight.map(value), epsilon: epsilon)
    }

    package func causalAttention(
        _ qkv: Tensor, _ heads: AttentionHeads, layer: Int, sinks: Parameter?, documentStarts: Tensor?
    ) -> Tensor {
        causalAttention(qkv, heads, documentStarts: documentStarts, sinks: sinks.map(value))
    }

    package func rowsNeedingLogits(_ x: Tensor) -> Tensor {
        let (N, C) = x.shape.rows
        if !needsOnlyLastLogits || N == 1 { return x }
        require(!isRecording && x.shape[0] == 1, "the logits of one sequence's last position are for answers, not for training")
        return Tensor(x.elements[(N - 1) * C..<N * C], Shape(1, 1, C))
    }
}
