package import Autograd
import Kernels

/// A GPT with the only implementation of its forward pass, for training (on a `Tape`) and for inference (on a `ModelRunner`).
///
///     var list = ParameterList()
///     let model = GPT(.eugpt, in: &list)
///     let tape = Tape(processor, parameters: Parameters(list, on: processor, seed: 1))
///     let loss = model.loss(of: inputs, predicting: targets, on: tape)
///
/// B rows · T positions · C channels · H heads of queries and K of keys and values, D channels each · F channels inside the MLP ·
/// V tokens of the vocabulary.
/// The right margin shows the shape of each line's result.
package struct GPT: Sendable {
    package let configuration: GPTConfiguration
    /// Whether the backward pass recomputes the blocks instead of storing their activations: more time, less memory.
    package var recomputesBlocks = false
    /// Whether learned positions count from the start of each conversation, as in an answer, or from the start of the row.
    package var restartsPositions = true
    /// In training, embeddings get uniform noise in ±α/√(T·C) (NEFTune, Jain et al. 2023).
    package var noiseAlpha: Float = 0
    private let tokens: Embedding                             // [V, C]
    private let positions: Embedding?                         // [context, C]; nil unless positions are learned
    private let blocks: [Block]
    private let norm: Norm
    /// The token embedding if the weights are tied, unless an adapter replaces one of them.
    private let head: Parameter                               // [V, C]
    private let headAdapter: LoRALayer?

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
        norm = Norm(configuration, named: "norm", in: &list)
        let initialization = Initialization.normal(deviation: 0.02), isReplaced = list.lora?.wholeLayers.contains("head") ?? false
        // With added tokens, the embedding's rows are those of the head, too.
        let tied = list.lora?.addedTokens == nil ? list.base(of: tokens.table) : tokens.table
        head = !configuration.isTied ? list.add("head.weight", [V, C], initialization)
            : isReplaced ? list.addTrainable("head.weight", [V, C], initialization) : tied
        headAdapter = list.addLoRA(to: head, in: "head")
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
        if configuration.experts != nil {
            let share = count.map { Float(targets.ids.count { $0 >= 0 }) / Float(max(1, $0)) } ?? 1
            tape.balanceScale = share / Float(configuration.layers)
        }
        let x = hiddenStates(of: ids, documentStarts: documentStarts, on: tape)                       // [B, T, C]
        // The [B, T, V] logits never exist as a whole.
        return tape.linearCrossEntropy(
            x, weight: head, adapter: headAdapter, softCap: logitCap, targets: targets, count: count)       // []
    }

    /// The cross-entropy of each target, 0 where it is negative, with gradients.   ids, targets [B, T]
    ///
    /// See ``Tape/linearTargetLosses(_:weight:targets:)``.
    package func targetLosses(of ids: Tensor, predicting targets: Tensor, documentStarts: Tensor? = nil, on tape: Tape) -> Tensor {
        tape.balanceScale = 0
        let x = hiddenStates(of: ids, documentStarts: documentStarts, on: tape)                       // [B, T, C]
        return tape.linearTargetLosses(
            x, weight: head, adapter: headAdapter, softCap: logitCap, targets: targets)               // [B, T]
    }

    /// The cross-entropy of each target that counts, in order, without gradients, for each of several targets of the same positions.
    /// ids, targets [B, T]
    package func tokenLosses(
        of ids: Tensor, predicting targets: [Tensor], documentStarts: Tensor? = nil, on tape: Tape
    ) -> [TokenLosses] {
        tape.withoutRecording {
            let x = hiddenStates(of: ids, documentStarts: documentStarts, on: tape)                   // [B, T, C]
            return targets.map { tape.linearTokenLosses(x, weight: head, adapter: headAdapter, softCap: logitCap, targets: $0) }
        }
    }

    /// The logits of the next token at every position; in inference only at those that are needed, as [R, 1, V]
    /// (``Executor/rowsNeedingLogits(_:)``).   ids [B, T]
    package func logits(of ids: Tensor, documentStarts: Tensor? = nil, on executor: some Executor) -> Tensor {
        let x = hiddenStates(of: ids, documentStarts: documentStarts, on: executor)                   // [B, T, C]
        let change = headAdapter.map { $0(x, on: executor) }                                          // [B, T, V]
        var logits = executor.linear(x, weight: head, bias: nil, then: .identity, plus: nil)          // [B, T, V]
        if let change { logits = executor.add(logits, change) }                                       // [B, T, V]
        return logitCap.map { executor.softCap(logits, at: $0) } ?? logits                            // [B, T, V]
    }

    /// The token embedding, which is also the head if the weights are tied.
    package var embedding: Parameter { tokens.table }

    private var logitCap: Float? { configuration.logitCap }

    /// The final hidden states: embedding, blocks, norm, the scale of the logits.   ids [B, T]
    package func hiddenStates(of ids: Tensor, documentStarts: Tensor? = nil, on executor: some Executor) -> Tensor {
        require(
            ids.shape.rank == 2 && ids.shape[1] <= configuration.context,
            "expected ids [B, T] with T of at most \(configuration.context) (the context), found \(ids.shape)"
        )
        // Rotary positions are relative, so they need no restart.
        let starts = restartsPositions ? documentStarts : nil
        var x = tokens(ids, plus: positions, documentStarts: starts, on: executor)                    // [B, T, C]
        if configuration.embeddingScale != 1 { x = executor.scale(x, by: configuration.embeddingScale) }
        if noiseAlpha > 0 { x = executor.addNoise(x, limit: noiseAlpha / Float(ids.shape[1] * configuration.width).squareRoot()) }
        x = executor.dropout(x, configuration.dropout)                                                // [B, T, C]
        for block in blocks {
            let forward = { (x: Tensor) in block(x, documentStarts: documentStarts, on: executor) }
            x = recomputesBlocks ? executor.recompute(x, forward) : forward(x)                        // [B, T, C]
        }
        x = norm(executor.rowsNeedingLogits(x), on: executor)                                         // [B, T, C]
        return configuration.logitScale == 1 ? x : executor.scale(x, by: configuration.logitScale)    // [B, T, C]
    }
}

extension Norm {
    init(_ configuration: GPTConfiguration, named name: String, in list: inout ParameterList) {
        self.init(
            configuration.norm, of: configuration.width, bias: configuration.hasBias || configuration.hasNormBias,
            epsilon: configuration.normEpsilon, named: name, in: &list
        )
    }
}
