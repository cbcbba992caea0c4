import Autograd
import Checkpoint
import Files
import Formats
import Infer
import Kernels
import Model
import Testing
import TestSupport
import Tokenize

/// Answers of models whose weights stay in the files of other programs.
@Suite struct ModelFileTests {
    private let folder = TemporaryFolder()
    private let processor: Processor

    init() throws { processor = try Processor(threads: 2) }

    private let ids: [TokenID] = [3, 1, 4, 1, 5, 9, 2]

    private func logits(_ checkpoint: Checkpoint, over base: Checkpoint? = nil, _ precision: WeightPrecision) throws -> [UInt32] {
        let runner = try ModelRunner(of: checkpoint, over: base, on: processor, precision: precision)
        return runner.logits(for: [.init(runner.makeKVCache(), from: 0, ids: ids, logits: .all)]).floats.map(\.bitPattern)
    }

    @Test(arguments: SampleFamily.allCases) func `a folder answers like the checkpoint imported from it`(family: SampleFamily) throws {
        for format in WeightFormat.allCases {
            try HuggingFace.write(family.checkpoint(), to: folder.path, as: format)
            let file = try ModelFile(folder.path), imported = try ImportedModel(reading: folder.path, on: processor).checkpoint
            #expect(file.checkpoint.quantized.count >= 4 * 3 && imported.quantized.count == 0)
            #expect(file.storedPrecision == (format == .bf16 ? .bfloat16 : nil))
            for precision in [WeightPrecision.float32, .bfloat16, .int8] {
                let isSame = try logits(file.checkpoint, precision) == logits(imported, precision)
                #expect(isSame, "\(format.rawValue) as \(precision.rawValue)")
            }
        }
    }

    @Test(arguments: SampleFamily.allCases) func `a GGUF file answers like the checkpoint imported from it`(family: SampleFamily) throws {
        let model = try family.checkpoint()
        // With larger weights, rounding can change which position a head attends to.
        for (_, array) in model.weights where array.shape.rank == 2 {
            array.values.write { span in for i in span.indices { span[i] *= 0.2 } }
        }
        for format in GGUFFormat.allCases {
            try model.writeGGUF(to: folder("a.gguf"), as: format, on: processor)
            let file = try ModelFile(folder("a.gguf")), imported = try ImportedModel(reading: folder("a.gguf"), on: processor).checkpoint
            let stored: WeightPrecision? = switch format {
            case .f32, .f16: nil
            case .bf16: .bfloat16
            // Rows of these small models are too short for K-quants and IQ4_XS: Q5_0, Q5_1, Q8_0 and IQ4_NL are in their place.
            case .q8_0, .q6_k: .int8
            case .q5_k_m, .q4_k_m: .int6
            case .q4_0, .iq4_xs: .int4
            }
            #expect(file.storedPrecision == stored)
            for precision in [WeightPrecision.float32, .bfloat16] {
                let isSame = try logits(file.checkpoint, precision) == logits(imported, precision)
                #expect(isSame, "\(format.rawValue) as \(precision.rawValue)")
            }
            // Rounding can change which experts are chosen.
            guard let stored, stored != .bfloat16, model.configuration.experts == nil else { continue }
            // The codes are those of the file. Input rows are rounded to 8 bits.
            let exact = try logits(imported, .float32).map(Float.init(bitPattern:))
            let rounded = try logits(file.checkpoint, stored).map(Float.init(bitPattern:))
            let error = zip(exact, rounded).reduce(0) { max($0, abs($1.0 - $1.1)) }, largest = exact.reduce(0) { max($0, abs($1)) }
            #expect(error < 0.1 * largest, "\(format.rawValue): \(error) of \(largest)")
        }
    }

    @Test func `a backend opens folders and GGUF files`() throws {
        let model = try SampleFamily.qwen2.checkpoint()
        try HuggingFace.write(model, to: folder("Qwen2.5"), as: .bf16)
        try model.writeGGUF(to: folder("a.gguf"), as: .q8_0)
        try ImportedModel(reading: folder("Qwen2.5"), on: processor).checkpoint.write(to: folder("a.h5"))
        func answer(_ path: String) throws -> String {
            let backend = try LocalBackend(checkpoint: path, .f32) { try Processor(threads: 1) }
            let config = try GenerationConfig(maxTokens: 6, temperature: 0)
            var result = GenerationResult()
            for event in try backend.stream(GenerationRequest(.text("Hello"), config)) { result.add(event) }
            return result.text
        }
        let expected = try answer(folder("a.h5"))
        #expect(try answer(folder("Qwen2.5")) == expected && answer(folder("Qwen2.5/")) == expected)
        #expect(try answer(folder("a.gguf")).count > 0)
    }

    @Test func `an adapter finds a base of another format, and no other one`() throws {
        let model = try SampleFamily.qwen2.checkpoint()
        try HuggingFace.write(model, to: folder("base"), as: .bf16)
        try model.writeGGUF(to: folder("base.gguf"), as: .q4_0)
        for path in ["base", "base.gguf"] {
            let base = try ModelFile(folder(path)).checkpoint, shape = LoRAConfiguration(rank: 2, alpha: 3)
            let values = try ParameterList(of: base.configuration, lora: shape).normalValues(seed: 3)
            try Checkpoint(values, adapter: shape, of: base, path: path).write(to: folder("adapter.h5"))
            let file = try ModelFile(folder("adapter.h5"))
            try file.verify()
            #expect(file.storedPrecision == base.quantizedPrecision && file.base.format == base.format)
            // Merging widens the base, and gives the same model.
            let merged = try file.checkpoint.merged(over: file.base, on: processor)
            let own = try logits(file.checkpoint, over: file.base, .float32).map(Float.init(bitPattern:))
            expectClose(own, try logits(merged, .float32).map(Float.init(bitPattern:)), within: .gradient)
            let bare = try logits(base, .float32).map(Float.init(bitPattern:))
            #expect(own != bare)
        }
        model.weights["norm.weight"]?.values.write { $0[0] += 1 }
        try model.writeGGUF(to: folder("other.gguf"), as: .q4_0)
        #expect(throws: CheckpointError.self) { try ModelFile(folder("adapter.h5"), base: folder("other.gguf")) }
        #expect(throws: CheckpointError.self) { try ModelFile(folder("adapter.h5"), base: folder("none.gguf")) }
    }

    @Test func `other files are errors that say what to do`() throws {
        func refusal(_ path: String) -> String {
            do { _ = try ModelFile(path) } catch { return "\(error)".replacing(folder.path, with: "folder") }
            return "accepted"
        }
        #expect(
            refusal(folder.write([0x50, 0x4B, 3, 4], to: "a.pt"))
                == "folder/a.pt is not an slm checkpoint: it is a zip archive, such as PyTorch's .pt files. "
                + "To import a model of another program: slm import FILE --out CHECKPOINT")
        let part = folder.write([0, 0, 0, 0, 0, 0, 0, 0, 0x7B], to: "a.safetensors")
        #expect(refusal(part).contains("give the folder that contains config.json"))
        #expect(refusal(folder.path) == "folder: cannot be read: it is a folder without config.json, which a Hugging Face model has.")
        try SampleFamily.llama.checkpoint().writeGGUF(to: folder("a.gguf"), as: .q8_0)
        let whole = try InputFile.contents(of: folder("a.gguf"))
        for count in [10, 1_000, whole.count / 2, whole.count - 100] {
            #expect(refusal(folder.write(Array(whole[..<count]), to: "b.gguf")).hasPrefix("folder/b.gguf"), "\(count) bytes")
        }
    }
}
