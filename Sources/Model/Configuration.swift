package import Autograd
package import Kernels

/// The numbers that make a GPT.
///
///     var configuration = GPTConfiguration.eugpt
///     configuration.context = 512
package struct GPTConfiguration: Sendable, Equatable {
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

    package init(layers: Int, heads: Int, width: Int, context: Int, vocabulary: Int) {
        require(layers >= 0 && heads > 0 && context > 0 && vocabulary > 0,
                "a GPT of \(layers) layers, \(heads) heads, context \(context), vocabulary \(vocabulary)")
        require(width > 0 && width % heads == 0, "\(width) channels do not divide among \(heads) heads")
        (self.layers, self.heads, self.width, self.context, self.vocabulary) = (layers, heads, width, context, vocabulary)
    }

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

    package static let presets: [(name: String, configuration: GPTConfiguration)] = [("tiny", tiny), ("eugpt", eugpt), ("gpt2", gpt2)]
}
