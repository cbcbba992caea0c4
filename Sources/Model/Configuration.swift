package import Autograd
package import Kernels

/// The numbers that make a GPT.
///
///     var configuration = GPTConfiguration.eugpt
///     configuration.context = 512
package struct GPTConfiguration: Sendable, Equatable {
    /// How a model knows where a token stands.
    package enum Positions: String, Sendable, CaseIterable {
        /// A vector of its own for each position of the context is added to the token's, as in GPT-2.
        case learned
        /// Questions and keys are turned by their position, so that attention sees distances: see ``Tape/rotate(_:heads:by:)``.
        case rotary
        /// Not at all, but for what attention can tell from seeing only what came before.
        case none
    }

    /// 0 is a table of which token follows which: see ``bigram``.
    package var layers: Int
    package var heads: Int
    /// Channels of the residual stream.
    package var width: Int
    /// The most tokens that are seen at once.
    package var context: Int
    package var vocabulary: Int
    package var dropout: Float = 0
    /// Whether linear layers and layer norms have a bias.
    package var hasBias = true
    /// Whether the head is the token embedding itself.
    package var isTied = false
    package var norm = Norm.Kind.layer
    package var activation = Function.gelu
    package var positions = Positions.learned
    /// Whether questions and keys are made equally long before they meet.
    package var hasQKNorm = false

    package init(layers: Int, heads: Int, width: Int, context: Int, vocabulary: Int) {
        require(layers >= 0 && heads > 0 && context > 0 && vocabulary > 0,
                "a GPT of \(layers) layers, \(heads) heads, context \(context), vocabulary \(vocabulary)")
        require(width > 0 && width % heads == 0, "\(width) channels do not divide among \(heads) heads")
        (self.layers, self.heads, self.width, self.context, self.vocabulary) = (layers, heads, width, context, vocabulary)
    }

    /// Channels of a head.
    package var headWidth: Int { width / heads }

    /// No attention, no positions: the head sees nothing but the last token. So this is a table of V × V scores, of which token follows which, kept as
    /// two factors [V, C] and [C, V]. The least that a model of language can know, and what every other is to be better than.
    package static let bigram: GPTConfiguration = {
        var bigram = GPTConfiguration(layers: 0, heads: 1, width: 128, context: 128, vocabulary: 1_024)
        bigram.positions = .none
        return bigram
    }()
    /// The GPT that nanoGPT trains on a CPU, on the 65 characters of Shakespeare (Documentation/Shakespeare.md).
    package static let characters: GPTConfiguration = {
        var characters = GPTConfiguration(layers: 4, heads: 4, width: 128, context: 64, vocabulary: 65)
        (characters.hasBias, characters.isTied) = (false, true)
        return characters
    }()
    /// A million parameters, for trying things out.
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
