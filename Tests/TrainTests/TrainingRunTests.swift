import Autograd
import Checkpoint
import Corpus
import Files
import Kernels
import Model
import Testing
import TestSupport
import Tokenize
import Train

@Suite(.serialized) struct TrainingRunTests {
    private let folder = TemporaryFolder()
    private let vocabulary = Vocabulary.ofBytes(specialTokens: ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"])

    /// Forty small conversations, some of them for validation.
    private func tokens() throws -> TokenMeta {
        let lines = (0..<40).map { "[INST] what is \($0) and \($0 % 7) [/INST] it is \($0 + $0 % 7)\n" }
        var encoding = CorpusEncoder(try Tokenizer(vocabulary), file: "tokenizer.json", template: .specialTokens)
        encoding.seed = 3
        try encoding.write([folder.write(lines.joined(), to: "chats.txt")], to: folder.path, on: WorkerPool(threads: 1))
        return try TokenMeta(reading: folder("meta.json"))
    }

    private let plan = TrainingPlan(.steps(12), batch: 2, warmup: 2, evalEvery: 4)

    private func run(_ plan: TrainingPlan, in name: String, dropout: Float = 0.1, validating: Bool = true) throws -> TrainingRun {
        let meta = try tokens()
        var configuration = GPTConfiguration(layers: 1, heads: 2, width: 16, context: 32, vocabulary: vocabulary.count)
        configuration.dropout = dropout
        let trainer = try Trainer(configuration, on: Processor(threads: 2), precision: .float32, seed: 5)
        let batches = try PackedConversations(
            TokenFile(.train, in: folder.path, meta), rows: plan.batch, context: 32, seed: 1, lossScope: plan.lossScope, padding: 3)
        let validation = try ValidationSet(TokenFile(.val, in: folder.path, meta), .specialTokens, vocabulary, lossScope: plan.lossScope)
        try Folder.create(folder(name))
        return try TrainingRun(
            trainer, plan, training: batches, validation: validating ? validation : nil, vocabulary: vocabulary,
            chatTemplate: .specialTokens, folder: folder(name))
    }

    private func weights(_ run: TrainingRun) -> [Float] {
        run.trainer.parameters.list.flatMap { run.trainer.parameters.value(of: $0).floats }
    }

    @Test func `beside Muon, embeddings and head have no weight decay, and the embedding has four times the rate`() throws {
        var plan = plan
        plan.optimizer = .muon
        plan.weightDecay = 0.5
        let run = try run(plan, in: "muon"), parameters = run.trainer.parameters, optimizer = run.trainer.optimizer
        let before = parameters.list.map { parameters.value(of: $0).floats }
        optimizer.update(rate: 0.1)                              // all gradients are 0
        let decayed = zip(parameters.list, before).filter { parameters.value(of: $0.0).floats != $0.1 }.map(\.0.name)
        #expect(Set(decayed) == ["layer0.qkv.weight", "layer0.output.weight", "layer0.up.weight", "layer0.down.weight"])
        let scales = parameters.list.map { ($0.name, optimizer.learningRateScale($0)) }
        #expect(scales.filter { $0.1 != 1 }.map(\.0) == ["tokens.weight"])
        let embedding = try #require(parameters.list.first { $0.name == "tokens.weight" })
        #expect(optimizer.learningRateScale(embedding) == 4)
        #expect(Optimizer.scaleBesideMuon(of: embedding, isTied: true) == 1)
    }

    @Test(arguments: [1, 4, 7, 11], OptimizerKind.allCases) func `a resumed run equals an uninterrupted one bit for bit`(
        stop: Int, optimizer: OptimizerKind
    ) throws {
        var plan = plan
        plan.optimizer = optimizer
        var losses: [Float] = [], others: [Float] = []
        let whole = try run(plan, in: "whole")
        #expect(try whole.train { if case .step(let report, _, _) = $0 { losses.append(report.loss) } } == .finished)
        let first = try run(plan, in: "parts")
        #expect(try first.train(until: stop) { if case .step(let report, _, _) = $0 { others.append(report.loss) } } == .stopped)
        let checkpoint = try Checkpoint(reading: folder("parts/last.h5")), second = try run(try TrainingPlan(from: checkpoint), in: "parts")
        try second.restore(checkpoint)
        #expect(second.plan == plan && second.state == first.state)
        #expect(try second.train { if case .step(let report, _, _) = $0 { others.append(report.loss) } } == .finished)
        #expect(losses.count == 12 && losses == others)
        #expect(weights(whole) == weights(second))
        #expect(whole.state == second.state)
        let wholeFile = try InputFile.contents(of: folder("whole/last.h5")), partsFile = try InputFile.contents(of: folder("parts/last.h5"))
        #expect(wholeFile.count > 10_000 && wholeFile == partsFile)
    }

    @Test(arguments: [TrainingPlan.Length.steps(7), .epochs(2.5), .tokens(3_000), .seconds(90)])
    func `a checkpoint stores every setting of the plan`(length: TrainingPlan.Length) throws {
        var plan = TrainingPlan()
        plan.length = length
        plan.evaluatesFirst = true
        for setting in TrainingPlan.settings {
            let before = plan
            switch setting.type {
            case .integer(let range): setting.set(&plan, .integer(min(max(3, range.lowerBound), range.upperBound)))
            case .number(let range): setting.set(&plan, .number((range.lowerBound + min(1, range.upperBound)) / 4))
            case .flag, .seconds: setting.set(&plan, 1)
            case .text: setting.set(&plan, "tiny")
            case .choice(let choices): setting.set(&plan, .text(choices[choices.count - 1]))
            }
            #expect(plan != before, "\(setting.name)")
        }
        #expect(plan.batch == 3 && plan.seed == 3 && plan.usesWindows && plan.lossScope == .assistant && plan.schedule == .constant)
        #expect(plan.weightDecay == 0.25 && plan.patience == 3 && plan.recipe == .nanogpt && plan.preset == "tiny")
        plan.machine = try TrainingMachine(Processor(threads: 1), .float32)
        #expect(try TrainingPlan(from: run(plan, in: "plan").checkpoint) == plan)
    }

    @Test(arguments: [(0.25, 2), (0, 0)] as [(Float, Float)]) func `Muon has a learning rate of its own`(lr: Float, ratio: Float) throws {
        var plan = plan
        plan.lr = lr
        plan.muonLR = 0.5
        #expect(try run(plan, in: "adamw").trainer.optimizer.muon == nil)
        plan.optimizer = .muon
        #expect(try run(plan, in: "muon").trainer.optimizer.muon?.rateRatio == ratio)
    }

    /// See the table of recipes in Documentation/Reference/Training.md.
    @Test func `recipes differ in rows, batch, rate and initialization`() {
        let nanogpt = Recipe.nanogpt.plan, counts = Recipe.counts.plan
        #expect(nanogpt.recipe == .nanogpt && nanogpt.usesWindows && nanogpt.batch == 12 && nanogpt.lr == 1e-3 && nanogpt.minLR == 0.1)
        #expect(counts.recipe == .counts && !counts.usesWindows && counts.batch == 4 && counts.lr == 1e-3 && counts.minLR == 0)
        #expect(nanogpt.nGramContexts == 0 && counts.nGramContexts == 819_200)
    }

    @Test func `the steps of a plan follow from its length`() {
        var plan = TrainingPlan()
        let lengths: [(TrainingPlan.Length, Int?)] = [
            (.steps(7), 7), (.epochs(2.5), 250), (.epochs(0.001), 1), (.tokens(3_000), 3), (.tokens(3_001), 4), (.seconds(9), nil),
        ]
        for (length, steps) in lengths {
            plan.length = length
            #expect(plan.steps(perEpoch: 100, tokensPerStep: 1_000) == steps)
        }
    }

    @Test func `a run lowers the loss, saves the best checkpoint and reports events`() throws {
        var plan = plan
        plan.length = .steps(60)
        plan.lr = 1e-2
        let run = try run(plan, in: "learns", dropout: 0)
        var evaluations: [(Evaluation, Bool)] = [], saved: [String] = [], bestStep: Int?
        let ending = try run.train { event in
            switch event {
            case .evaluated(_, let validation?, _, let selection, let state):
                evaluations.append((validation, selection != .worse))
                if selection != .worse { bestStep = state.step }
            case .saved(let path, _): saved.append(path)
            default: break
            }
        }
        let first = try #require(evaluations.first?.0), last = try #require(evaluations.last?.0)
        #expect(ending == .finished && evaluations.count == 15)
        #expect(last.loss < 0.7 * first.loss && last.bitsPerByte < 0.7 * first.bitsPerByte)
        // Below the log 260 nats of a uniform prediction over 260 tokens.
        #expect(first.loss < 5.56 && first.targets > 0 && first.bytes < first.targets)
        let best = try Checkpoint(reading: folder("learns/best.h5"))
        #expect(evaluations.map(\.0.loss).min().map { best.metrics["val_loss"] == .number($0) } == true)
        #expect(best.metrics["val_tokens"] == .integer(last.targets))
        #expect(saved.filter { $0.hasSuffix("best.h5") }.count == evaluations.count { $0.1 })
        #expect(try best.integer("step") == bestStep && run.state.step == 60)
    }

    @Test func `the weights are saved at the interval of the plan, and at the end`() throws {
        var plan = plan, step = 0, saved: [Int] = []
        plan.evalEvery = 100
        plan.saveEvery = 5
        let run = try run(plan, in: "intervals")
        try run.train { event in
            if case .step(_, _, let state) = event { step = state.step }
            if case .saved(let path, let of) = event, path.hasSuffix("last.h5") {
                #expect(of == step)
                saved.append(step)
            }
        }
        #expect(saved == [5, 10, 12])
    }

    @Test func `the weights are saved after each evaluation`() throws {
        var plan = plan, saved: [Int] = []
        plan.evalEvery = 4
        let run = try run(plan, in: "evaluations")
        try run.train { event in
            if case .saved(let path, let step) = event, path.hasSuffix("last.h5") { saved.append(step) }
        }
        #expect(saved == [4, 8, 12])
    }

    @Test func `early stopping ends the run after evaluations without improvement`() throws {
        var plan = plan
        plan.length = .steps(1_000)
        plan.lr = 0
        plan.patience = 3
        let run = try run(plan, in: "patience")
        #expect(try run.train() == .earlyStopped)
        // The first tenth of the run does not count.
        #expect(run.state.evaluations == 27 && run.state.step == 108)
    }

    @Test func `steps that are not finite are skipped, and three in a row end the run without a checkpoint`() throws {
        var plan = plan
        plan.length = .steps(50)
        plan.lr = 1e30
        plan.clip = .infinity
        plan.warmup = 0
        let run = try run(plan, in: "diverges", dropout: 0)
        #expect(run.trainer.clipping == .infinity)
        var skipped: [Int] = []
        #expect(try run.train { if case .skipped(let step) = $0 { skipped.append(step) } } == .diverged)
        let last = run.state.step - 1
        #expect(Array(skipped.suffix(3)) == Array(last - 2...last))
        #expect(run.state.skipped == skipped.count)
        // The weights are finite, but no loss with them is.
        #expect(!TrainingRun.exists(in: folder("diverges")))
        let isFinite = weights(run).allSatisfy { $0.isFinite }
        #expect(isFinite)
    }

    @Test func `a plan of limited time ends the run`() throws {
        var plan = plan
        plan.length = .seconds(10)
        let run = try run(plan, in: "time")
        var now = 100.0, rates: [Float] = []
        let ending = try run.run(
            clock: {
                now += 0.1; return now
            }, shouldStop: { _ in false }
        ) { if case .step(_, let rate, _) = $0 { rates.append(rate) } }
        #expect(ending == .finished && run.state.seconds >= 10 && run.state.seconds < 11)
        #expect(rates.count > 20 && (rates.last ?? 1) < 0.2 * plan.lr && rates.max() ?? 0 <= plan.lr)
        #expect(run.state.evaluations >= 2)
    }

    @Test func `a resumed run of limited time has spent the time of its checkpoint`() throws {
        var plan = plan, now = 50.0
        plan.length = .seconds(100)
        let first = try run(plan, in: "time")
        let ending = try first.run(clock: { now += 0.1; return now }, shouldStop: { $0.step >= 6 }) { _ in }
        #expect(ending == .stopped && first.state.seconds > 0.5 && first.state.evaluationSeconds > 0)
        let second = try run(plan, in: "time")
        try second.restore(Checkpoint(reading: folder("time/last.h5")))
        #expect(second.state == first.state)
    }

    @Test func `without validation data the training loss selects the best checkpoint`() throws {
        let run = try run(plan, in: "alone", validating: false)
        #expect(try run.train() == .finished)
        let best = try Checkpoint(reading: folder("alone/best.h5"))
        #expect(best.metrics["val_loss"] == nil && best.metrics["train_loss"] != nil)
    }
}
