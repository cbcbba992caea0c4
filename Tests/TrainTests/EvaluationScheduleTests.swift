import Autograd
import Corpus
import Files
import Kernels
import Model
import Testing
import TestSupport
import Tokenize
import Train

/// How often a run of limited time evaluates, on machines whose speed a simulated clock sets.
@Suite(.serialized) struct EvaluationScheduleTests {
    private let folder = TemporaryFolder()
    private let vocabulary = Vocabulary.ofBytes(specialTokens: ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"])

    private func run(_ plan: TrainingPlan, validating: Bool = true) throws -> TrainingRun {
        let lines = (0..<900).map { "[INST] what is \($0)? [/INST] it is \($0 * $0)\n" }
        var source = TrainingData.Source([folder.write(lines.joined(), to: "chats.txt")])
        source.validationShare = 0.5
        let data = try TrainingData(source, vocabulary: vocabulary, on: WorkerPool(threads: 1))
        let configuration = GPTConfiguration(layers: 0, heads: 1, width: 8, context: 48, vocabulary: vocabulary.count)
        let trainer = try Trainer(configuration, on: Processor(threads: 1), precision: .float32, seed: 3)
        try Folder.create(folder("run"))
        return try TrainingRun(
            trainer, plan, training: data.batches(.train, plan, context: 48), validation: validating ? data.validationSet(.all) : nil,
            vocabulary: vocabulary, chatTemplate: .specialTokens, folder: folder("run"))
    }

    /// A clock that advances with the work that a run reports.
    private struct Machine {
        let secondsPerStep, secondsPerToken: Double
        /// Clocks do not begin at 0.
        private(set) var now = 1e6
        private(set) var evaluating = 0.0, evaluations = 0, steps = 0, result: TrainingRun.Result?
        private var shown = 0

        init(secondsPerStep: Double, secondsPerToken: Double) {
            self.secondsPerStep = secondsPerStep
            self.secondsPerToken = secondsPerToken
        }

        mutating func add(_ event: TrainingRun.Event) {
            switch event {
            case .step:
                now += secondsPerStep
                steps += 1
            case .evaluating(let tokens, let all):
                let seconds = Double(tokens - (tokens > shown ? shown : 0)) * secondsPerToken
                now += seconds
                evaluating += seconds
                shown = tokens == all ? 0 : tokens
            case .evaluated: evaluations += 1
            case .validated(let found): result = found
            default: break
            }
        }
    }

    /// The first machine is one on which an evaluation of 7,680 tokens took 5.8 s and a step 1.9 s.
    @Test(arguments: [60.0, 120, 300, 1_200], [(1.9, 0.755e-3), (0.4, 0.02e-3), (6, 4e-3)])
    func `evaluations take about 3 % of the time, and the promised steps hold`(
        seconds: Double, _ speed: (step: Double, token: Double)
    ) throws {
        // A long run on these few chats stops early.
        let patience = seconds > 120 ? nil : 5
        let run = try run(TrainingPlan(.seconds(seconds), batch: 2, lr: 1e-2, warmup: 2, patience: patience))
        var machine = Machine(secondsPerStep: speed.step, secondsPerToken: speed.token)
        let promised = run.estimate(secondsPerStep: speed.step).steps
        let ending = try run.run(clock: { machine.now }, shouldStop: { _ in false }) { machine.add($0) }
        #expect(ending == .finished && machine.evaluations >= 1 && machine.evaluations <= 21)
        // On the slowest machine, the smallest evaluation takes seven seconds.
        #expect(machine.evaluating <= max(0.03 * seconds, 3 * 1_600 * speed.token), "\(machine.evaluating) s of \(seconds) s")
        #expect(abs(Double(machine.steps - promised)) <= max(2, 0.2 * Double(promised)), "\(machine.steps) steps, promised \(promised)")
        if seconds >= 300, speed.step < 6 { #expect(machine.evaluations >= 4) }
        // The whole set takes less than a second on the fast machine, and more than 3 % of a minute on the others.
        if speed.token < 1e-4 { #expect(machine.result?.part.isWhole == true) }
        if seconds == 60, speed.token > 1e-4 { #expect(machine.result?.part.isWhole == false) }
    }

    @Test func `an estimate leaves 3 % of the time for evaluations, and a fifth of a step's time for each fitted context`() throws {
        var plan = TrainingPlan(.seconds(104), batch: 2, warmup: 2)
        #expect(try run(plan).estimate(secondsPerStep: 1) == (100, 104))
        plan.nGramContexts = 5 * 2 * 48 * 11        // eleven steps of 2 × 48 tokens
        #expect(try run(plan).estimate(secondsPerStep: 1) == (90, 104))
        plan.length = .steps(20)
        let estimate = try run(plan).estimate(secondsPerStep: 2)
        #expect(estimate.steps == 20 && abs(estimate.seconds - (22 + 40 * 1.03)) < 1e-9)
    }

    /// 20 evaluations, or five if they are small, with a quarter of their tokens again of the training data, take 1.5 % of the run.
    @Test(arguments: [600, 1_024, 16_384, 262_144, 1 << 20], [1e-7, 2e-5, 1e-4, 4e-3])
    func `evaluations have the most tokens that fit the run`(most: Int, secondsPerToken: Double) {
        for seconds in [10.0, 120, 3_600] {
            let tokens = EvaluationSchedule.tokens(most: most, within: seconds, secondsPerToken: secondsPerToken)
            let share = { (tokens: Int) in Double(tokens * (tokens > 8_192 ? 20 : 5)) * 1.25 * secondsPerToken / seconds }
            #expect(share(tokens) <= 0.015 || tokens == min(most, 1_024), "\(tokens)")
            #expect(tokens == most || share(2 * tokens) > 0.015, "\(tokens)")
        }
        // An evaluated token takes a third of the time of a training token.
        for trainingTokens in [10_000, 1_000_000, 20_000_000, 1_000_000_000] {
            let tokens = EvaluationSchedule.tokens(most: most, trainingTokens: trainingTokens)
            let share = { (tokens: Int) in Double(tokens * 20) * 1.25 / 3 / Double(trainingTokens) }
            #expect(share(tokens) <= 0.03 || tokens == min(most, 4_096), "\(tokens)")
            #expect(tokens == most || share(2 * tokens) > 0.03, "\(tokens)")
        }
    }

    /// Without validation data, training rows of as many tokens are evaluated, otherwise of a quarter: at least a row, which has 48 tokens,
    /// and at most an epoch.
    @Test(arguments: [(432, false, 432), (432, true, 96), (100, true, 48), (1 << 20, false, nil)] as [(Int, Bool, Int?)])
    func `the progress of an evaluation rises to the number of its tokens`(most: Int, validating: Bool, rowTokens: Int?) throws {
        // Long enough for 2^20 tokens in each evaluation.
        let plan = TrainingPlan(.tokens(1 << 30), batch: 2, evalTokens: most, evaluatesFirst: true)
        let run = try run(plan, validating: validating), epoch = 2 * 48 * Int(run.training.stepsPerEpoch.rounded(.up))
        var shown: [Int] = [], sizes: Set<Int> = [], training = 0, validation = 0
        try run.train(until: 0) { event in
            switch event {
            case .evaluating(let tokens, let all):
                shown.append(tokens)
                sizes.insert(all)
            case .evaluated(let onTraining, let held, _, _, _):
                training = onTraining.targets
                validation = held?.targets ?? 0
            default: break
            }
        }
        let size = validation + (rowTokens ?? epoch)
        #expect(sizes == [size] && shown.last == size, "\(shown) of \(sizes)")
        #expect(shown.count > 1 && shown[0] > 0 && zip(shown, shown.dropFirst()).allSatisfy { $0 < $1 }, "\(shown)")
        // Rows have padding.
        #expect(training > (rowTokens ?? epoch) / 3 && training <= rowTokens ?? epoch && (validation >= most) == validating)
    }

    @Test func `without validation data, training rows are evaluated in 3 % of the time`() throws {
        let run = try run(TrainingPlan(.seconds(120), batch: 2), validating: false)
        var machine = Machine(secondsPerStep: 1.9, secondsPerToken: 0.755e-3)
        #expect(try run.run(clock: { machine.now }, shouldStop: { _ in false }) { machine.add($0) } == .finished)
        #expect(machine.evaluations > 1 && machine.evaluating <= 0.03 * 120 && machine.result == nil, "\(machine.evaluating) s")
    }

    @Test func `early stopping does not count evaluations during the warmup and the first tenth of a run`() throws {
        for (warmup, expected) in [(0, 24), (50, 54)] {
            let run = try run(TrainingPlan(.steps(200), batch: 2, lr: 0, warmup: warmup, evalEvery: 1, patience: 5))
            #expect(try run.train() == .earlyStopped)
            #expect(run.state.step == expected)
        }
    }
}
