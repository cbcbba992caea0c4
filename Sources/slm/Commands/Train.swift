import Autograd
import Checkpoint
import Corpus
import Files
import Glibc
import Kernels
import Model
import Tokenize
import Train

struct TrainOptions: RunOptions {
    var threads: Int?
    var cpu: String?
    var blas: BLAS?
    var dtype = Precision.auto
    var data: [String] = []
    var tokenizer: String?
    var out: String?
    var preset = "tiny"
    var resume = false
    var steps: Int?
    var epochs: Double?
    var tokens: Int?
    var time: Duration?
    var stopAfter: Int?
    var layers: Int?
    var heads: Int?
    var width: Int?
    var context: Int?
    var dropout: Double?
    var noBias = false
    var tied = false
    var norm: Norm.Kind?
    var activation: UnaryFunction?
    var positions: GPTConfiguration.Positions?
    var qkNorm = false
    var recipe: Recipe?
    var counted: Int?
    var batch: Int?
    var rate: Double?
    var warmup: Int?
    var decay: Double?
    var beta2: Double?
    var clip = 1.0
    var skipsBad = false
    var windows = false
    var learn = LossScope.all
    var evaluateEvery: Int?
    var saveEvery: Int?
    var patience = 5
    var smallestGain = 0.001
    var seed = 1
    var vocabularySize: Int?
    var validation: [String] = []
    var validationShare: Double?
    var ask: [String] = []
    var recompute = false
    var compare: [String] = []
    var json = false
}

extension Recipe: OptionValue {}
extension Norm.Kind: OptionValue {}
extension GPTConfiguration.Positions: OptionValue {}

/// Those that a GPT has between its two linear layers, by the names that a checkpoint gives them.
extension UnaryFunction: OptionValue {
    private static let activations: [UnaryFunction] = [.gelu, .exactGELU, .relu, .reluSquared, .silu]

    init?(optionText: String) {
        guard let f = Self.activations.first(where: { $0.optionText == optionText }) else { return nil }
        self = f
    }

    var optionText: String { "\(self)" }
    static var hint: String { activations.map(\.optionText).joined(separator: "|") }
    static var expectation: String { "one of " + hint.replacing("|", with: ", ") }
}

extension Command {
    static var train: Command {
        Command(
            "train", "Learn from chats: a new model, or one that was stopped.", TrainOptions(),
            TrainOptions.rows + [
                .list("data", \.data, "FILE", "Chats or text: files and folders; or the folder that slm tokenize --tokens wrote."),
                .option("tokenizer", \.tokenizer, "The vocabulary to take; of a folder of tokens its own when not given.").choice(
                    "vocabulary"),
                .option(
                    "vocab-size", \.vocabularySize, in: 256...100_000_000,
                    "Tokens of the vocabulary that is learned from chats; as many as the preset has when not given."
                ).choice("vocabulary"),
                .list("val", \.validation, "FILE", "Chats to check with, instead of a share of the data.").choice("validation"),
                .option("val-share", \.validationShare, in: 0...1, "The share of the chats to check with. [0.1]").choice("validation"),
                .option("out", \.out, "Folder of the run: last.h5, best.h5, log.jsonl, report.html. [checkpoints/PRESET]"),
                .option("preset", \.preset, "Size of the model: \(GPTConfiguration.presets.map(\.name).joined(separator: ", "))."),
                .option("resume", \.resume, "Go on where last.h5 was left, with its own settings."),
                .option("layers", \.layers, in: 0...1_000, "Instead of the preset's."),
                .option("heads", \.heads, in: 1...1_000, "Instead of the preset's."),
                .option("width", \.width, in: 1...100_000, "Channels, instead of the preset's."),
                .option("context", \.context, in: 1...1_048_576, "Tokens that are seen at once, instead of the preset's."),
                .option("dropout", \.dropout, in: 0...0.99, "Share of the activations that are dropped. [0]"),
                .option("no-bias", \.noBias, "Linear layers and norms without a bias."),
                .option("tied", \.tied, "The head is the token embedding."),
                .option("norm", \.norm, "Layer norm, or RMS norm, which leaves the mean. [layer]"),
                .option("activation", \.activation, "Between the two linear layers of a block. [gelu, in GPT-2's form]"),
                .option("positions", \.positions, "How the model knows where a token stands. [learned]"),
                .option("qk-norm", \.qkNorm, "Questions and keys are made equally long before they meet."),
                .option(
                    "recipe", \.recipe,
                    "How it is learned. [counts where the model has room for them, else nanogpt with whole conversations]"),
                .option(
                    "counted", \.counted, in: 0...1_000_000_000,
                    "Contexts that a start from counts is fitted to. [819,200, but no more than two thirds of the tokens]"),
                .option("windows", \.windows, "Windows at random places, as nanoGPT takes them, instead of whole conversations."),
                .option(
                    "recompute", \.recompute, "Compute each block again on the way back: less memory, a third more time, the same bits."),
                .list("compare", \.compare, "RUN", "Train nothing: draw these runs' folders in one report, --out FILE. [report.html]"),
            ] + TrainOptions.runRows,
            example: """
                slm train --preset tiny --data chats.txt --out checkpoints/first --time 2m
                  slm train --preset tiny --data data --out checkpoints/second --ask "Who are you?" "What is 2 plus 2?"
                  slm train --compare checkpoints/first checkpoints/second --out both.html
                """
        ) { options in
            try TrainCommand(options).run()
        }
    }
}

extension TrainOptions {
    var presetConfiguration: GPTConfiguration {
        get throws { try .preset(preset, for: "train") }
    }

    func configuration(vocabulary: Int) throws -> GPTConfiguration {
        let preset = try presetConfiguration
        let heads = heads ?? preset.heads
        let width = width ?? preset.width
        guard width % heads == 0 else {
            throw UsageError("slm train: \(width) channels (--width) do not divide among \(heads) heads (--heads).")
        }
        var configuration = GPTConfiguration(
            layers: layers ?? preset.layers, heads: heads, width: width, context: context ?? preset.context,
            vocabulary: vocabulary)
        configuration.dropout = Float(dropout ?? Double(preset.dropout))
        configuration.hasBias = preset.hasBias && !noBias
        configuration.isTied = preset.isTied || tied
        configuration.norm = norm ?? preset.norm
        configuration.activation = activation ?? preset.activation
        configuration.positions = positions ?? preset.positions
        configuration.hasQKNorm = preset.hasQKNorm || qkNorm
        guard configuration.positions != .rotary || configuration.headWidth % 2 == 0 else {
            throw UsageError(
                "slm train: rotary positions turn pairs of channels, and \(width) channels (--width) give each of \(heads) heads (--heads) "
                    + "\(configuration.headWidth): an odd number.")
        }
        return configuration
    }

    static var usualBatch: String { "4, or 12 from chance" }
    static var usualRate: String { "1e-3" }
    static var usualDecay: String { "0.1" }

    /// The recipe for a model: counts, where nothing else is asked for, if it has room for them.
    func recipe(for configuration: GPTConfiguration) throws -> Recipe? {
        let obstacle = NGramInitialization.obstacle(for: configuration)
        if recipe == .counts, let obstacle { throw UsageError("slm train: --recipe counts needs \(obstacle). Take --recipe nanogpt.") }
        return recipe ?? (obstacle == nil ? .counts : nil)
    }

    func plan(for configuration: GPTConfiguration) throws -> TrainingPlan {
        var plan = try plan(beginningWith: recipe(for: configuration)?.plan ?? TrainingPlan(), for: "train")
        if windows { plan.packs = false }
        if let counted, plan.nGramContexts > 0 { plan.nGramContexts = counted }
        return plan
    }
}
