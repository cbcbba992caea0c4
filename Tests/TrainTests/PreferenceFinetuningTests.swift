import Autograd
import Checkpoint
import Corpus
import Distributed
import Files
import Foundation
import Glibc
import Kernels
import Model
import Random
import Testing
import TestSupport
import Tokenize
import Train

@Suite(.serialized) struct PreferenceFinetuningTests {
    private let folder = TemporaryFolder()
    private static let vocabulary = Vocabulary.ofBytes(specialTokens: ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"])
    private static let good = "dear, ok", bad = "ok"

    private func question(_ i: Int) -> String { "say \(["yes", "no", "so", "go"][i % 4]) \(i)" }

    /// A model that answers half of the questions with the planted property.
    private func base(steps: Int = 150) throws -> String {
        let processor = try Processor(threads: 2)
        let configuration = GPTConfiguration(layers: 1, heads: 2, width: 32, context: 48, vocabulary: Self.vocabulary.count)
        let trainer = Trainer(configuration, on: processor, precision: .float32, seed: 5)
        let chats = (0..<200).map { i in
            #"{"user": "\#(question(i))", "assistant": "\#(i / 4 % 2 == 0 ? Self.good : Self.bad)"}"# + "\n"
        }
        let data = try TrainingData(
            .init([folder.write(chats.joined(), to: "base.jsonl")]), vocabulary: Self.vocabulary, on: processor.pool)
        let batches = try data.packedBatches(.train, TrainingPlan(batch: 4, lossScope: .assistant), context: 48)
        for step in 0..<steps { _ = trainer.step(try batches.batch(at: step), rate: step < steps * 2 / 3 ? 1e-2 : 1e-3) }
        try Checkpoint(configuration, trainer.parameters, Self.vocabulary, .specialTokens).write(to: folder("base.h5"))
        return folder("base.h5")
    }

    /// Pairs in which the answer with the property is chosen, or the same answers with ratings.
    private func preferences(_ method: PreferenceMethod, _ count: Int = 60) -> String {
        let lines = (0..<count).map { i in
            switch method {
            case .dpo: #"{"prompt": "\#(question(i))", "chosen": "\#(Self.good)", "rejected": "\#(Self.bad)"}"#
            case .kto:
                #"{"prompt": "\#(question(i))", "completion": "\#(i / 4 % 2 == 0 ? Self.good : Self.bad)", "label": \#(i / 4 % 2 == 0)}"#
            }
        }
        return folder.write(lines.joined(separator: "\n") + "\n", to: "\(method.rawValue).jsonl")
    }

    private func settings(_ method: PreferenceMethod, steps: Int, lora: Bool) -> Finetuning.Settings {
        var settings = Finetuning.Settings(data: [preferences(method)])
        settings.preferences = PreferenceSettings()
        settings.dropout = 0
        settings.length = .steps(steps)
        if lora { settings.lora = LoRAConfiguration(rank: 4, targets: GPT.loraTargets) }
        return settings
    }

    private func finetuning(
        _ settings: Finetuning.Settings, in name: String, rate: Float = 3e-3, recomputing: Bool = false
    ) throws -> Finetuning {
        let processor = try Processor(threads: 2)
        var plan = TrainingPlan(batch: 8, lr: rate, weightDecay: 0, lossScope: .assistant, evalEvery: 5)
        plan.machine = TrainingMachine(processor, .float32, recomputesBlocks: recomputing)
        let base = try FinetuningBase(folder("base.h5"), on: processor)
        return try Finetuning(of: base, settings, plan, in: folder(name), on: processor)
    }

    /// The share of answers with the property, sampled at temperature 1 for questions that no data contains.
    private func winRate(_ path: String, samples: Int = 64) throws -> Double {
        let checkpoint = try Checkpoint(reading: path), processor = try Processor(threads: 2)
        let (model, parameters) = try checkpoint.model(on: processor)
        let tape = Tape(processor, parameters: parameters), tokenizer = try Tokenizer(Self.vocabulary)
        let renderer = try ChatRenderer(.specialTokens, for: tokenizer)
        var encoder = try Encoder(tokenizer), random = SeededRandom(seed: 1, stream: 0), wins = 0
        for i in 0..<samples {
            var prompt = ChatTokens()
            try renderer.append(promptOf: [.init(.user, question(1_000 + i))], with: &encoder, to: &prompt)
            tape.reset()
            let logits = tape.withoutRecording { model.logits(of: tape.ids(prompt.ids, [1, prompt.ids.count]), on: tape).floats }
            // The first byte of the answer decides.
            let last = logits.suffix(Self.vocabulary.count), largest = last.max() ?? 0
            let weights = last.map { exp(Double($0 - largest)) }
            var rest = random.uniform() * weights.reduce(0, +)
            let sampled = weights.firstIndex { weight in
                rest -= weight
                return rest < 0
            }
            if sampled == Int(UInt8(ascii: "d")) + 4 { wins += 1 }
        }
        return Double(wins) / Double(samples)
    }

    @Test(arguments: PreferenceMethod.allCases, [false, true])
    func `a planted preference wins on held-out questions, by DPO and by KTO, in whole models and adapters`(
        _ method: PreferenceMethod, lora: Bool
    ) throws {
        let before = try winRate(base())
        #expect((0.25...0.75).contains(before), "\(before)")
        var evaluations: [Evaluation] = []
        var settings = settings(method, steps: lora ? 150 : 40, lora: lora)
        // A model this small would rather make a rejected answer's last token unlikely than its first.
        settings.preferences?.objective.sftWeight = 1
        let finetuning = try finetuning(settings, in: "run", rate: lora ? 5e-3 : 3e-3)
        try finetuning.run.train { event in
            if case .evaluated(_, let validation?, _, _, _) = event { evaluations.append(validation) }
        }
        let first = try #require(evaluations.first?.preferences), last = try #require(evaluations.last?.preferences)
        // Before the first step the model is the reference model, up to rounding in rows of another shape.
        #expect(abs(first.margin ?? 1) < 1e-3 && (first.kl ?? 1) < 1e-3)
        #expect(last.accuracy > 0.9 && last.margin ?? 0 > 0.1 && last.loss < first.loss)
        let after = try winRate(folder("run/best.h5"))
        #expect(after > 0.8 && after > before + 0.2, "\(before) before, \(after) after")
    }

    @Test(arguments: PreferenceMethod.allCases, [false, true])
    func `a resumed run equals an uninterrupted one bit for bit, with the reference model of its start`(
        _ method: PreferenceMethod, lora: Bool
    ) throws {
        _ = try base(steps: 20)
        let settings = settings(method, steps: 12, lora: lora)
        #expect(try finetuning(settings, in: "whole").run.train() == .finished)
        #expect(try finetuning(settings, in: "parts").run.train(until: 6) == .stopped)
        let resumed = try Finetuning(resuming: folder("parts"), on: Processor(threads: 2))
        #expect(resumed.run.state.step == 6 && resumed.preferences?.method == method)
        #expect(try resumed.run.train() == .finished)
        for name in ["last.h5", "best.h5", "reference.txt"] {
            let same = try InputFile.contents(of: folder("whole/\(name)")) == InputFile.contents(of: folder("parts/\(name)"))
            #expect(same, "\(name)")
        }
        let metrics = try Checkpoint(reading: folder("whole/best.h5")).metrics
        #expect(metrics["preference_accuracy"] != nil && metrics["base_preference_accuracy"] != nil && metrics["bits_per_byte"] == nil)
        for name in ["preference_margin", "base_preference_margin", "preference_kl"] { #expect(metrics[name] != nil, "\(name)") }
    }

    @Test func `without a reference model, log-probabilities are the rewards`() throws {
        _ = try base(steps: 20)
        var settings = settings(.dpo, steps: 2, lora: false)
        settings.preferences?.objective.isReferenceFree = true
        var first: PreferenceMetrics?
        try finetuning(settings, in: "free").run.train { event in
            if case .evaluated(_, let validation?, _, _, _) = event, first == nil { first = validation.preferences }
        }
        let metrics = try #require(first)
        #expect(metrics.chosenReward < -0.01 && metrics.rejectedReward < -0.01 && (metrics.margin ?? 0) != 0, "\(metrics)")
    }

    @Test func `a run resumes only with its data and the log-probabilities of its reference model`() throws {
        _ = try base(steps: 5)
        #expect(try finetuning(settings(.dpo, steps: 12, lora: true), in: "run").run.train(until: 4) == .stopped)
        let processor = try Processor(threads: 2), path = folder("run/reference.txt")
        func resume() throws { _ = try Finetuning(resuming: folder("run"), on: processor) }
        let stored = try InputFile.contents(of: path)
        folder.write(Array(stored.prefix(stored.count / 2)), to: "run/reference.txt")
        #expect(throws: PreferenceError.self) { try resume() }
        folder.write("slm reference log-probabilities 1 of something else\n", to: "run/reference.txt")
        #expect(throws: PreferenceError.damagedReference(path: path, reason: "those of other data")) { try resume() }
        folder.write(stored, to: "run/reference.txt")
        try resume()
        _ = preferences(.dpo, 59)
        #expect(throws: TrainingError.changedData(paths: [folder("run/../dpo.jsonl")])) { try resume() }
    }

    @Test func `an adapter of an int8 base, recomputed blocks and a second adapter start at their reference model`() throws {
        _ = try base(steps: 20)
        let processor = try Processor(threads: 2)
        try Checkpoint(reading: folder("base.h5")).quantized(to: .int8, on: processor).write(to: folder("base.h5"))
        let settings = settings(.dpo, steps: 10, lora: true)
        let first = try finetuning(settings, in: "first", recomputing: true)
        #expect(first.run.trainer.parameters.frozenPrecision == .int8)
        try first.run.train()
        var start = try FinetuningBase(folder("base.h5"), on: processor)
        start.adapter = try Checkpoint(reading: folder("first/last.h5"))
        let second = try Finetuning(of: start, settings, first.run.plan, in: folder("second"), on: processor)
        var losses: [Double] = []
        try second.run.train { if case .evaluated(_, let validation?, _, _, _) = $0 { losses.append(validation.loss) } }
        #expect(abs((losses.first ?? 0) - 0.693_147) < 1e-4 && losses.last ?? 1 < 0.69)
        // The adapter itself is no base.
        #expect(throws: TrainingError.adapterAsBase(path: folder("first/last.h5"))) {
            try Finetuning(
                of: FinetuningBase(folder("first/last.h5"), on: processor), settings, first.run.plan, in: folder("third"), on: processor)
        }
    }

    @Test(arguments: PreferenceMethod.allCases)
    func `ranks train the same weights on preferences as one process`(_ method: PreferenceMethod) throws {
        let base = try base(steps: 20), path = folder.path
        var settings = settings(method, steps: 7, lora: false)
        settings.dropout = 0.1
        let shared = settings
        struct Found: Equatable, Sendable {
            var losses: [Double] = []
            var steps: [PreferenceMetrics] = []
        }
        let train = { @Sendable (ranks: RankGroup?, name: String) -> Found? in
            var plan = TrainingPlan(batch: 8, gradientGroups: 4, lossScope: .assistant, evalEvery: 3), found = Found()
            guard let processor = try? Processor(threads: 1) else { return nil }
            plan.machine = TrainingMachine(processor, .float32)
            do {
                let finetuning = try Finetuning(
                    of: FinetuningBase(base, on: processor), shared, plan, in: "\(path)/\(name)", on: processor, over: ranks)
                try finetuning.run.train { event in
                    if case .evaluated(_, let validation?, _, _, _) = event { found.losses.append(validation.loss) }
                    if case .step(let report, _, _) = event, let metrics = report.preferences { found.steps.append(metrics) }
                }
            } catch {
                fatalError("\(error)")
            }
            return found
        }
        let alone = try #require(train(nil, "alone")), weights = try Checkpoint(reading: folder("alone/last.h5")).weightsDigest
        #expect(alone.losses.count >= 3 && Set(alone.losses).count == alone.losses.count)
        #expect(alone.steps.count == 7 && alone.steps.allSatisfy { $0.examples == 8 && $0.loss.isFinite })
        #expect(alone.steps.allSatisfy { ($0.kl != nil) == (method == .kto) })
        for count in [1, 2, 3] {
            let found = try withRanks(count) { train($0, "ranks \(count)") }
            #expect(found[0] == alone, "\(count) ranks")
            #expect(try Checkpoint(reading: folder("ranks \(count)/last.h5")).weightsDigest == weights, "\(count) ranks")
        }
    }

    @Test func `ranks with other preferences are refused before they share work`() throws {
        let base = try base(steps: 5), path = folder.path, settings = settings(.dpo, steps: 7, lora: false)
        var others = settings
        others.data = [folder("others.jsonl")]
        let lines = try String(contentsOfFile: settings.data[0], encoding: .utf8).split(separator: "\n").prefix(30)
        folder.write(lines.joined(separator: "\n") + "\n", to: "others.jsonl")
        let errors = try withRanks(2) { [others] ranks in
            let plan = TrainingPlan(batch: 8, gradientGroups: 4)
            guard let processor = try? Processor(threads: 1) else { return "" }
            do {
                _ = try Finetuning(
                    of: FinetuningBase(base, on: processor), ranks.isFirst ? settings : others, plan, in: path + "/run", on: processor,
                    over: ranks)
                return ""
            } catch {
                return "\(error)"
            }
        }
        #expect(errors.allSatisfy { $0.hasPrefix("all ranks need the same data: rank 0 has ") }, "\(errors)")
    }

    @Test func `early stopping uses the held-out preferences, and best.h5 is the last model that they do not show to be worse`() throws {
        _ = try base(steps: 20)
        // Nothing to learn: one of two equal answers is chosen at random.
        let lines = (0..<60).map { i in
            let answers = i * 7 % 5 < 2 ? ["aa", "bb"] : ["bb", "aa"]
            return #"{"prompt": "\#(question(i))", "chosen": "\#(answers[0])", "rejected": "\#(answers[1])"}"#
        }
        var settings = settings(.dpo, steps: 400, lora: false)
        settings.data = [folder.write(lines.joined(separator: "\n") + "\n", to: "noise.jsonl")]
        var plan = try finetuning(settings, in: "run", rate: 1e-2).run.plan
        plan.patience = 2
        plan.warmup = 1
        settings.warmup = 1
        let processor = try Processor(threads: 2), base = try FinetuningBase(folder("base.h5"), on: processor)
        let stopping = try Finetuning(of: base, settings, plan, in: folder("stopping"), on: processor)
        var losses: [Double] = [], kept = (step: 0, loss: 0.0)
        #expect(try stopping.run.train { event in
            guard case .evaluated(_, let validation?, _, let selection, let state) = event else { return }
            losses.append(validation.loss)
            if selection != .worse { kept = (state.step, validation.loss) }
        } == .earlyStopped)
        #expect(try Checkpoint(reading: folder("stopping/best.h5")).integer("step") == kept.step && stopping.run.state.step < 400)
        #expect(try kept.loss <= #require(losses.min()) + 0.05 && losses.count > 3, "\(losses)")
    }
}
