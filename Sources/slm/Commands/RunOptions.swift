import Threads
import Train

/// The options of every command that learns: how long, how fast, from what, and what is told.
protocol RunOptions: MachineOptions {
    var dtype: Precision { get set }
    var steps: Int? { get set }
    var epochs: Double? { get set }
    var tokens: Int? { get set }
    var time: Duration? { get set }
    var stopAfter: Int? { get set }
    var batch: Int? { get set }
    var rate: Double? { get set }
    var warmup: Int? { get set }
    var decay: Double? { get set }
    var beta2: Double? { get set }
    var clip: Double { get set }
    var skipsBad: Bool { get set }
    var learn: LossScope { get set }
    var evaluateEvery: Int? { get set }
    var saveEvery: Int? { get set }
    var patience: Int { get set }
    var smallestGain: Double { get set }
    var ask: [String] { get set }
    var seed: Int { get set }
    var json: Bool { get set }
    /// As `--help` shows them.
    static var usualBatch: String { get }
    static var usualRate: String { get }
    static var usualDecay: String { get }
}

extension LossScope: OptionValue {}

extension RunOptions {
    static var runRows: [OptionRow<Self>] {
        [
            .option("dtype", \.dtype, "What products are computed in."),
            .option("max-steps", \.steps, in: 1...1_000_000_000, "Steps of the schedule.").choice("length"),
            .option("epochs", \.epochs, in: 0...1_000_000, "… or how often everything is seen.").choice("length"),
            .option("tokens", \.tokens, in: 1...1_000_000_000_000, "… or how many tokens are learned from.").choice("length"),
            .option("time", \.time, "… or how long it may take, such as 90s, 10m or 2h.").choice("length"),
            .option("stop-after", \.stopAfter, in: 1...1_000_000_000, "Stop at this step, as Ctrl-C would; --resume goes on."),
            .option("batch", \.batch, in: 1...65_536, "Rows of a batch. [\(usualBatch)]"),
            .option("lr", \.rate, in: 0...10, "Highest learning rate. [\(usualRate)]"),
            .option("warmup", \.warmup, in: 0...1_000_000_000, "Steps up to it. [100, or a tenth of them all]"),
            .option("weight-decay", \.decay, in: 0...10, "Of matrices alone. [\(usualDecay)]"),
            .option("beta2", \.beta2, in: 0...0.99999, "How long AdamW remembers the sizes of gradients: 0.99 for small batches. [0.95]"),
            .option("clip", \.clip, in: 0...1e9, "Gradients get no longer."),
            .option("skip-bad", \.skipsBad, "Leave out what cannot be read, and count it, instead of stopping."),
            .option("learn-from", \.learn, "Which words are learned."),
            .option("eval-every", \.evaluateEvery, in: 1...1_000_000_000, "Steps between evaluations; twenty in all when not given."),
            .option("save-every", \.saveEvery, in: 1...1_000_000_000, "Steps between saving, besides at evaluations."),
            .option("patience", \.patience, in: 0...1_000_000, "Evaluations without a gain that end the training; 0 for none."),
            .option("min-gain", \.smallestGain, in: 0...100, "What counts as a gain, in nats a token."),
            .list(
                "ask", \.ask, "TEXT", "What to ask the model at each evaluation; a question of the chats to check with when not given.",
                separator: "\n"),
            .option("seed", \.seed, "Of weights, order and dropout."),
            .option("json", \.json, "Events as JSON, one a line, instead of lines to read."),
        ]
    }

    /// How long it shall take, where that is said.
    func length(for command: String) throws -> TrainingPlan.Length? {
        let lengths: [TrainingPlan.Length] = [steps.map { .steps($0) }, epochs.map { .epochs($0) }, tokens.map { .tokens($0) },
                                              time.map { .seconds($0.inSeconds) }].compactMap { $0 }
        if lengths.count > 1 { throw UsageError("slm \(command): give one of --max-steps, --epochs, --tokens and --time.") }
        return lengths.first
    }

    /// A plan with what the options say.
    func plan(beginningWith usual: TrainingPlan, for command: String) throws -> TrainingPlan {
        var plan = usual
        if let length = try length(for: command) { plan.length = length }
        plan.clipping = clip > 0 ? Float(clip) : .infinity
        plan.seed = seed
        plan.lossScope = learn
        plan.evaluateEvery = evaluateEvery
        plan.saveEvery = saveEvery
        plan.patience = patience == 0 ? nil : patience
        plan.smallestGain = Float(smallestGain)
        if let batch { plan.rows = batch }
        if let beta2 { plan.beta2 = Float(beta2) }
        if let rate { plan.rate = Float(rate) }
        if let decay { plan.decay = Float(decay) }
        return plan
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

    var optionText: String { inSeconds == inSeconds.rounded() ? "\(Int(inSeconds))s" : "\(inSeconds)s" }
    static var hint: String { "TIME" }
    static var expectation: String { "a time such as 90s, 10m or 2h" }
}
