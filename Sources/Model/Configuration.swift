package import Autograd
package import Kernels

/// The hyperparameters of a GPT.
///
///     var configuration = GPTConfiguration.eugpt
///     configuration.context = 512
package struct GPTConfiguration: Sendable, Equatable {
    /// How the model encodes positions.
    package enum Positions: String, Sendable, CaseIterable {
        /// A trained vector for each position of the context is added to the token embedding, as in GPT-2.
        case learned
        /// Rotary position embeddings (RoPE) on queries and keys: see ``Tape/applyRotaryEmbedding(_:heads:by:)``.
        case rotary
        /// No position encoding. Only the causal mask distinguishes positions.
        case none
    }

    /// 0 makes a bigram model: see ``bigram``.
    package var layers: Int
    package var heads: Int
    /// Channels of the residual stream.
    package var width: Int
    /// The maximum number of tokens that the model sees at once.
    package var context: Int
    package var vocabulary: Int
    package var dropout: Float = 0
    /// Whether linear layers and layer norms have a bias.
    package var hasBias = true
    /// Whether the head shares its weight with the token embedding.
    package var isTied = false
    package var norm = Norm.Kind.layer
    package var activation = UnaryFunction.gelu
    package var positions = Positions.learned
    /// Whether queries and keys are normalized before attention (QK-norm).
    package var hasQKNorm = false

    package init(layers: Int, heads: Int, width: Int, context: Int, vocabulary: Int) {
        require(
            layers >= 0 && heads > 0 && context > 0 && vocabulary > 0,
            "a GPT of \(layers) layers, \(heads) heads, context \(context), vocabulary \(vocabulary)"
        )
        require(width > 0 && width % heads == 0, "expected a width divisible by \(heads) heads, found \(width)")
        self.layers = layers
        self.heads = heads
        self.width = width
        self.context = context
        self.vocabulary = vocabulary
    }

    /// Channels of a head.
    package var headWidth: Int { width / heads }

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
    /// A million parameters, for experiments.
    package static let tiny = GPTConfiguration(layers: 4, heads: 4, width: 128, context: 128, vocabulary: 1_024)
    /// The 36M parameter chat model of eugpt.
    package static let eugpt = GPTConfiguration(layers: 6, heads: 8, width: 512, context: 384, vocabulary: 16_387)
    /// The smallest GPT-2 of Radford et al. 2019, 124M parameters.
    package static let gpt2: GPTConfiguration = {
        var gpt2 = GPTConfiguration(layers: 12, heads: 12, width: 768, context: 1_024, vocabulary: 50_257)
        gpt2.isTied = true
        return gpt2
    }()

    package static let presets: [(name: String, configuration: GPTConfiguration)] = [
        ("bigram", bigram), ("characters", characters), ("tiny", tiny), ("eugpt", eugpt), ("gpt2", gpt2),
    ]
}
