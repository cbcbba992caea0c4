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

@Suite(.serialized) struct FinetuningTests {
    private let folder = TemporaryFolder()
    private static let vocabulary = Vocabulary.ofBytes(specialTokens: ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"])

    private enum Topic { case sums, names }

    @discardableResult
    private func chats(_ topic: Topic, _ count: Int, in name: String) -> String {
        let names = ["ann", "bob", "eve", "kim"]
        let lines = (0..<count).map { i in
            switch topic {
            case .sums:
                #"{"timestamp": "2026-01-02T03:04:05", "user": "what is \#(i) and \#(i % 7)", "assistant": "it is \#(i + i % 7)"}"#
            case .names: #"{"user": "my name is \#(names[i % 4]) \#(i)", "assistant": "good day \#(names[i % 4])!"}"#
            }
        }
        return folder.write(lines.map { $0 + "\n" }.joined(), to: name)
    }

    private func data(_ paths: [String], on pool: WorkerPool) throws -> TrainingData {
        try TrainingData(.init(paths), vocabulary: Self.vocabulary, on: pool)
    }

    /// Writes `base.h5`, a model trained on sums.
    @discardableResult
    private func base(steps: Int = 0, dropout: Float = 0, context: Int = 48) throws -> String {
        let processor = try Processor(threads: 2)
        var configuration = GPTConfiguration(layers: 1, heads: 2, width: 32, context: context, vocabulary: Self.vocabulary.count)
        configuration.dropout = dropout
        let trainer = Trainer(configuration, on: processor, precision: .float32, seed: 5)
        if steps > 0 {
            let data = try data([chats(.sums, 100, in: "sums.jsonl")], on: processor.pool)
            let batches = try data.packedBatches(.train, TrainingPlan(batch: 4), context: 48)
            for step in 0..<steps { _ = trainer.step(try batches.batch(at: step), rate: 1e-2) }
        }
        try Checkpoint(configuration, trainer.parameters, Self.vocabulary, .specialTokens).write(to: folder("base.h5"))
        return folder("base.h5")
    }

    private let plan = TrainingPlan(batch: 2, lr: 1e-2, lossScope: .assistant, evalEvery: 4)

    enum Kind: CaseIterable { case full, plain, pissa }

    private func settings(_ kind: Kind, steps: Int, replay: Bool = false) -> Finetuning.Settings {
        var settings = Finetuning.Settings(data: [chats(.names, 20, in: "names.jsonl")])
        settings.length = .steps(steps)
        if kind != .full { settings.lora = LoRAConfiguration(rank: 3, alpha: 6) }
        settings.loraInitialization = kind == .pissa ? .pissa : .plain
        if replay { settings.replay = [chats(.sums, 40, in: "older.jsonl")] }
        return settings
    }

    private func finetuning(_ settings: Finetuning.Settings, _ plan: TrainingPlan? = nil, in name: String) throws -> Finetuning {
        let processor = try Processor(threads: 2), base = try FinetuningBase(folder("base.h5"), on: processor)
        return try Finetuning(of: base, settings, plan ?? self.plan, in: folder(name), on: processor)
    }

    @Test(arguments: Kind.allCases) func `a resumed run equals an uninterrupted one bit for bit, and the base is unchanged`(
        kind: Kind
    ) throws {
        let before = try InputFile.contents(of: base())
        let settings = settings(kind, steps: 12, replay: true)
        #expect(try finetuning(settings, in: "whole").run.train() == .finished)
        #expect(try finetuning(settings, in: "parts").run.train(until: 6) == .stopped)
        let resumed = try Finetuning(resuming: folder("parts"), on: Processor(threads: 2))
        #expect(resumed.run.state.step == 6 && resumed.data.meta.report.kept == 20 && resumed.replay?.meta.report.kept == 40)
        #expect(try resumed.run.train() == .finished)
        for name in ["last.h5", "best.h5"] {
            let same = try InputFile.contents(of: folder("whole/\(name)")) == InputFile.contents(of: folder("parts/\(name)"))
            #expect(same, "\(name)")
        }
        let last = try Checkpoint(reading: folder("whole/last.h5"))
        let isSame = try InputFile.contents(of: folder("base.h5")) == before
        #expect(isSame && (last.adapter == nil) == (kind == .full) && (last.adapter?.principals.count ?? 0 > 0) == (kind == .pissa))
    }

    @Test func `an adapter of an int8 base keeps it in int8, trains on short rows, and resumes bit for bit`() throws {
        let processor = try Processor(threads: 2)
        try Checkpoint(reading: base()).quantized(to: .int8, on: processor).write(to: folder("base.h5"))
        var settings = settings(.plain, steps: 8, replay: true)
        settings.context = 32
        var plan = plan
        plan.machine = TrainingMachine(processor, .float32, recomputesBlocks: true)
        let whole = try finetuning(settings, plan, in: "whole")
        #expect(whole.run.trainer.parameters.frozenPrecision == .int8)
        #expect(whole.run.trainer.context == 32 && whole.run.trainer.model.recomputesBlocks && whole.run.tokensPerStep == 64)
        #expect(try whole.run.train() == .finished)
        #expect(try finetuning(settings, plan, in: "parts").run.train(until: 4) == .stopped)
        let resumed = try Finetuning(resuming: folder("parts"), on: processor)
        #expect(resumed.run.trainer.context == 32 && resumed.run.trainer.parameters.frozenPrecision == .int8)
        #expect(try resumed.run.train() == .finished)
        let same = try InputFile.contents(of: folder("whole/last.h5")) == InputFile.contents(of: folder("parts/last.h5"))
        #expect(same)
        // The adapter has the model's whole context, and gives the same losses over the int8 base and over its f32 values.
        let last = try Checkpoint(reading: folder("whole/last.h5"))
        #expect(last.configuration.context == 48)
        #expect(try last.storedPrecision(over: last.adapterBase()) == .int8 && last.quantizedPrecision == nil)
        let losses = try [true, false].map { keeps in
            let (model, parameters) = try last.model(keepingQuantized: keeps, on: processor), tape = Tape(processor, parameters: parameters)
            #expect(parameters.frozenPrecision == (keeps ? .int8 : .float32))
            let ids = tape.ids((0..<40).map { Int32($0 % 17) }, [1, 40])
            return tape.withoutRecording { model.loss(of: ids, predicting: ids, on: tape) }.scalar
        }
        expectClose([losses[0]], [losses[1]], within: .forward, "loss")
        #expect(try last.merged(on: processor).quantizedPrecision == nil)
    }

    @Test(arguments: [WeightPrecision.bfloat16, .int8]) func `an f32 base can be kept in fewer bits, also by a resumed run`(
        precision: WeightPrecision
    ) throws {
        let processor = try Processor(threads: 2)
        try base(steps: 10)
        var settings = settings(.plain, steps: 8)
        settings.basePrecision = precision
        let whole = try finetuning(settings, in: "whole")
        #expect(whole.run.trainer.parameters.frozenPrecision == precision)
        #expect(try whole.run.train() == .finished)
        #expect(try finetuning(settings, in: "parts").run.train(until: 4) == .stopped)
        let resumed = try Finetuning(resuming: folder("parts"), on: processor)
        #expect(resumed.run.trainer.parameters.frozenPrecision == precision)
        #expect(try resumed.run.train() == .finished)
        let same = try InputFile.contents(of: folder("whole/last.h5")) == InputFile.contents(of: folder("parts/last.h5"))
        #expect(same)
        // The adapter belongs to the file in f32.
        let last = try Checkpoint(reading: folder("whole/last.h5"))
        #expect(try last.storedPrecision(over: last.adapterBase()) == nil)
        #expect(try last.model(on: processor).parameters.frozenPrecision == .float32)
        // int8 weights cannot be kept in more bits than they have, except in f32.
        let small = try Checkpoint(reading: folder("base.h5")).quantized(to: .int8, on: processor)
        #expect(try small.keeping(.int8, on: processor).quantizedPrecision == .int8)
        #expect(try small.keeping(.float32, on: processor).quantizedPrecision == nil)
        #expect { _ = try small.keeping(.bfloat16, on: processor) } throws: {
            "\($0)".contains("expected f32 or bf16 weights to keep in bf16 (--base-dtype), found int8 ones")
        }
    }

    @Test(arguments: [Kind.plain, .pissa]) func `base and adapter together are the trained model`(kind: Kind) throws {
        try base()
        let finetuning = try finetuning(settings(kind, steps: 6), in: "run"), trainer = finetuning.run.trainer
        try finetuning.run.train()
        let processor = try Processor(threads: 2), (model, parameters) = try Checkpoint(reading: folder("run/last.h5")).model(on: processor)
        expectSame(parameters.values.array, trainer.parameters.values.array, "A and B")
        expectSame(parameters.frozenValues.array, trainer.parameters.frozenValues.array, "frozen weights")
        #expect(model.configuration == trainer.model.configuration && model.configuration.dropout == 0)
    }

    @Test(arguments: Kind.allCases) func `the evaluation before the first step is that of the base, which can be the best`(
        kind: Kind
    ) throws {
        try base(steps: 20)
        var plan = plan, losses: [Double] = []
        plan.lr = 0
        plan.patience = 2
        let settings = settings(kind, steps: 100, replay: true), finetuning = try finetuning(settings, plan, in: "run")
        let ending = try finetuning.run.train {
            if case .evaluated(_, let new?, let old?, _, let state) = $0, state.step == 0 { losses = [new.loss, old.loss] }
        }
        // The first ten of a hundred steps do not count.
        #expect(ending == .earlyStopped && finetuning.run.state.step == 16)
        let best = try Checkpoint(reading: folder("run/best.h5"))
        #expect(try best.integer("step") == 0 && losses.count == 2)
        for (name, loss) in zip(["val_loss", "replay_loss"], losses) {
            #expect(best.metrics[name] == .number(loss) && best.metrics["base_\(name)"] == .number(loss))
        }
        // The base itself on the same chats.
        let processor = try Processor(threads: 2), (model, parameters) = try Checkpoint(reading: folder("base.h5")).model(on: processor)
        let trainer = Trainer(model, parameters, on: processor, precision: .float32, seed: 1)
        let set = try #require(try data(settings.data, on: processor.pool).validationSet(.assistant))
        let loss = try set.evaluation(of: set.part(of: .max), by: trainer.evaluator).loss
        expectClose([Float(losses.first ?? 0)], [loss], within: .gradient, "loss")
    }

    @Test(arguments: Kind.allCases)
    func `fine-tuning lowers the loss on new chats, and replay reduces forgetting of older ones`(kind: Kind) throws {
        try base(steps: 120)
        func losses(share: Double) throws -> (new: [Double], old: [Double]) {
            var settings = settings(kind, steps: 40, replay: true), new: [Double] = [], old: [Double] = [], lowest = Double.infinity
            settings.replayShare = share
            try finetuning(settings, in: "\(share)").run.train {
                guard case .evaluated(_, let a?, let b?, let selection, _) = $0 else { return }
                new.append(a.loss)
                old.append(b.loss)
                // The best weights predict both sets best, each by its share.
                let loss = (1 - share) * a.loss + share * b.loss
                #expect((selection == .lowest) == (loss < lowest), "\(share): \(new) \(old)")
                lowest = min(lowest, loss)
            }
            return (new, old)
        }
        let old = try losses(share: 0.9)
        #expect(zip(old.old, old.old.dropFirst()).contains { $0 < $1 } && old.new.last ?? 9 < old.new.first ?? 0, "\(old)")
        let without = try losses(share: 0.001)
        let with = try losses(share: 0.5)
        for (name, loss) in [("without", without), ("with", with)] {
            #expect(loss.new.last ?? 9 < 0.6 * (loss.new.first ?? 0), "\(name): \(loss.new)")
        }
        #expect(with.old.last ?? 9 < 0.8 * (without.old.last ?? 0), "\(with.old) \(without.old)")
    }

    private func errorMessage(_ settings: Finetuning.Settings) -> String {
        do { _ = try finetuning(settings, in: "refused") } catch { return "\(error)".replacing(folder.path, with: "folder") }
        return "accepted"
    }

    /// Dropout in a model that was trained without it doubles the loss and keeps an adapter from learning.
    @Test(arguments: [0, 0.25] as [Float])
    func `dropout is that of the base unless it is set, and preferences have none`(dropout: Float) throws {
        try base(dropout: dropout)
        func rate(_ settings: Finetuning.Settings, in name: String) throws -> Float {
            try finetuning(settings, in: name).run.trainer.model.configuration.dropout
        }
        var settings = settings(.plain, steps: 1)
        #expect(try rate(settings, in: "default") == dropout)
        settings.dropout = 0.5
        #expect(try rate(settings, in: "set") == 0.5)
    }

    @Test func `fewer than ten chats are refused unless the minimum is lower`() throws {
        try base()
        var settings = Finetuning.Settings(data: [chats(.names, 9, in: "few.jsonl")])
        #expect(
            errorMessage(settings)
                == "folder/few.jsonl: 9 chats, and fine-tuning needs 10. Collect more, or continue with fewer: --force")
        #expect(!TemporaryFolder.names(in: folder.path).contains("refused"))
        settings.minimumChats = 1
        #expect(errorMessage(settings) == "accepted")
        for (count, validation) in [(1, 0), (2, 1), (3, 1)] {
            settings.data = [chats(.names, count, in: "few.jsonl")]
            let finetuning = try finetuning(settings, in: "few\(count)")
            #expect(finetuning.data.exampleCount(.train, context: 48) == count - validation)
            #expect(finetuning.data.exampleCount(.val, context: 48) == validation)
            #expect(try finetuning.run.train(until: 3) == .stopped)
        }
        settings.data = [folder.write("", to: "none.jsonl")]
        #expect(errorMessage(settings).hasPrefix("folder/none.jsonl:1: the file is empty"))
    }

    @Test func `malformed chats are errors unless they are skipped, also by a resumed run`() throws {
        try base()
        let lines = (0..<20).map { #"{"user": "my name is \#($0)", "assistant": "good day!"}"# + "\n" }
        var settings = Finetuning.Settings(data: [folder.write(lines.joined() + "{\n", to: "bad.jsonl")])
        settings.length = .steps(4)
        #expect(errorMessage(settings).hasPrefix("folder/bad.jsonl:21: "))
        settings.skipsBad = true
        #expect(try finetuning(settings, in: "skips").run.train(until: 2) == .stopped)
        let resumed = try Finetuning(resuming: folder("skips"), on: Processor(threads: 2))
        #expect(resumed.run.state.step == 2 && resumed.data.report?.malformed == 1)
    }

    @Test(arguments: [Kind.plain, .pissa]) func `an adapter is trained further from its own A and B`(kind: Kind) throws {
        try base(steps: 20)
        try finetuning(settings(kind, steps: 12), in: "first").run.train()
        let first = try Checkpoint(reading: folder("first/last.h5")), shape = LoRAConfiguration(rank: 3, alpha: 6)
        func second(_ name: String, over base: String = "base.h5", _ initial: Checkpoint) throws -> Finetuning {
            let processor = try Processor(threads: 2)
            var start = try FinetuningBase(folder(base), on: processor)
            start.adapter = initial
            return try Finetuning(of: start, settings(.full, steps: 4), plan, in: folder(name), on: processor)
        }
        let continued = try second("second", first), trainer = continued.run.trainer
        let (_, parameters) = try first.model(on: Processor(threads: 2))
        let own = trainer.parameters
        for (found, expected) in [(own.values, parameters.values), (own.frozenValues, parameters.frozenValues)] {
            expectSame(found.array, expected.array)
        }
        #expect(continued.run.adapter?.shape == shape && continued.run.adapter?.principals.count == first.adapter?.principals.count)
        try continued.run.train()
        let resumed = try Finetuning(resuming: folder("second"), on: Processor(threads: 2))
        #expect(resumed.run.state.step == 4 && resumed.run.adapter?.shape == shape)
        let whole = try Checkpoint(reading: folder("base.h5"))
        #expect(throws: TrainingError.noAdapter(path: folder("base.h5"))) { _ = try second("third", whole) }
        let processor = try Processor(threads: 1)
        try whole.quantized(to: .int8, on: processor).write(to: folder("other.h5"))
        let refusal = #expect(throws: CheckpointError.self) { _ = try second("fourth", over: "other.h5", first) }
        #expect(refusal?.description.contains("is a LoRA adapter for another model than") == true)
    }

    @Test func `an adapter as base, changed chats and runs of another kind are refused`() throws {
        try base()
        try finetuning(settings(.plain, steps: 4), in: "run").run.train()
        #expect(throws: TrainingError.adapterAsBase(path: folder("run/best.h5"))) {
            let processor = try Processor(threads: 1)
            _ = try Finetuning(
                of: FinetuningBase(folder("run/best.h5"), on: processor), settings(.full, steps: 4), plan, in: folder("b"), on: processor)
        }
        chats(.names, 21, in: "names.jsonl")
        let resume = { (name: String) in _ = try Finetuning(resuming: folder(name), on: Processor(threads: 1)) }
        #expect(throws: TrainingError.changedData(paths: [folder("run/../names.jsonl")])) { try resume("run") }
        try Folder.create(folder("no"))
        var stored = try Checkpoint(reading: folder("run/last.h5"))
        for name in stored.training.names where name.hasPrefix("finetune/") { stored.training[name] = nil }
        try stored.write(to: folder("no/last.h5"))
        #expect(throws: TrainingError.noFinetune(path: folder("no/last.h5"))) { try resume("no") }
    }

    @Test func `the default length is three epochs and at least 20 steps, and a batch has at most all rows`() throws {
        try base()
        var settings = Finetuning.Settings(data: [chats(.names, 20, in: "names.jsonl")]), wide = plan
        wide.batch = 64
        let short = try finetuning(settings, wide, in: "short").run
        #expect(short.steps == 20 && short.plan.warmup == 2 && short.plan.batch < 64)
        settings.data = [chats(.names, 600, in: "many.jsonl")]
        let long = try finetuning(settings, in: "long").run
        #expect(try #require(long.steps) > 200 && long.plan.batch == 2)
    }

    /// A measured pass takes 2 seconds by this clock, and the optimizer's step 16.
    @Test func `the warmup of a run of limited time follows from the measured steps`() throws {
        try base()
        var settings = settings(.full, steps: 1), seconds = 0.0
        settings.length = .seconds(1_800)
        let processor = try Processor(threads: 2), base = try FinetuningBase(folder("base.h5"), on: processor)
        let run = try Finetuning(of: base, settings, plan, in: folder("timed"), on: processor, clock: {
            seconds += 2
            return seconds
        }).run
        #expect(run.plan.warmup == TrainingPlan.defaultWarmup(for: 100) && run.plan.length == .seconds(1_800))
        #expect(run.plan.warmup < TrainingPlan.defaultWarmup(for: 1_000))
    }

    @Test func `few chats have short rows and small batches, so that an epoch has several steps`() throws {
        try base(context: 2_048)
        func run(_ settings: Finetuning.Settings, in name: String) throws -> TrainingRun {
            var settings = settings, plan = plan
            settings.fitsBatchToChats = true
            plan.batch = 4
            return try finetuning(settings, plan, in: name).run
        }
        // About 34 tokens each: 1,200 in all fill rows of 128, and 20,000 fill rows of 1,024, of which two are a batch.
        let few = try run(.init(data: [chats(.names, 40, in: "few.jsonl")]), in: "few")
        #expect(few.trainer.context == 128 && few.plan.batch == 1 && (6...16).contains(few.training.stepsPerEpoch))
        #expect(few.steps == max(20, Int((2 * few.training.stepsPerEpoch).rounded(.up))))
        let more = try run(.init(data: [chats(.names, 600, in: "more.jsonl")]), in: "more")
        #expect(more.trainer.context == 1_024 && more.plan.batch == 2 && more.training.stepsPerEpoch >= 8)
        #expect(more.steps == Int((3 * more.training.stepsPerEpoch).rounded(.up)))
        // Chats of 700 tokens are not cut.
        let question = String(repeating: "long ", count: 140)
        folder.write((0..<3).map { "{\"user\": \"\(question)\($0)\", \"assistant\": \"yes\"}\n" }.joined(), to: "long.jsonl")
        let mixed = try run(.init(data: [chats(.names, 40, in: "few.jsonl"), folder("long.jsonl")]), in: "mixed")
        #expect(mixed.trainer.context == 1_024)
        // Options stand as they are.
        var chosen = Finetuning.Settings(data: [chats(.names, 40, in: "few.jsonl")])
        chosen.context = 512
        #expect(try run(chosen, in: "chosen").trainer.context == 512)
    }
}
