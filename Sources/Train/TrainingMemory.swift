package import Autograd
package import Kernels
package import Model

/// An estimate of the memory that a training run needs. Documentation/Reference/Training.md compares it with measurements.
///
///     TrainingMemory(.bfloat16, rows: 12).bytes(for: .eugpt)   // 9.2e8
package struct TrainingMemory: Sendable {
    /// The type of matmuls and stored activations.
    package var precision: DataType
    /// Rows per batch.
    package var rows: Int
    package var microBatchTokens: Int
    /// Whether the backward pass recomputes the blocks.
    package var recomputesBlocks: Bool
    /// The LoRA configuration, if only an adapter is trained: frozen weights have neither gradients nor moments.
    package var lora: LoRAConfiguration?
    /// How the frozen weights of an adapter's base are kept.
    package var frozenPrecision = WeightPrecision.float32
    /// What a weight of the base takes in its file, if it is kept as it is; nil for what `frozenPrecision` takes.
    package var storedBytesPerWeight: Double?
    /// The memory of the token files.
    package var dataBytes = 0.0
    /// The number of tokens that the n-gram initialization counts; 0 for none.
    package var nGramTokens = 0

    /// - Parameter microBatchTokens: The trainer's default if nil.
    package init(
        _ precision: DataType, rows: Int, microBatchTokens: Int? = nil, recomputesBlocks: Bool = false, lora: LoRAConfiguration? = nil
    ) {
        self.precision = precision
        self.rows = rows
        self.recomputesBlocks = recomputesBlocks
        self.lora = lora
        self.microBatchTokens = microBatchTokens ?? Trainer.defaultMicroBatchTokens(usesLoRA: lora != nil)
    }

    /// The program itself, its libraries and its threads.
    private static let program = 40_000_000

    /// The estimate in bytes. A Double, so that absurd configurations do not overflow.
    package func bytes(for c: GPTConfiguration) -> Double {
        let microBatches = Trainer.microBatches(rows: rows, length: c.context, microBatchTokens: microBatchTokens)
        let tokens = Double(microBatches.map(\.count).max() ?? 1) * Double(c.context)
        let (L, C, V) = (Double(c.layers), Double(c.width), Double(c.vocabulary))
        let stored = precision == .bfloat16 ? 2.0 : 4.0
        // A block keeps two norms, queries, keys and values, attention, the MLP before and after its activation; and in f32 the residual
        // stream, twice.
        let heads = c.attentionHeads(of: 0), F = Double(c.hiddenWidth)
        let qkv = Double(heads.rowWidth + heads.queryWidth) + (c.positions == .rotary ? Double(heads.rowWidth) : 0)
        // An expert keeps its inputs and outputs, too.
        let experts = c.experts.map {
            Double($0.active) * ((c.isGated ? 3 : 2) * F + 2 * C) + ($0.shared.map { (c.isGated ? 3 : 2) * Double($0.width) + 2 * C } ?? 0)
        }
        let mlp = (experts ?? (c.isGated ? 3 : 2) * F) + (c.hasPostNorms ? 4 : 2) * C
        let block = tokens * ((qkv + mlp) * stored + 8 * C)
        let blocks = recomputesBlocks ? min(L, 1) * block + L * tokens * C * 4 : L * block
        // The logits in f32, and the copy of their gradient that the matmuls read. In f32 the gradient takes the place of the logits,
        // unless the derivative of their soft cap needs both.
        let logitRows = recomputesBlocks && lora == nil ? Tape.fewLogitRows(of: c.vocabulary) : Tape.logitRows(of: c.vocabulary)
        let logits = min(tokens, Double(logitRows)) * V * (precision == .bfloat16 ? 6 : c.logitCap == nil ? 4 : 8)
        let hasNGrams = nGramTokens > 0 && NGramInitialization.isPossible(for: c)
        let initialization = hasNGrams ? NGramInitialization.bytes(for: c, counting: nGramTokens) : 0
        // Sample answers pack the weights, and have keys and values of a row.
        let samples = packedBytes(of: c) + 2 * L * Double(c.context * c.keyValueHeads * c.headWidth) * stored
        return Double(Self.program) + dataBytes + parameters(of: c) + max(blocks + logits, initialization, samples)
    }

    /// The bytes of all weights, and of the gradients and two moments of the trainable ones.
    private func parameters(of configuration: GPTConfiguration) -> Double {
        guard let lora else { return 16 * Double(configuration.parameterCount) }
        var list = ParameterList(lora: lora)
        _ = GPT(configuration, in: &list)
        return 16 * Double(list.count) + frozenBytesPerWeight * Double(list.frozen.count)
    }

    /// The weights as sample answers read them.
    private func packedBytes(of configuration: GPTConfiguration) -> Double {
        let bytes = lora != nil ? frozenBytesPerWeight : Self.bytesPerWeight(precision == .bfloat16 ? .bfloat16 : .float32)
        return bytes * Double(configuration.parameterCount)
    }

    private var frozenBytesPerWeight: Double { storedBytesPerWeight ?? Self.bytesPerWeight(frozenPrecision) }

    /// int8 has an f32 scale for every 64 weights; int6 and int4 of slm's own files have two bytes for every 32.
    private static func bytesPerWeight(_ precision: WeightPrecision) -> Double {
        switch precision {
        case .int4: 0.5625
        case .int6: 0.8125
        case .int8: 1.0625
        case .bfloat16: 2
        case .float32: 4
        }
    }

    /// Settings that need at most `bytes`, with the memory of each; the one that changes the model least first.
    package func advice(for c: GPTConfiguration, within bytes: Double) -> [(setting: String, bytes: Double)] {
        var result: [(String, Double)] = []
        var recomputing = self
        recomputing.recomputesBlocks = true
        if !recomputesBlocks { result.append(("--recompute", recomputing.bytes(for: c))) }
        var context = c.context / 2
        while context >= 64 {
            var smaller = c
            smaller.context = context
            if self.bytes(for: smaller) <= bytes {
                result.append(("--context \(context)", self.bytes(for: smaller)))
                break
            }
            context /= 2
        }
        for (name, preset) in GPTConfiguration.presets.reversed() where preset.parameterCount < c.parameterCount {
            var smaller = preset
            smaller.vocabulary = min(c.vocabulary, preset.vocabulary)
            result.append(("--preset \(name)", self.bytes(for: smaller)))
        }
        return result.filter { $0.1 <= bytes }
    }
}
