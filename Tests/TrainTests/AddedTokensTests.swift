import Autograd
import Checkpoint
import Files
import Kernels
import Model
import Testing
import TestSupport
import Tokenize
import Train

/// Special tokens that fine-tuning adds to the vocabulary of its base.
@Suite struct AddedTokensTests {
    private let folder = TemporaryFolder()
    private let vocabulary = Vocabulary.ofBytes(specialTokens: ["<|eos|>"])

    /// Writes a base model with random weights, and chats.
    private func base(isTied: Bool = true, unusedRows: Int = 0, precision: WeightPrecision? = nil) throws -> Checkpoint {
        let processor = try Processor(threads: 1)
        var configuration = GPTConfiguration(layers: 1, heads: 2, width: 32, context: 64, vocabulary: vocabulary.count + unusedRows)
        configuration.isTied = isTied
        let parameters = Parameters(ParameterList(of: configuration), on: processor, seed: 3)
        var checkpoint = try Checkpoint(configuration, parameters, vocabulary)
        if let precision { checkpoint = try checkpoint.quantized(to: precision, on: processor) }
        try checkpoint.write(to: folder("base.h5"))
        folder.write((0..<20).map { #"{"user": "say \#($0)", "assistant": "\#($0) it is"}"# + "\n" }.joined(), to: "chats.jsonl")
        return checkpoint
    }

    private func settings(lora: Bool = true, steps: Int = 6) -> Finetuning.Settings {
        var settings = Finetuning.Settings(data: [folder("chats.jsonl")])
        settings.length = .steps(steps)
        settings.lora = lora ? LoRAConfiguration(rank: 2) : nil
        return settings
    }

    private let plan = TrainingPlan(batch: 2, lr: 1e-2, weightDecay: 0.5)

    private func finetuning(_ settings: Finetuning.Settings, in name: String) throws -> Finetuning {
        let processor = try Processor(threads: 2)
        let base = try FinetuningBase(folder("base.h5"), .known(.chatml), adding: .ofTemplate, on: processor)
        return try Finetuning(of: base, settings, plan, in: folder(name), on: processor)
    }

    private func numbers(_ checkpoint: Checkpoint, _ name: String) throws -> [Float] { try #require(checkpoint.weights[name]).values.array }

    @Test(arguments: [(true, 0), (false, 0), (true, 5)])
    func `an adapter trains the rows of added tokens and no others`(isTied: Bool, unusedRows: Int) throws {
        let base = try base(isTied: isTied, unusedRows: unusedRows), first = vocabulary.count, C = 32
        let rows = max(first + 2, first + unusedRows), before = try numbers(base, "tokens.weight")
        let whole = try finetuning(settings(), in: "whole"), own = whole.run.trainer.parameters
        #expect(whole.vocabulary.specialTokenID("<|im_start|>") == TokenID(first) && whole.vocabulary.count == first + 2)
        #expect(own.list.map(\.name).contains("head.weight") == !isTied)
        // They start as the mean of the others.
        let table = try #require(own.list.first { $0.name == "tokens.weight" })
        #expect(table.shape == [rows, C])
        own.values[table.range].read { span in
            for c in 0..<C {
                let mean = (0..<first).reduce(0) { $0 + before[$1 * C + c] } / Float(first)
                #expect(abs(span[first * C + c] - mean) < 1e-6 && span[(first + 1) * C + c] == span[first * C + c])
            }
        }
        try whole.run.train()
        let trained = try Checkpoint(reading: folder("whole/last.h5"))
        for name in isTied ? ["tokens.weight"] : ["tokens.weight", "head.weight"] {
            let old = try numbers(base, name), new = try numbers(trained, name)
            expectSame(Array(new[0..<first * C]), Array(old[0..<first * C]))
            #expect(new[first * C..<(first + 1) * C] != new[(first + 1) * C..<(first + 2) * C])
        }
        #expect(trained.adapter?.shape.addedTokens?.baseRows == base.configuration.vocabulary)

        // Resumed, it is the same run bit for bit.
        let stopping = try finetuning(settings(), in: "parts")
        try stopping.run.train(until: 3)
        try Finetuning(resuming: folder("parts"), on: Processor(threads: 2)).run.train()
        let same = try InputFile.contents(of: folder("whole/last.h5")) == InputFile.contents(of: folder("parts/last.h5"))
        #expect(same)

        // Merged, it is a model with more rows, tied as before.
        let merged = try trained.merged(on: Processor(threads: 1))
        #expect(merged.configuration.vocabulary == rows && merged.configuration.isTied == isTied)
        #expect(try numbers(merged, "tokens.weight") == numbers(trained, "tokens.weight"))
        #expect(try merged.vocabulary().specialTokenID("<|im_end|>") == TokenID(first + 1))
    }

    @Test func `all weights are trained with added tokens, too, also of a quantized base`() throws {
        let base = try base(precision: .int8)
        try finetuning(settings(lora: false), in: "run").run.train()
        let trained = try Checkpoint(reading: folder("run/last.h5"))
        #expect(trained.configuration.vocabulary == base.configuration.vocabulary + 2 && trained.adapter == nil)
        let (model, _) = try trained.model(on: Processor(threads: 1))
        #expect(model.configuration.vocabulary == vocabulary.count + 2)
    }

    @Test func `tokens that exist keep their ids, and ordinary tokens are refused`() throws {
        var vocabulary = vocabulary
        try vocabulary.include(specialTokens: ["<|eos|>", "<|a|>", "<|a|>"])
        #expect(vocabulary.count == self.vocabulary.count + 1 && vocabulary.specialTokens.map(\.text) == ["<|eos|>", "<|a|>"])
        #expect(throws: TokenizeError.self) { try vocabulary.include(specialTokens: ["a"]) }
        #expect(throws: TokenizeError.self) { try vocabulary.include(specialTokens: [""]) }
        vocabulary.addedTokens = [.init(id: 7, text: "<think>")]
        try vocabulary.include(specialTokens: ["<think>"])
        #expect(vocabulary.addedTokens.isEmpty && vocabulary.specialTokenID("<think>") == 7)
    }

    @Test func `the tokens of a Jinja file have to be named`() throws {
        #expect(throws: TokenizeError.self) { try AddedTokenChoice.ofTemplate.texts(for: .file("x.jinja")) }
        #expect(throws: TokenizeError.self) { try AddedTokenChoice.ofTemplate.texts(for: nil) }
        #expect(try AddedTokenChoice.texts(["<|a|>"]).texts(for: nil) == ["<|a|>"])
        #expect(try AddedTokenChoice.ofTemplate.texts(for: .known(.zephyr)).isEmpty)
    }

    /// - Parameter rows: Those of the base, and the first trained one; -1 for the rows of the embedding.
    @Test(arguments: [[259, 10_000], [10_000, 259], [3, 257], [259, -1]])
    func `an adapter with rows that do not fit is refused`(rows: [Int]) throws {
        _ = try base()
        try finetuning(settings(steps: 1), in: "run").run.train()
        var damaged = try Checkpoint(reading: folder("run/last.h5"))
        let rows = rows.map { $0 < 0 ? damaged.configuration.vocabulary : $0 }
        damaged.adapter?.shape.addedTokens = AddedTokens(baseRows: rows[0], firstTrained: rows[1], layers: GPT.vocabularyLayers)
        try damaged.write(to: folder("run/damaged.h5"))
        let read = try Checkpoint(reading: folder("run/damaged.h5"))
        #expect(throws: CheckpointError.self) { _ = try read.model(on: Processor(threads: 1)) }
    }
}
