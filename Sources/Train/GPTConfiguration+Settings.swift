import Autograd
import Kernels
package import Model

/// The settings of a new model, which begins with those of a preset.
extension GPTConfiguration: Configurable {
    /// The experts of a model that a preset without experts gets.
    private static let defaultExperts = Experts(count: 2, active: 2)
    package static let settings: [Setting<GPTConfiguration>] = [
        .integer("context", .fixed, .context, \.context, in: 1...1_048_576, "Set the context length in tokens.", default: "the preset's"),
        .integer("layers", .fixed, .model, \.layers, in: 0...1_000, "Set the number of layers."),
        .integer("heads", .fixed, .model, \.heads, in: 1...1_000, "Set the number of attention heads."),
        .integer("width", .fixed, .model, \.width, in: 1...100_000, "Set the number of channels."),
        .number("dropout", .fixed, .model, \.dropout, in: 0...0.99, "Set the dropout rate.", default: "0"),
        .flag("no-bias", .fixed, .model, \.lacksBias, "Omit biases in linear layers and norms."),
        .flag("tied", .fixed, .model, \.isTied, "Tie the output head to the token embedding."),
        .choice("norm", .fixed, .model, \.norm, "Choose layer norm or RMS norm."),
        .choice("activation", .fixed, .model, \.activation, among: activations, "Choose the activation of the MLP."),
        .choice("positions", .fixed, .model, \.positions, "Choose the position encoding."),
        .flag("qk-norm", .fixed, .model, \.hasQKNorm, "Normalize queries and keys."),
        .integer("kv-heads", .fixed, .model, \.keyValueHeads, in: 1...1_000,
                 "Share N heads of keys and values among the heads of queries."),
        .integer("hidden", .fixed, .model, \.hiddenWidth, in: 1...400_000, "Set the number of channels inside the MLP."),
        .integer("experts", .fixed, .model, \.expertCount, in: 0...1_024,
                 "Replace the MLP by N experts, of which each token uses some (0: none).", default: "the preset's"),
        .integer("active-experts", .fixed, .model, \.activeExpertCount, in: 1...1_024, "Let N experts process each token.",
                 default: "\(defaultExperts.active)"),
        .number("expert-balance", .fixed, .model, \.expertBalance, in: 0...1_000, "Set the factor of the load-balancing loss.",
                default: defaultExperts.balance.defaultText),
        .flag("gated", .fixed, .model, \.isGated,
              "Multiply the MLP's activations by a second projection (SwiGLU with --activation silu)."),
    ]

    /// The activations of an MLP, by their names in a checkpoint.
    private static let activations: [(name: String, value: UnaryFunction)] = [
        UnaryFunction.gelu, .exactGELU, .relu, .reluSquared, .silu,
    ].map { ("\($0)", $0) }

    private var lacksBias: Bool {
        get { !hasBias }
        set {
            hasBias = !newValue
            if newValue {
                hasQKVBias = false
                hasNormBias = false
            }
        }
    }

    private var hasQKNorm: Bool {
        get { qkNorm != .none }
        set { if newValue != hasQKNorm { qkNorm = newValue ? .unit : .none } }
    }

    private var expertCount: Int {
        get { experts?.count ?? 0 }
        set {
            experts = newValue == 0 ? nil : experts ?? Self.defaultExperts
            experts?.count = newValue
        }
    }

    private var activeExpertCount: Int {
        get { experts?.active ?? 0 }
        set { experts?.active = newValue }
    }

    private var expertBalance: Float {
        get { experts?.balance ?? 0 }
        set { experts?.balance = newValue }
    }
}
