package import Autograd
package import Kernels

/// The hyperparameters of a decoder-only transformer: a GPT-2, a Llama, a Qwen, a Gemma and others differ in nothing else.
///
///     var configuration = GPTConfiguration.eugpt
///     configuration.context = 512
package struct GPTConfiguration: Sendable, Equatable {
    /// How the model encodes positions.
    package enum Positions: String, Sendable, CaseIterable {
        /// A trained vector for each position of the context is added to the token embedding, as in GPT-2.
        case learned
        /// Rotary position embeddings (RoPE) on queries and keys: see ``rotary``.
        case rotary
        /// No position encoding. Only the causal mask distinguishes positions.
        case none
    }

    /// What queries and keys are normalized by before attention (QK-norm).
    package enum QKNorm: Int, Sendable, CaseIterable {
        case none
        /// Each head to RMS 1, after rotary positions.
        case unit
        /// Each head to RMS 1, then multiplied by trained weights, before rotary positions, as in Qwen3 and Gemma 3.
        case scaled
        /// All queries together to RMS 1, and all keys, then multiplied by trained weights, before rotary positions, as in OLMo 2.
        case wholeRows
    }

    /// What the attention of a layer sees.
    package enum LayerAttention: String, Sendable, CaseIterable {
        /// All positions up to its own.
        case full
        /// The last ``slidingWindow`` positions, with the rotary positions ``slidingRotary``.
        case sliding
        /// All positions up to its own, without rotary positions (NoPE).
        case positionless
    }

    /// 0 makes a bigram model: see ``bigram``.
    package var layers: Int
    /// Heads of queries.
    package var heads: Int
    /// Heads of keys, and of values: `heads`, or a divisor of it (grouped-query attention).
    package var keyValueHeads: Int
    /// Channels of a head.
    package var headWidth: Int
    /// Channels of the residual stream.
    package var width: Int
    /// The maximum number of tokens that the model sees at once.
    package var context: Int
    package var vocabulary: Int
    /// Channels inside the MLP, or inside each expert, F.
    package var hiddenWidth: Int
    /// The experts of each layer; nil for one MLP.
    package var experts: Experts?
    /// The experts of all layers that files may contain. Each has parameters of its own.
    package static let mostExperts = 65_536
    /// Whether the MLP multiplies f(gates) by values (SwiGLU, GeGLU) instead of computing f alone.
    package var isGated = false
    package var dropout: Float = 0
    /// Whether linear layers and layer norms have a bias.
    package var hasBias = true
    /// Whether queries, keys and values have a bias even if other layers have none, as in Qwen2.
    package var hasQKVBias = false
    /// Whether layer norms have a bias even if linear layers have none, as in StableLM.
    package var hasNormBias = false
    /// Whether the head shares its weight with the token embedding.
    package var isTied = false
    package var norm = Norm.Kind.layer
    package var normEpsilon: Float = 1e-5
    /// Whether the inputs of attention and MLP are normalized. Only OLMo 2's are not.
    package var hasPreNorms = true
    /// Whether the results of attention and MLP are normalized, too, before they are added to the residual stream, as in Gemma 3.
    package var hasPostNorms = false
    /// The factor of the results of attention and MLP, as in Granite.
    package var residualScale: Float = 1
    /// Whether attention and MLP read the same residual stream, as in GPT-NeoX, instead of one after the other.
    package var isParallel = false
    package var activation = UnaryFunction.gelu
    package var positions = Positions.learned
    package var rotary = RotaryPositions()
    package var qkNorm = QKNorm.none
    /// The factor of attention scores; nil: 1/√D.
    package var attentionScale: Float?
    /// Soft-caps attention scores, as in Gemma 2: see ``AttentionHeads/scoreCap``.
    package var scoreCap: Float?
    /// Whether each head has a score without a key that takes its share of the attention (attention sinks), as in gpt-oss.
    package var hasAttentionSinks = false
    /// The factor of the logits, as in Granite.
    package var logitScale: Float = 1
    /// Soft-caps the logits: cap·tanh(logit/cap).
    package var logitCap: Float?
    /// The caps of scores and logits that files may contain.
    package static let possibleCaps = 1e-3...1e6
    /// The attention of each layer; repeated if there are more layers.
    package var layerAttention = [LayerAttention.full]
    package var slidingWindow = 4_096
    /// The rotary positions of sliding layers; nil: those of all layers.
    package var slidingRotary: RotaryPositions?
    /// The factor of token embeddings.
    package var embeddingScale: Float = 1

    /// - Parameter headWidth: Channels of a head; by default width / heads.
    package init(layers: Int, heads: Int, width: Int, headWidth: Int? = nil, context: Int, vocabulary: Int) {
        require(
            layers >= 0 && heads > 0 && context > 0 && vocabulary > 0,
            "a GPT of \(layers) layers, \(heads) heads, context \(context), vocabulary \(vocabulary)"
        )
        require(width > 0 && (headWidth ?? 0 > 0 || width % heads == 0), "expected a width divisible by \(heads) heads, found \(width)")
        self.layers = layers
        self.heads = heads
        keyValueHeads = heads
        self.headWidth = headWidth ?? width / heads
        hiddenWidth = 4 * width
        self.width = width
        self.context = context
        self.vocabulary = vocabulary
    }

    package func attention(of layer: Int) -> LayerAttention { layerAttention[layer % layerAttention.count] }

    /// How a layer divides queries, keys and values into heads, and what it sees.
    package func attentionHeads(of layer: Int) -> AttentionHeads {
        let window = attention(of: layer) == .sliding ? slidingWindow : nil
        return AttentionHeads(heads, keys: keyValueHeads, width: headWidth, scale: attentionScale, scoreCap: scoreCap, window: window)
    }

    /// The rotary positions of a layer; nil if it has none.
    package func rotaryPositions(of layer: Int) -> RotaryPositions? {
        guard positions == .rotary else { return nil }
        switch attention(of: layer) {
        case .full: return rotary
        case .sliding: return slidingRotary ?? rotary
        case .positionless: return nil
        }
    }

    /// The context unless another one is asked for. LongRoPE computes short sequences less exactly where longer ones are possible.
    package var defaultContext: Int {
        guard positions == .rotary, case .long(let factors) = rotary.scaling else { return context }
        return min(context, factors.context)
    }

    /// The heads whose queries and keys are normalized together, and have weights of their own.
    package var normalizedHeads: AttentionHeads {
        let heads = attentionHeads(of: 0)
        return qkNorm == .wholeRows ? AttentionHeads(1, keys: 1, width: heads.queryWidth) : heads
    }

    /// The number of weights.
    package var parameterCount: Int { parameterCount(experts: experts?.count ?? 1) }

    /// The number of weights that a token is multiplied with.
    package var activeParameterCount: Int { parameterCount(experts: experts?.active ?? 1) }

    private func parameterCount(experts count: Int) -> Int {
        let (L, C, V, F) = (layers, width, vocabulary, hiddenWidth)
        let heads = attentionHeads(of: 0), up = isGated ? 2 * F : F
        let shared = experts?.shared, S = shared?.width ?? 0, sharedUp = isGated ? 2 * S : S
        let routers = (experts?.count ?? 0) + (shared?.hasGate == true ? 1 : 0)
        let matrices = L * C * (heads.rowWidth + heads.queryWidth + count * (up + F) + sharedUp + S + routers)
        let allBiases = heads.rowWidth + C + count * (up + C) + (experts?.count ?? 0) + (shared == nil ? 0 : sharedUp + C)
        let bias = hasBias ? L * allBiases : hasQKVBias ? L * heads.rowWidth : 0
        let sinks = hasAttentionSinks ? L * self.heads : 0
        let norms = ((hasPreNorms ? 2 : 0) + (hasPostNorms ? 2 : 0)) * L + 1
        let hasHeadNorms = qkNorm == .scaled || qkNorm == .wholeRows
        return matrices + bias + sinks + norms * C * (norm == .layer && (hasBias || hasNormBias) ? 2 : 1)
            + (hasHeadNorms ? 2 * L * normalizedHeads.width : 0) + (isTied ? 1 : 2) * V * C + (positions == .learned ? context * C : 0)
    }

    /// A bigram model: without attention and positions, the head sees only the last token. This is a table of V × V logits, factored into
    /// [V, C] and [C, V], and the baseline for every other model.
    package static let bigram: GPTConfiguration = {
        var bigram = GPTConfiguration(layers: 0, heads: 1, width: 128, context: 128, vocabulary: 1_024)
        bigram.positions = .none
        return bigram
    }()
    /// The GPT that nanoGPT trains on a CPU, on the 65 characters of Shakespeare (Documentation/Learn/Shakespeare.md).
    package static let characters: GPTConfiguration = {
        var characters = GPTConfiguration(layers: 4, heads: 4, width: 128, context: 64, vocabulary: 65)
        characters.hasBias = false
        characters.isTied = true
        return characters
    }()
    /// A model with four heads and the blocks of Qwen3 (Documentation/decisions/muon.md).
    private static func qwen3(layers: Int, width: Int, hiddenWidth: Int, context: Int, vocabulary: Int) -> GPTConfiguration {
        var model = llama(layers: layers, heads: 4, keyValueHeads: 4, width: width, hiddenWidth: hiddenWidth, vocabulary: vocabulary)
        model.context = context
        model.qkNorm = .scaled
        model.isTied = false
        return model
    }

    /// A million parameters, for experiments.
    package static let tiny = qwen3(layers: 4, width: 128, hiddenWidth: 352, context: 128, vocabulary: 1_024)
    /// The same with experts: about as many weights for each token, and three times as many in all. Its blocks are those of Qwen3 MoE.
    package static let tinyMoE: GPTConfiguration = {
        var model = tiny
        model.hiddenWidth = 192
        model.experts = Experts(count: 8, active: 2)
        return model
    }()
    /// Seven million parameters (Documentation/decisions/size.md).
    package static let small = qwen3(layers: 6, width: 256, hiddenWidth: 704, context: 256, vocabulary: 4_096)
    /// The 36M parameter chat model of eugpt.
    package static let eugpt = GPTConfiguration(layers: 6, heads: 8, width: 512, context: 384, vocabulary: 16_387)
    /// The smallest GPT-2 of Radford et al. 2019, 124M parameters.
    package static let gpt2: GPTConfiguration = {
        var gpt2 = GPTConfiguration(layers: 12, heads: 12, width: 768, context: 1_024, vocabulary: 50_257)
        gpt2.isTied = true
        return gpt2
    }()

    /// What Llama models have in common: RMS norms, rotary positions, gated MLPs with SiLU, and no biases.
    private static func llama(
        layers: Int, heads: Int, keyValueHeads: Int, width: Int, hiddenWidth: Int, vocabulary: Int
    ) -> GPTConfiguration {
        var llama = GPTConfiguration(layers: layers, heads: heads, width: width, context: 2_048, vocabulary: vocabulary)
        llama.keyValueHeads = keyValueHeads
        llama.hiddenWidth = hiddenWidth
        llama.isGated = true
        llama.hasBias = false
        llama.norm = .rms
        llama.activation = .silu
        llama.positions = .rotary
        llama.isTied = true
        return llama
    }

    package static let smolLM2: GPTConfiguration = {
        var smolLM2 = llama(layers: 30, heads: 9, keyValueHeads: 3, width: 576, hiddenWidth: 1_536, vocabulary: 49_152)
        smolLM2.rotary.base = 100_000
        return smolLM2
    }()
    package static let qwen2: GPTConfiguration = {
        var qwen2 = llama(layers: 24, heads: 14, keyValueHeads: 2, width: 896, hiddenWidth: 4_864, vocabulary: 151_936)
        qwen2.hasQKVBias = true
        qwen2.normEpsilon = 1e-6
        qwen2.rotary.base = 1_000_000
        return qwen2
    }()
    package static let llama3: GPTConfiguration = {
        var llama3 = llama(layers: 16, heads: 32, keyValueHeads: 8, width: 2_048, hiddenWidth: 8_192, vocabulary: 128_256)
        llama3.rotary.base = 500_000
        llama3.rotary.scaling = .llama3(factor: 32, low: 1, high: 4, context: 8_192)
        return llama3
    }()
    package static let gemma3: GPTConfiguration = {
        var gemma3 = llama(layers: 18, heads: 4, keyValueHeads: 1, width: 640, hiddenWidth: 2_048, vocabulary: 262_144)
        gemma3.headWidth = 256
        gemma3.activation = .gelu
        gemma3.normEpsilon = 1e-6
        gemma3.hasPostNorms = true
        gemma3.qkNorm = .scaled
        gemma3.attentionScale = 1.0 / 16
        gemma3.layerAttention = [.sliding, .sliding, .sliding, .sliding, .sliding, .full]
        gemma3.slidingWindow = 512
        gemma3.rotary.base = 1_000_000
        gemma3.slidingRotary = RotaryPositions()
        gemma3.embeddingScale = 25.298_221
        return gemma3
    }()

    /// The last four have the shapes of models that people fine-tune.
    package static let presets: [(name: String, configuration: GPTConfiguration)] = [
        ("bigram", bigram), ("characters", characters), ("tiny", tiny), ("tiny-moe", tinyMoE), ("small", small), ("eugpt", eugpt),
        ("gpt2", gpt2), ("smollm2-135m", smolLM2), ("gemma-3-270m", gemma3), ("qwen2.5-0.5b", qwen2), ("llama-3.2-1b", llama3),
    ]
}
