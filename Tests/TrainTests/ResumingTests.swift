import Checkpoint
import Corpus
import Files
import Kernels
import Model
import Testing
import TestSupport
import Tokenize
import Train

/// Resuming a run with other settings than it was started with, and after it has ended or diverged.
@Suite(.serialized) struct ResumingTests {
    private let folder = TemporaryFolder()
    private let vocabulary = Vocabulary.ofBytes(specialTokens: ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"])

    private let plan = TrainingPlan(.steps(12), batch: 2, lr: 1e-2, warmup: 2, evalEvery: 4)

    private func data() throws -> TrainingData {
        let lines = (0..<40).map { "[INST] what is \($0) and \($0 % 7) [/INST] it is \($0 + $0 % 7)\n" }
        return try TrainingData(
            .init([folder.write(lines.joined(), to: "chats.txt")]), vocabulary: vocabulary, on: WorkerPool(threads: 1))
    }

    private func run(_ plan: TrainingPlan, in name: String) throws -> TrainingRun {
        let configuration = GPTConfiguration(layers: 1, heads: 2, width: 16, context: 32, vocabulary: vocabulary.count), data = try data()
        try Folder.create(folder(name))
        return try TrainingRun(
            Trainer(configuration, on: Processor(threads: 2), precision: .float32, seed: 5), plan,
            training: data.packedBatches(.train, plan, context: 32), validation: data.validationSet(plan.lossScope),
            vocabulary: vocabulary, chatTemplate: .specialTokens, folder: folder(name))
    }

    /// The run of a folder, continued with a changed plan.
    private func resume(_ name: String, _ change: (inout TrainingPlan) -> Void = { _ in }) throws -> (run: TrainingRun, [PlanChange]) {
        let checkpoint = try TrainingRun.checkpoint(toResume: folder(name)), stored = try TrainingPlan(from: checkpoint)
        var plan = stored
        change(&plan)
        let changes = try plan.changes(from: stored), run = try run(plan, in: name)
        try run.restore(checkpoint, changes)
        return (run, changes)
    }

    @Test func `a checkpoint stores the type of matmuls, recomputation, threads and kernels`() throws {
        var plan = plan
        let processor = try Processor(threads: 2, instructionSet: "plain")
        plan.machine = TrainingMachine(processor, .bfloat16, recomputesBlocks: true)
        plan.recipe = .nanogpt
        plan.preset = "tiny"
        plan.vocabularySize = 300
        try run(plan, in: "run").train(until: 3)
        let stored = try TrainingPlan(from: Checkpoint(reading: folder("run/last.h5")))
        #expect(stored == plan)
        #expect(stored.machine?.precision == .bfloat16 && stored.machine?.recomputesBlocks == true && stored.machine?.threads == 2)
        #expect(stored.machine?.cpu == "plain" && stored.machine?.blas == .slm)
    }

    @Test func `a damaged type of matmuls is reported`() throws {
        var plan = plan
        plan.machine = try TrainingMachine(Processor(threads: 2), .float32)
        try run(plan, in: "run").train(until: 1)
        var damaged = try Checkpoint(reading: folder("run/last.h5"))
        damaged.training["plan/dtype"] = "i32"
        #expect(throws: CheckpointError.self) { try TrainingPlan(from: damaged) }
    }

    @Test(arguments: [
        ("plan/save_every", 0), ("plan/eval_every", 0), ("plan/batch", 0), ("plan/batch", -1), ("plan/max_steps", -1),
        ("plan/lr", .number(.nan)), ("plan/min_lr", .number(.infinity)), ("plan/clip", .number(-1)),
        ("step", -1), ("tokens", .integer(.max)), ("since_best", -1), ("seconds", .number(.nan)), ("updates", -1),
    ] as [(String, CheckpointValue)])
    func `a number out of range is reported, not computed with`(name: String, value: CheckpointValue) throws {
        var plan = plan
        plan.saveEvery = 2
        plan.evalEvery = 2
        let run = try run(plan, in: "run")
        try run.train(until: 3)
        var damaged = try Checkpoint(reading: folder("run/last.h5"))
        #expect(damaged.training[name] != nil)
        damaged.training[name] = value
        #expect(throws: CheckpointError.self) {
            _ = try TrainingPlan(from: damaged)
            try run.restore(damaged, [])
        }
    }

    @Test(arguments: [("plan/epochs", .number(.infinity)), ("plan/epochs", .number(.nan)), ("plan/train_tokens", .integer(.max))]
        as [(String, CheckpointValue)])
    func `a length that no run has is reported`(name: String, value: CheckpointValue) throws {
        try run(plan, in: "run").train(until: 1)
        var damaged = try Checkpoint(reading: folder("run/last.h5"))
        damaged.training[name] = value
        #expect(throws: CheckpointError.self) { try TrainingPlan(from: damaged) }
    }

    @Test func `settings that a checkpoint does not store have their defaults, but a run has a batch size`() throws {
        try run(plan, in: "run").train(until: 1)
        var stored = try Checkpoint(reading: folder("run/last.h5"))
        stored.training["plan/beta2"] = nil
        #expect(try TrainingPlan(from: stored).beta2 == TrainingPlan().beta2)
        stored.training["plan/batch"] = nil
        #expect(throws: CheckpointError.self) { try TrainingPlan(from: stored) }
    }

    @Test func `settings that cannot change are refused by name`() throws {
        let stored = plan
        func refused(_ change: (inout TrainingPlan) -> Void) -> TrainingError? {
            var plan = stored
            change(&plan)
            do throws(TrainingError) { _ = try plan.changes(from: stored) } catch { return error }
            return nil
        }
        #expect(refused { $0.batch = 4 } == .cannotChange(option: "--batch", stored: "2", given: "4"))
        #expect(refused { $0.seed = 2 } == .cannotChange(option: "--seed", stored: "1", given: "2"))
        #expect(refused { $0.lossScope = .assistant } == .cannotChange(option: "--loss-scope", stored: "all", given: "assistant"))
        #expect(refused { $0.usesWindows = true } == .cannotChange(option: "--windows", stored: "off", given: "on"))
        #expect(refused { $0.nGramContexts = 1_024 } == .cannotChange(option: "--ngram-contexts", stored: "0", given: "1024"))
        #expect(
            refused { $0.batch = 4 }?.description
                == "--batch: expected 2, which the run was started with, found 4. A resumed run cannot change it: leave the option out, "
                + "or start another run.")
    }

    @Test func `a finished run is not trained again, and a greater length extends it`() throws {
        let first = try run(plan, in: "run")
        #expect(try first.train() == .finished)
        var events = 0
        #expect(try resume("run").run.train { _ in events += 1 } == .finished && events == 0)
        let (longer, changes) = try resume("run") { $0.length = .steps(20) }
        #expect(changes.map(\.option) == ["--max-steps"] && changes[0].old == "12 steps" && changes[0].new == "20 steps")
        // The new plan is stored at once, so that a killed run keeps it.
        #expect(try TrainingPlan(from: Checkpoint(reading: folder("run/last.h5"))).length == .steps(20))
        #expect(try longer.train() == .finished && longer.state.step == 20)
        #expect(throws: TrainingError.lengthPassed(option: "--max-steps", done: "20 steps", given: "15 steps")) {
            try resume("run") { $0.length = .steps(15) }
        }
    }

    @Test func `a length that a run has passed is refused in the unit of the new one`() throws {
        var plan = plan
        for (name, length, half, option) in [
            ("tokens", .tokens(640), .tokens(320), "--train-tokens"), ("epochs", .epochs(1), .epochs(0.5), "--epochs"),
        ] as [(String, TrainingPlan.Length, TrainingPlan.Length, String)] {
            plan.length = length
            let first = try run(plan, in: name)
            try first.train()
            let done = name == "tokens" ? "640 tokens" : "\(Double(first.state.step) / first.training.stepsPerEpoch) epochs"
            #expect(throws: TrainingError.lengthPassed(option: option, done: done, given: "\(half)")) {
                try resume(name) { $0.length = half }
            }
        }
    }

    @Test func `a longer run evaluates as often as if it had had its length from the start`() throws {
        var plan = plan
        plan.evalEvery = nil
        let first = try run(plan, in: "run")
        try first.train(until: 6)
        #expect(first.state.evaluations == 6)
        // A tenth of it is done, and the usual evaluations are twenty.
        let longer = try resume("run") { $0.length = .steps(60) }.run
        #expect(longer.state.evaluations == 2)
        try longer.train()
        #expect(longer.state.evaluations == 20)
    }

    @Test func `only another number of evaluation tokens changes what a resumed run evaluates on`() throws {
        var plan = plan, targets: [Int] = []
        plan.evalTokens = 1
        func report(_ event: TrainingRun.Event) { if case .evaluated(_, let held?, _, _, _) = event { targets.append(held.targets) } }
        try run(plan, in: "run").train(until: 5, report)
        let slower = try resume("run") { $0.lr = 1e-3 }.run
        #expect(slower.state.evaluationTokens == 1)
        try slower.train(until: 9, report)
        let longer = try resume("run") { $0.evalTokens = 1_000_000 }.run
        try longer.train(report)
        // After steps 4 and 8 on one conversation, and after the last step on all.
        #expect(try targets.count == 3 && targets[0] == targets[1] && targets[2] == data().validationSet(.all)?.tokens, "\(targets)")
        #expect(targets[0] < targets[2])
    }

    @Test func `a run that early stopping has ended continues with more patience or another rate`() throws {
        var plan = plan
        plan.length = .steps(40)
        plan.lr = 0
        plan.patience = 1
        #expect(try run(plan, in: "run").train() == .earlyStopped)
        let steps = try Checkpoint(reading: folder("run/last.h5")).integer("step")
        #expect(try resume("run").run.ending == .earlyStopped)
        let patient = try resume("run") { $0.patience = 2 }.run
        #expect(try patient.train() == .earlyStopped && patient.state.step == steps + 4)
        let (run, changes) = try resume("run") { $0.lr = 1e-2 }
        #expect(changes.map(\.option) == ["--lr"] && changes[0].old == "0.0" && changes[0].new == "0.01" && !changes[0].isOfMachine)
        #expect(try run.train() == .finished && run.state.step == 40)
    }

    @Test func `a run that diverged resumes with a lower rate from its last good state, and learns`() throws {
        var plan = plan
        plan.length = .steps(60)
        plan.patience = nil
        plan.saveEvery = 1
        try run(plan, in: "run").train(until: 6)
        let diverging = try resume("run") { $0.clip = .infinity }.run
        diverging.trainer.optimizer.learningRateScale = { _ in 1e32 }
        #expect(try diverging.train() == .diverged && diverging.state.skipped == 3)
        // The state after the step that broke the weights was not written.
        let checkpoint = try Checkpoint(reading: folder("run/last.h5"))
        #expect(try checkpoint.integer("step") == 6 && checkpoint.integer("skipped_in_a_row") == 0)
        var losses: [Float] = []
        let lower = try resume("run") {
            $0.lr = 1e-2
            $0.clip = 1
        }.run
        #expect(try lower.train { if case .step(let report, _, _) = $0 { losses.append(report.loss) } } == .finished)
        #expect(lower.state.skipped == 0 && losses.count == 54)
        #expect((losses.last ?? 9) < 0.7 * (losses.first ?? 0), "\(losses)")
    }

    @Test func `tokens with a loss are counted apart from padding and masked targets`() throws {
        var plan = plan
        plan.lossScope = .assistant
        let run = try run(plan, in: "run"), batches = try data().packedBatches(.train, plan, context: 32)
        try run.train()
        let targets = try (0..<12).map { try batches.batch(at: $0).targetCount }.reduce(0, +)
        #expect(run.state.tokens == 12 * 64 && run.state.lossTokens == targets && targets < 6 * 64)
        #expect(try Checkpoint(reading: folder("run/last.h5")).integer("loss_tokens") == targets)
    }
}
