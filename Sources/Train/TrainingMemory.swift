package import Autograd
package import Kernels
package import Model

/// What a training will take, before it is begun: held against what was measured in Documentation/Reference/Training.md.
///
///     TrainingMemory(.bfloat16, rows: 12).bytes(for: .eugpt)   // 9.2e8
package struct TrainingMemory: Sendable {
    /// What products are computed in, and activations between them stored as.
    package var precision: DataType
    /// Rows of a batch, of which so many tokens are learned from together as a trainer takes.
    package var rows: Int
    package var microBatchTokens: Int
    /// Whether blocks are computed again on the way back.
    package var isRecomputing: Bool
    /// Where an adapter alone is learned: the weights that it changes have neither gradients nor moments.
    package var adaptation: LoRAConfiguration?
    /// Bytes that the examples take.
    package var examples = 0.0
    /// Tokens that are counted for a start from counts; 0 for none.
    package var nGramTokens = 0

    /// - Parameter microBatchTokens: nil for what a trainer takes.
    package init(
        _ precision: DataType, rows: Int, microBatchTokens: Int? = nil, isRecomputing: Bool = false,
        adapting adaptation: LoRAConfiguration? = nil
    ) {
        self.precision = precision
        self.rows = rows
        self.isRecomputing = isRecomputing
        self.adaptation = adaptation
        self.microBatchTokens = microBatchTokens ?? Trainer.defaultMicroBatchTokens(isAdapting: adaptation != nil)
    }

    /// The program itself, its libraries and its threads.
    private static let program = 40_000_000

    /// The bytes it takes, about. Double, so that nothing overflows, whatever is asked for.
    package func bytes(for c: GPTConfiguration) -> Double {
        let tokens =
            Double(Trainer.parts(rows: rows, length: c.context, microBatchTokens: microBatchTokens).map(\.count).max() ?? 1)
            * Double(c.context)
        let (L, C, V) = (Double(c.layers), Double(c.width), Double(c.vocabulary)), stored = precision == .bfloat16 ? 2.0 : 4.0
        // Of a block: two norms, question, key and value, answer, the wide layer before and after its function; the residual stream twice,
        // in f32.
        let block = tokens * C * (14 * stored + 8)
        let blocks = isRecomputing ? min(L, 1) * block + L * tokens * C * 4 : L * block
        // The scores of the head, in f32, and what products read of their derivative.
        let scores = min(tokens, 1_536) * V * (precision == .bfloat16 ? 6 : 4)
        let start = nGramTokens > 0 && NGramInitialization.isPossible(for: c) ? NGramInitialization.bytes(for: c, counting: nGramTokens) : 0
        return Double(Self.program) + examples + parameters(of: c) + max(blocks + scores, start)
    }

    /// Weights, and of those that are learned gradients and two moments.
    private func parameters(of configuration: GPTConfiguration) -> Double {
        guard let adaptation else { return 16 * Double(configuration.parameterCount) }
        var list = ParameterList(lora: adaptation)
        _ = GPT(configuration, in: &list)
        return 16 * Double(list.count) + 4 * Double(list.frozen.count)
    }

    /// Settings that would need no more than this, each with what it takes; the least loss first.
    package func advice(for c: GPTConfiguration, within bytes: Double) -> [(setting: String, bytes: Double)] {
        var result: [(String, Double)] = []
        var again = self
        again.isRecomputing = true
        if !isRecomputing { result.append(("--recompute", again.bytes(for: c))) }
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

extension GPTConfiguration {
    package var parameterCount: Int {
        let L = layers
        let C = width
        let V = vocabulary
        let bias = hasBias ? L * 9 * C : 0, norms = (2 * L + 1) * C * (norm == .layer && hasBias ? 2 : 1)
        return 12 * L * C * C + bias + norms + (isTied ? 1 : 2) * V * C + (positions == .learned ? context * C : 0)
    }
}
