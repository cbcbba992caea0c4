import Autograd
import Checkpoint
import Corpus
import Files
import Glibc
import Kernels
import Model
import Synchronization
import Tokenize
import Train

/// `slm train`: brings the parts together and tells what happens.
struct TrainCommand {
    private let options: TrainOptions
    private let folder: String

    init(_ options: TrainOptions) {
        self.options = options
        folder = options.out ?? "checkpoints/\(options.preset)"
    }

    func run() throws {
        guard let data = options.data.first, options.data.count == 1 else { throw UsageError("slm train: give one folder of tokens: --data FOLDER.") }
        let meta = try TokenMeta(reading: data + "/meta.json"), vocabulary = try vocabulary(meta, data)
        let stored = options.resume ? try Checkpoint(reading: folder + "/last.h5") : nil
        if stored == nil, Folder.contains("last.h5", in: folder) {
            throw Refusal(description: "\(folder) holds a training. Go on with it: --resume; or take another folder: --out.")
        }
        let configuration = try stored?.configuration ?? options.configuration(vocabulary: vocabulary.count)
        var plan = try stored.map { checkpoint in try TrainingPlan(from: checkpoint) } ?? options.plan
        try checkMemory(for: configuration)
        let processor = try options.processor(), type = processor.dataType(for: options.dtype)
        let trainer = try Trainer(configuration, on: processor, precision: type, seed: UInt64(bitPattern: Int64(plan.seed)))
        let training = try examples(.train, data, meta, plan, vocabulary, configuration)
        let validation = meta.counts(of: .val).tokens > configuration.context ? try examples(.val, data, meta, plan, vocabulary, configuration) : nil
        if stored == nil { plan.warmup = options.warmup ?? TrainingPlan.usualWarmup(for: plan.steps(perEpoch: training.stepsPerEpoch, tokensPerStep: plan.rows * configuration.context)) }
        try Folder.create(folder)
        let run = try TrainingRun(trainer, plan, training: training, validation: validation, vocabulary: vocabulary, form: meta.form, folder: folder)
        if let stored { try run.restore(stored) }
        announce(run, meta, type, processor.threads, training, hasValidation: validation != nil)
        try options.learn(run, in: folder, goOn: "slm train --data \(data) --out \(folder) --resume")
    }

    private func vocabulary(_ meta: TokenMeta, _ data: String) throws -> Vocabulary {
        let vocabulary = try Vocabulary(reading: options.tokenizer ?? data + "/tokenizer.json")
        guard vocabulary.fingerprint == meta.fingerprint else {
            throw Refusal(description: "the tokens in \(data) were made with another vocabulary (\(meta.fingerprint)) than this one (\(vocabulary.fingerprint)). "
                + "Write them again: slm tokenize --tokens, or name theirs: --tokenizer.")
        }
        return vocabulary
    }

    private func examples(_ part: Part, _ data: String, _ meta: TokenMeta, _ plan: TrainingPlan, _ vocabulary: Vocabulary,
                          _ configuration: GPTConfiguration) throws -> any Examples {
        let tokens = try TokenFile(part, in: data, meta), seed = UInt64(bitPattern: Int64(plan.seed)) &+ (part == .val ? 1 << 32 : 0)
        if plan.packs, meta.form != nil {
            return try PackedConversations(tokens, rows: plan.rows, context: configuration.context, seed: seed, learning: plan.learned,
                                           padding: vocabulary.special("<|pad|>") ?? 0)
        }
        return try RandomWindows(tokens, rows: plan.rows, context: configuration.context, seed: seed, learning: plan.learned)
    }

    private func announce(_ run: TrainingRun, _ meta: TokenMeta, _ type: DataType, _ threads: Int, _ training: any Examples, hasValidation: Bool) {
        if options.json { return }
        let c = run.trainer.model.configuration, packed = training as? PackedConversations
        let length = switch run.plan.length {
        case .seconds(let seconds): "\(clockText(seconds)) in all"
        default: "\(run.steps ?? 0) steps, \((Double(run.steps ?? 0) / training.stepsPerEpoch).fixed(2)) epochs"
        }
        say("""
            model    \(run.trainer.parameters.count) parameters: \(c.layers) layers, \(c.heads) heads, \(c.width) wide, context \(c.context), vocabulary \(c.vocabulary)
            data     \(meta.counts(of: .train).tokens) tokens to learn from, \(hasValidation ? "\(meta.counts(of: .val).tokens) to check with" : "none to check with")\
            \(packed.map { "; packed, \(($0.padded * 100).fixed(2)) % padding, none dropped" } ?? "; windows at random places")
            plan     \(length), \(run.tokensPerStep) tokens a step, rate \(run.plan.rate), \(type.rawValue), \(threads) threads
            memory   \(c.trainingMemory() / 1_000_000) MB, about
            run      \(folder)\(run.state.step > 0 ? ", from step \(run.state.step) on" : "")
            """)
    }
}

extension RunOptions {
    /// Learns, and tells what happens and what came of it.
    ///
    /// - Parameter goOn: the command that goes on after a stop.
    @discardableResult
    func learn(_ run: TrainingRun, in folder: String, goOn: String) throws -> TrainingRun.Ending {
        let log = try AppendedFile(folder + "/log.jsonl"), stop = StopSignal(), bar = TrainingBar(run)
        let clock = ContinuousClock(), begin = clock.now
        let ending = try run.run(clock: { begin.duration(to: clock.now).inSeconds }, isToStop: { state in
            stop.isRaised || stopAfter.map { state.step >= $0 } ?? false
        }) { event in
            if let line = event.json {
                try log.append(line)
                if json { say(line) }
            }
            if !json { bar.show(event) }
        }
        bar.clear()
        switch ending {
        case .finished: say(json ? "\(JSONLine(["event": "finished"]))" : "done: \(folder)/best.h5")
        case .noGain: note("no gain in \(run.plan.patience ?? 0) evaluations: done. The best is \(folder)/best.h5.")
        case .stopped: note("stopped at step \(run.state.step). Go on with: \(goOn)")
        case .diverged:
            throw Refusal(description: "three steps in a row were not finite; the last good state is \(folder)/last.h5. A lower --lr may help.")
        }
        return ending
    }
}

/// Ctrl-C once finishes the step and saves; twice stops.
struct StopSignal: ~Copyable {
    private static let count = Atomic(0)

    init() {
        for number in [SIGINT, SIGTERM] {
            signal(number) { _ in
                if StopSignal.count.wrappingAdd(1, ordering: .relaxed).oldValue > 0 { _exit(130) }
            }
        }
    }

    var isRaised: Bool { Self.count.load(ordering: .relaxed) > 0 }
}

func clockText(_ seconds: Double) -> String {
    let whole = Int(seconds.rounded()), (hours, minutes) = (whole / 3_600, whole / 60 % 60)
    let two = { (n: Int) in n < 10 ? "0\(n)" : "\(n)" }
    return hours > 0 ? "\(hours):\(two(minutes)):\(two(whole % 60))" : "\(minutes):\(two(whole % 60))"
}

extension TrainingRun.Event {
    /// A line of log.jsonl.
    var json: String? {
        switch self {
        case .step(let report, let rate, let state):
            "\(JSONLine(["event": "step", "step": .whole(state.step), "loss": .number(Double(report.loss)), "gradient": .number(Double(report.gradientNorm)), "rate": .exact(Double(rate)), "tokens": .whole(state.tokens), "seconds": .number(state.seconds)]))"
        case .skipped(let step): "\(JSONLine(["event": "skipped", "step": .whole(step)]))"
        case .evaluated(let training, let validation, let replay, let isBest, let state):
            "\(JSONLine(["event": "evaluated", "step": .whole(state.step), "train_loss": .number(training.loss), "val_loss": validation.map { .number($0.loss) }, "bits_per_byte": validation.map { .number($0.bitsPerByte) }, "replay_loss": replay.map { .number($0.loss) }, "best": .whole(isBest ? 1 : 0), "tokens": .whole(state.tokens), "seconds": .number(state.seconds)]))"
        case .saved: nil
        }
    }
}

/// What a person sees of a training.
final class TrainingBar {
    private let run: TrainingRun
    private let progress: Progress
    private var loss: Float?

    init(_ run: TrainingRun) {
        self.run = run
        progress = Progress("training")
    }

    func show(_ event: TrainingRun.Event) {
        switch event {
        case .step(let report, _, let state):
            // The mean of the last ten or so: one batch says little.
            loss = loss.map { 0.9 * $0 + 0.1 * report.loss } ?? report.loss
            progress.show(share: run.progress, "step \(state.step)  loss \(Double(loss ?? 0).fixed(3))  \(Int(Double(state.tokens) / max(state.seconds, 1e-9))) tokens/s")
        case .skipped(let step):
            clear()
            note("step \(step) was skipped: its loss or gradient is not finite.")
        case .evaluated(let training, let validation, let replay, let isBest, let state):
            clear()
            let check = (validation.map { "  val \($0.loss.fixed(4))  \($0.bitsPerByte.fixed(4)) bits a byte" } ?? "")
                + (replay.map { "  replay \($0.loss.fixed(4))" } ?? "")
            say("step \("\(state.step)".leftPadded(to: 6))  \(clockText(state.seconds).leftPadded(to: 7))  train \(training.loss.fixed(4))\(check)\(isBest ? "  best" : "")")
        case .saved: break
        }
    }

    func clear() { progress.clear() }
}
