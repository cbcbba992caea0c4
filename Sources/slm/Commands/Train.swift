import Autograd
import Checkpoint
import Corpus
import Files
import Glibc
import Kernels
import Model
import Tokenize
import Train

struct TrainOptions: MachineOptions {
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
    var activation: Function?
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
    var windows = false
    var learn = Learned.all
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

extension Learned: OptionValue {}
extension Recipe: OptionValue {}
extension Norm.Kind: OptionValue {}
extension GPTConfiguration.Positions: OptionValue {}

/// Those that a GPT has between its two linear layers, by the names that a checkpoint gives them.
extension Function: OptionValue {
    private static let activations: [Function] = [.gelu, .exactGELU, .relu, .reluSquared, .silu]

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
        Command("train", "Learn from chats: a new model, or one that was stopped.", TrainOptions(), TrainOptions.rows + [
            .option("dtype", \.dtype, "What products are computed in."),
            .list("data", \.data, "FILE", "Chats or text: files and folders; or the folder that slm tokenize --tokens wrote."),
            .option("tokenizer", \.tokenizer, "The vocabulary to take; of a folder of tokens its own when not given."),
            .option("vocab-size", \.vocabularySize, in: 256...100_000_000, "Tokens of the vocabulary that is learned from chats; as many as the preset has when not given."),
            .list("val", \.validation, "FILE", "Chats to check with, instead of a share of the data."),
            .option("val-share", \.validationShare, in: 0...1, "The share of the chats to check with. [0.1]"),
            .option("out", \.out, "Folder of the run: last.h5, best.h5, log.jsonl, report.html. [checkpoints/PRESET]"),
            .option("preset", \.preset, "Size of the model: \(GPTConfiguration.presets.map(\.name).joined(separator: ", "))."),
            .option("resume", \.resume, "Go on where last.h5 was left, with its own settings."),
            .option("max-steps", \.steps, in: 1...1_000_000_000, "Steps of the schedule."),
            .option("epochs", \.epochs, in: 0...1_000_000, "… or how often everything is seen."),
            .option("tokens", \.tokens, in: 1...1_000_000_000_000, "… or how many tokens are learned from."),
            .option("time", \.time, "… or how long it may take, such as 90s, 10m or 2h."),
            .option("stop-after", \.stopAfter, in: 1...1_000_000_000, "Stop at this step, as Ctrl-C would; --resume goes on."),
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
            .option("recipe", \.recipe, "How it is learned. [counts where the model has room for them, else nanogpt with whole conversations]"),
            .option("counted", \.counted, in: 0...1_000_000_000, "Contexts that a start from counts is fitted to. [819,200, but no more than two thirds of the tokens]"),
            .option("batch", \.batch, in: 1...65_536, "Rows of a batch. [4, or nanogpt's 12]"),
            .option("lr", \.rate, in: 0...10, "Highest learning rate. [1e-3]"),
            .option("warmup", \.warmup, in: 0...1_000_000_000, "Steps up to it. [100, or a tenth of them all]"),
            .option("weight-decay", \.decay, in: 0...10, "Of matrices alone. [0.1]"),
            .option("beta2", \.beta2, in: 0...0.99999, "How long AdamW remembers the sizes of gradients: 0.99 for small batches. [0.95]"),
            .option("clip", \.clip, in: 0...1e9, "Gradients get no longer."),
            .option("windows", \.windows, "Windows at random places, as nanoGPT takes them, instead of whole conversations."),
            .option("learn-from", \.learn, "Which words are learned."),
            .option("eval-every", \.evaluateEvery, in: 1...1_000_000_000, "Steps between evaluations; twenty in all when not given."),
            .option("save-every", \.saveEvery, in: 1...1_000_000_000, "Steps between saving, besides at evaluations."),
            .option("patience", \.patience, in: 0...1_000_000, "Evaluations without a gain that end the training; 0 for none."),
            .option("min-gain", \.smallestGain, in: 0...100, "What counts as a gain, in nats a token."),
            .list("ask", \.ask, "TEXT", "What to ask the model at each evaluation; a question of the chats to check with when not given."),
            .option("recompute", \.recompute, "Compute each block again on the way back: less memory, a third more time, the same bits."),
            .option("seed", \.seed, "Of weights, order and dropout."),
            .list("compare", \.compare, "RUN", "Train nothing: draw these runs' folders in one report, --out FILE. [report.html]"),
            .option("json", \.json, "Events as JSON, one a line, instead of lines to read."),
        ], example: """
            slm train --preset tiny --data chats.txt --out checkpoints/first --time 2m
              slm train --preset tiny --data data --out checkpoints/second --ask "Who are you?" "What is 2 plus 2?"
              slm train --compare checkpoints/first checkpoints/second --out both.html
            """) { options in
            try TrainCommand(options).run()
        }
    }
}

/// 90s, 10m, 1.5h, or a number of seconds.
extension Duration: OptionValue {
    init?(optionText: String) {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        let unit = optionText.last.flatMap { units[$0] }
        guard let number = Double(unit == nil ? optionText : String(optionText.dropLast())), number > 0, number < 1e9 else { return nil }
        self = .seconds(number * (unit ?? 1))
    }

    var optionText: String { "\(inSeconds)s" }
    static var hint: String { "TIME" }
    static var expectation: String { "a time such as 90s, 10m or 2h" }

    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

extension TrainOptions {
    var presetConfiguration: GPTConfiguration {
        get throws {
            if let known = GPTConfiguration.presets.first(where: { $0.name == preset }) { return known.configuration }
            throw UsageError("slm train: unknown preset '\(preset)'. Presets: \(GPTConfiguration.presets.map(\.name).joined(separator: ", ")).")
        }
    }

    func configuration(vocabulary: Int) throws -> GPTConfiguration {
        let preset = try presetConfiguration
        let (heads, width) = (heads ?? preset.heads, width ?? preset.width)
        guard width % heads == 0 else { throw UsageError("slm train: \(width) channels (--width) do not divide among \(heads) heads (--heads).") }
        var configuration = GPTConfiguration(layers: layers ?? preset.layers, heads: heads, width: width, context: context ?? preset.context,
                                             vocabulary: vocabulary)
        configuration.dropout = Float(dropout ?? Double(preset.dropout))
        configuration.hasBias = preset.hasBias && !noBias
        configuration.isTied = preset.isTied || tied
        configuration.norm = norm ?? preset.norm
        configuration.activation = activation ?? preset.activation
        configuration.positions = positions ?? preset.positions
        configuration.hasQKNorm = preset.hasQKNorm || qkNorm
        guard configuration.positions != .rotary || configuration.headWidth % 2 == 0 else {
            throw UsageError("slm train: rotary positions turn pairs of channels, and \(width) channels (--width) give each of \(heads) heads (--heads) "
                + "\(configuration.headWidth): an odd number.")
        }
        return configuration
    }

    /// The recipe for a model: counts, where nothing else is asked for, if it has room for them.
    func recipe(for configuration: GPTConfiguration) throws -> Recipe? {
        let isPossible = CountStart.isPossible(for: configuration)
        if recipe == .counts, !isPossible {
            throw UsageError("slm train: --recipe counts needs learned positions, layer norms, biases, a head of its own, at least 320 channels with heads of 32 or more, "
                + "and GELU or ReLU. Take --recipe nanogpt.")
        }
        return recipe ?? (isPossible ? .counts : nil)
    }

    func plan(for configuration: GPTConfiguration) throws -> TrainingPlan {
        var plan = try recipe(for: configuration)?.plan ?? TrainingPlan()
        let lengths: [TrainingPlan.Length] = [steps.map { .steps($0) }, epochs.map { .epochs($0) }, tokens.map { .tokens($0) },
                                              time.map { .seconds($0.inSeconds) }].compactMap { $0 }
        if lengths.count > 1 { throw UsageError("slm train: give one of --max-steps, --epochs, --tokens and --time.") }
        if let length = lengths.first { plan.length = length }
        (plan.clipping, plan.seed) = (clip > 0 ? Float(clip) : .infinity, seed)
        (plan.learned, plan.evaluateEvery, plan.saveEvery) = (learn, evaluateEvery, saveEvery)
        if windows { plan.packs = false }
        (plan.patience, plan.smallestGain) = (patience == 0 ? nil : patience, Float(smallestGain))
        if let counted, plan.startContexts > 0 { plan.startContexts = counted }
        if let batch { plan.rows = batch }
        if let decay { plan.decay = Float(decay) }
        if let beta2 { plan.beta2 = Float(beta2) }
        if let rate { plan.rate = Float(rate) }
        return plan
    }
}
