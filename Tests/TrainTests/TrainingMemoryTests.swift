import Autograd
import Kernels
import Model
import Testing
import Train

@Suite struct TrainingMemoryTests {
    /// What `slm bench train --synthetic` had at most, in MiB, on the machine of Documentation/Performance/Results.md. These runs are too
    /// large for a test; TrainingMemoryMeasurementTests measures smaller ones.
    @Test(arguments: [
        (GPTConfiguration.eugpt, DataType.bfloat16, 12, false, 925.0), (.eugpt, .float32, 12, false, 1_001),
        (.eugpt, .bfloat16, 12, true, 789), (.eugpt, .float32, 12, true, 743), (.gpt2, .bfloat16, 4, false, 3_029),
    ])
    func `the estimate is within a tenth of the figures of the documentation`(
        model: GPTConfiguration, type: DataType, rows: Int, recomputing: Bool, measured: Double
    ) {
        let estimate = TrainingMemory(type, rows: rows, recomputesBlocks: recomputing).bytes(for: model) / 1_048_576
        #expect(abs(estimate - measured) <= 0.1 * measured, "\(estimate) for \(measured)")
    }

    /// What whole runs of `slm finetune` had at most, in MB: Documentation/Reference/Finetuning.md.
    @Test(arguments: [(nil, 2_726.0), (LoRAConfiguration(rank: 16, targets: GPT.loraTargets), 1_211)] as [(LoRAConfiguration?, Double)])
    func `with LoRA, frozen weights need no memory for gradients and moments`(lora: LoRAConfiguration?, measured: Double) {
        let estimate = TrainingMemory(.bfloat16, rows: 4, microBatchTokens: 1_024, lora: lora).bytes(for: .gpt2) / 1e6
        #expect(abs(estimate - measured) <= 0.1 * measured, "\(estimate) for \(measured)")
        #expect(TrainingMemory(.bfloat16, rows: 4, lora: lora).microBatchTokens == (lora == nil ? 1_536 : 1_024))
    }

    /// Each token more needs two rows of the table and the head, with gradients and two moments, and the logits of 1,024 rows with a copy
    /// in bfloat16.
    @Test func `the memory of an n-gram initialization grows with the vocabulary`() {
        var configuration = GPTConfiguration(layers: 1, heads: 5, width: 320, context: 1, vocabulary: 100_000), bytes: [Double] = []
        var memory = TrainingMemory(.float32, rows: 1, microBatchTokens: 1)
        memory.nGramTokens = 1_000
        for vocabulary in [100_000, 200_000] {
            configuration.vocabulary = vocabulary
            let parameters = 16 * Double(configuration.parameterCount)
            bytes.append(memory.bytes(for: configuration) - parameters)
        }
        #expect(abs((bytes[1] - bytes[0]) / 100_000 - (2 * 16 * 160 + 6 * 1_024)) < 1)
        // The program, 24 bytes for each counted token, and a row of the table for each hidden unit of the model.
        let table = 16 * (2 * 100_000 + 4.0 * 320) * 160
        #expect(abs(bytes[0] - (40e6 + 24 * 1_000 + table + 6 * 1_024 * 100_000)) < 1)
        memory.nGramTokens = 1 << 30                          // a sample of 2^25 is counted
        configuration.vocabulary = 100_000
        let more = memory.bytes(for: configuration) - 16 * Double(configuration.parameterCount) - bytes[0]
        #expect(abs(more - 24 * Double(1 << 25 - 1_000)) < 1)
    }

    /// A block keeps for a token: queries, keys, values and attention (4C), two norms (2C) and the MLP (2F) in the type of matmuls, and the
    /// residual stream twice in f32.
    @Test func `activations grow with what an architecture has in addition`() {
        let configuration = GPTConfiguration(layers: 2, heads: 12, width: 768, context: 1_024, vocabulary: 1_000)
        let T = 4_096.0, L = 2.0, C = 768.0, F = 4 * C, logits = 1_536 * 1_000.0
        func activations(
            _ precision: DataType = .float32, recompute: Bool = false, with change: (inout GPTConfiguration) -> Void = { _ in }
        ) -> Double {
            var changed = configuration
            change(&changed)
            let memory = TrainingMemory(precision, rows: 4, microBatchTokens: 4_096, recomputesBlocks: recompute)
            return memory.bytes(for: changed) - 40e6 - 16 * Double(changed.parameterCount)
        }
        let block = 4 * (6 * C + 2 * F) + 8 * C, plain = L * T * block + 4 * logits
        #expect(activations() == plain)
        #expect(activations(.bfloat16) == L * T * (2 * (6 * C + 2 * F) + 8 * C) + 6 * logits)
        #expect(activations(recompute: true) == T * block + L * T * 4 * C + 4 * logits)
        let changes: [(more: Double, change: (inout GPTConfiguration) -> Void)] = [
            (3 * C, { $0.positions = .rotary }), (F, { $0.isGated = true }), (2 * C, { $0.hasPostNorms = true }),
            (2 * F + 4 * C, { $0.experts = Experts(count: 4, active: 2) }),
            (4 * F + 4 * C, { $0.experts = Experts(count: 4, active: 2); $0.isGated = true }),
        ]
        for (more, change) in changes { #expect(activations(with: change) == plain + L * T * 4 * more) }
        #expect(activations(with: { $0.logitCap = 30 }) == plain + 4 * logits)
    }

    /// They need more than training where rows are few and short.
    @Test func `sample answers need the weights once more, and the keys and values of a row`() {
        var configuration = GPTConfiguration(layers: 3, heads: 2, width: 64, context: 8, vocabulary: 1_000)
        for (heads, width) in [(2, 64.0), (1, 32)] {
            configuration.keyValueHeads = heads
            let weights = Double(configuration.parameterCount)
            for (precision, bytes) in [(DataType.float32, 4.0), (.bfloat16, 2)] {
                let samples = TrainingMemory(precision, rows: 1).bytes(for: configuration) - 40e6 - 16 * weights
                #expect(samples == bytes * (weights + 2 * 3 * 8 * width), "\(heads) heads, \(precision)")
            }
        }
    }

    @Test func `the memory of the token files is added`() {
        var memory = TrainingMemory(.float32, rows: 1)
        let without = memory.bytes(for: .tiny)
        memory.dataBytes = 1e9
        #expect(memory.bytes(for: .tiny) == without + 1e9)
    }

    @Test func `advised settings fit, and there are none if nothing fits`() {
        var large = GPTConfiguration.gpt2
        large.context = 65_536
        let memory = TrainingMemory(.float32, rows: 1)
        let advice = memory.advice(for: large, within: 4e9)
        #expect(advice.map(\.setting).contains { $0.hasPrefix("--context ") } && advice.map(\.setting).contains("--preset tiny"))
        #expect(advice.allSatisfy { $0.bytes <= 4e9 } && memory.bytes(for: large) > 4e9)
        #expect(memory.advice(for: large, within: 1e6).isEmpty)
        var half = GPTConfiguration.gpt2
        half.context /= 2
        // A setting that needs exactly the memory that there is fits.
        #expect(memory.advice(for: .gpt2, within: memory.bytes(for: half)).contains { $0.setting == "--context \(half.context)" })
        #expect(memory.advice(for: .gpt2, within: 1e12).first?.setting == "--recompute")
        #expect(!memory.advice(for: .gpt2, within: 1e12).contains { $0.setting == "--preset gpt2" })
        var absurd = GPTConfiguration.gpt2
        absurd.layers = 1_000
        absurd.context = 1_048_576
        #expect(TrainingMemory(.float32, rows: 65_536, microBatchTokens: 1 << 30).bytes(for: absurd) > 1e12)
    }
}
