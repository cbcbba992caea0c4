package import Autograd
import Kernels

/// A GPT with the only implementation of its forward pass, for training (on a `Tape`) and for inference (on a `ModelRunner`).
///
///     var list = ParameterList()
///     let model = GPT(.eugpt, in: &list)
///     let tape = Tape(processor, parameters: Parameters(list, on: processor, seed: 1))
///     let loss = model.loss(of: inputs, predicting: targets, on: tape)
///
/// B rows · T positions · C channels · H heads of D = C / H channels · V tokens of the vocabulary.
/// The right margin shows the shape of each line's result.
package struct GPT: Sendable {
    package let configuration: GPTConfiguration
    /// Whether the backward pass recomputes the blocks instead of storing their activations: more time, less memory.
    package var recomputesBlocks = false
    /// Whether learned positions count from the start of each conversation, as in an answer, or from the start of the row.
    package var restartsPositions = true
    private let tokens: Embedding                             // [V, C]
    private let positions: Embedding?                         // [context, C]; nil unless positions are learned
    private let blocks: [Block]
    private let norm: Norm
    private let head: Parameter                               // [V, C]; the token embedding if the weights are tied

    /// Adds the model's parameters to `list`.
    package init(_ configuration: GPTConfiguration, in list: inout ParameterList) {
        let C = configuration.width
        let V = configuration.vocabulary
        require(
            configuration.positions != .rotary || configuration.headWidth % 2 == 0,
            "rotary positions need an even number of channels per head, found \(configuration.headWidth)"
        )
        self.configuration = configuration
        tokens = Embedding(of: V, to: C, named: "tokens", in: &list)
        positions = configuration.positions == .learned
            ? Embedding(of: configuration.context, to: C, named: "positions", in: &list) : nil
        blocks = (0..<configuration.layers).map { Block(configuration, layer: $0, in: &list) }
        norm = Norm(configuration.norm, of: C, bias: configuration.hasBias, named: "norm", in: &list)
        head = configuration.isTied ? tokens.table : list.add("head.weight", [V, C], .normal(deviation: 0.02))
    }

    /// The mean cross-entropy over the targets that count. Negative targets are ignored.   ids, targets [B, T]
    ///
    /// - Parameters:
    ///   - count: The divisor of the sum when this is only part of a larger batch; by default the number of targets that count.
    ///   - documentStarts: For each position, the first position of its conversation, beyond which attention does not reach and from which
    ///     positions count. nil if each row is one conversation.   [B, T]
    package func loss(
        of ids: Tensor, predicting targets: Tensor, count: Int? = nil, documentStarts: Tensor? = nil, on tape: Tape
    ) -> Tensor {
        let x = hiddenStates(of: ids, documentStarts: documentStarts, on: tape)                       // [B, T, C]
        // The [B, T, V] logits never exist as a whole.
        return tape.linearCrossEntropy(x, weight: tape.value(of: head), targets: targets, count: count)  // []
    }

    /// The cross-entropy of each target that counts, in order, without gradients.   ids, targets [B, T]
    package func tokenLosses(of ids: Tensor, predicting targets: Tensor, documentStarts: Tensor? = nil, on tape: Tape) -> TokenLosses {
        tokenLosses(of: ids, predicting: [targets], documentStarts: documentStarts, on: tape)[0]
    }

    /// The same for several targets of the same positions, in one forward pass.
    package func tokenLosses(
        of ids: Tensor, predicting targets: [Tensor], documentStarts: Tensor? = nil, on tape: Tape
    ) -> [TokenLosses] {
        tape.withoutRecording {
            let x = hiddenStates(of: ids, documentStarts: documentStarts, on: tape)                   // [B, T, C]
            return targets.map { tape.linearTokenLosses(x, weight: tape.value(of: head), targets: $0) }
        }
    }

    /// The logits of the next token at every position.   ids [B, T]
    package func logits(of ids: Tensor, documentStarts: Tensor? = nil, on executor: some Executor) -> Tensor {
        let x = hiddenStates(of: ids, documentStarts: documentStarts, on: executor)                   // [B, T, C]
        return executor.linear(x, weight: head, bias: nil, then: .identity, plus: nil)                // [B, T, V]
    }

    /// The final hidden states: embedding, blocks, norm.
    private func hiddenStates(of ids: Tensor, documentStarts: Tensor?, on executor: some Executor) -> Tensor {
        require(
            ids.shape.rank == 2 && ids.shape[1] <= configuration.context,
            "expected ids [B, T] with T of at most \(configuration.context) (the context), found \(ids.shape)"
        )
        // Rotary positions are relative, so they need no restart.
        let starts = restartsPositions ? documentStarts : nil
        var x = tokens(ids, plus: positions, documentStarts: starts, on: executor)                    // [B, T, C]
        x = executor.dropout(x, configuration.dropout)                                                // [B, T, C]
        for block in blocks {
            let forward = { (x: Tensor) in block(x, documentStarts: documentStarts, on: executor) }
            x = recomputesBlocks ? executor.recompute(x, forward) : forward(x)                        // [B, T, C]
        }
        return norm(executor.rowsNeedingLogits(x), on: executor)                                      // [B, T, C]
    }
}

/// A transformer block: attention, then an MLP, each with a norm before it and a residual connection around it.
private struct Block: Sendable {
    let layer, heads: Int
    let isLast: Bool
    let dropout: Float
    let activation: UnaryFunction
    let hasRotaryPositions, hasQKNorm: Bool
    let norm1, norm2: Norm
    let qkv, output: Linear                                   // C → 3C (queries, keys, values),  C → C
    let up, down: Linear                                      // C → 4C,  4C → C

    init(_ configuration: GPTConfiguration, layer: Int, in list: inout ParameterList) {
        let C = configuration.width
        let bias = configuration.hasBias
        let name = "layer\(layer)"
        self.layer = layer
        heads = configuration.heads
        isLast = layer == configuration.layers - 1
        dropout = configuration.dropout
        activation = configuration.activation
        hasRotaryPositions = configuration.positions == .rotary
        hasQKNorm = configuration.hasQKNorm
        // Radford et al. 2019: the more layers add to the residual stream, the smaller their initial weights.
        let residual = Initialization.normal(deviation: 0.02 / Float(2 * configuration.layers).squareRoot())
        norm1 = Norm(configuration.norm, of: C, bias: bias, named: "\(name).norm1", in: &list)
        qkv = Linear(from: C, to: 3 * C, bias: bias, named: "\(name).qkv", in: &list, weight: .normal(deviation: 0.02))
        output = Linear(from: C, to: C, bias: bias, named: "\(name).output", in: &list, weight: residual)
        norm2 = Norm(configuration.norm, of: C, bias: bias, named: "\(name).norm2", in: &list)
        up = Linear(from: C, to: 4 * C, bias: bias, named: "\(name).up", in: &list, weight: .normal(deviation: 0.02))
        down = Linear(from: 4 * C, to: C, bias: bias, named: "\(name).down", in: &list, weight: residual)
    }

    func callAsFunction(_ x: Tensor, documentStarts: Tensor?, on executor: some Executor) -> Tensor {
        var x = x                                                                                     // [B, T, C]
        var qkv = self.qkv(norm1(x, on: executor), on: executor)                                      // [B, T, 3C]
        if hasRotaryPositions { qkv = executor.applyRotaryEmbedding(qkv, heads: heads) }              // [B, T, 3C]
        if hasQKNorm { qkv = executor.applyQKNorm(qkv, heads: heads) }                                // [B, T, 3C]
        var attended = executor.causalAttention(                                                      // [B, T, C]
            qkv, heads: heads, layer: layer, documentStarts: documentStarts
        )
        if isLast {
            // After the last attention no position reads another one: inference continues with the rows whose logits it needs.
            attended = executor.rowsNeedingLogits(attended)
            x = executor.rowsNeedingLogits(x)
        }
        x = add(output, of: attended, to: x, on: executor)                                            // [B, T, C]
        let hidden = up(norm2(x, on: executor), on: executor, then: activation)                       // [B, T, 4C]
        return add(down, of: hidden, to: x, on: executor)                                             // [B, T, C]
    }

    /// x + dropout(layer(y)), fused into one pass over memory if there is no dropout.
    private func add(_ layer: Linear, of y: Tensor, to x: Tensor, on executor: some Executor) -> Tensor {
        dropout == 0 ? layer(y, on: executor, plus: x) : executor.add(x, executor.dropout(layer(y, on: executor), dropout))
    }
}
