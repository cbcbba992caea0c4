import Autograd
import Checkpoint
import Files
import Kernels
import Model
import Testing
import TestSupport
import Tokenize

/// Checkpoints whose matrices are int8, int6 or int4.
@Suite struct QuantizationTests {
    private let folder = TemporaryFolder()

    private func exact(_ processor: Processor, tied: Bool = false) throws -> Checkpoint {
        var configuration = GPTConfiguration(layers: 1, heads: 2, width: 66, context: 9, vocabulary: 41)
        configuration.isTied = tied
        let parameters = Parameters(ParameterList(of: configuration), on: processor, seed: 3)
        return Checkpoint(configuration, weights: OrderedDictionary(parameters.values, of: parameters.list))
    }

    @Test(arguments: [WeightPrecision.int8, .int6, .int4], [false, true])
    func `quantized weights read back and are close to the original`(_ precision: WeightPrecision, tied: Bool) throws {
        let processor = try Processor(threads: 2), path = folder("small.h5")
        var exact = try exact(processor, tied: tied)
        exact.servingDefaults.starterQuestions = ["Why does it rain?", "Wo ist Köln?"]
        try exact.quantized(to: precision, on: processor).write(to: path)
        let read = try Checkpoint(reading: path), again = try read.dequantized(on: processor)
        #expect(
            read.servingDefaults == exact.servingDefaults && read.quantizedPrecision == precision
                && read.quantized.count == (tied ? 5 : 6)
                && read.weights.count + read.quantized.count == exact.weights.count)
        #expect(again.weights.names == exact.weights.names && again.quantized.count == 0)
        for (name, array) in exact.weights {
            let old = array.values.array
            let new = again.weights[name]?.values.array ?? []
            let size = old.reduce(0) { $0 + Double($1) * Double($1) },
                lost = zip(old, new).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
            let most = read.quantized[name] == nil ? 0 : precision == .int8 ? 1e-4 : precision == .int6 ? 1e-3 : 0.02
            #expect(new.count == old.count && lost <= size * most, "\(name): \(lost) of \(size)")
        }
        // The model has the dequantized weights, and another digest than they have.
        let (_, parameters) = try read.model(on: processor)
        let isSame = parameters.list.allSatisfy { parameters.values[$0.range].array == again.weights[$0.name]?.values.array }
        #expect(isSame && read.weightsDigest != again.weightsDigest)
    }

    @Test func `the norms of queries and keys stay exact`() throws {
        let processor = try Processor(threads: 1)
        var configuration = GPTConfiguration(layers: 1, heads: 2, width: 66, context: 9, vocabulary: 41)
        configuration.qkNorm = .scaled
        let parameters = Parameters(ParameterList(of: configuration), on: processor, seed: 3)
        let exact = Checkpoint(configuration, weights: OrderedDictionary(parameters.values, of: parameters.list))
        let quantized = try exact.quantized(to: .int8, on: processor)
        #expect(quantized.weights["layer0.qknorm.weight"] != nil && quantized.quantized["layer0.qkv.weight"] != nil)
    }

    @Test(arguments: [WeightPrecision.int8, .int6, .int4])
    func `scales of inputs with outliers are stored`(_ precision: WeightPrecision) throws {
        let processor = try Processor(threads: 2), path = folder("outliers.h5"), exact = try exact(processor)
        let up = try #require(exact.weights["layer0.up.weight"])                                            // [264, 66]
        up.values.write { span in for i in span.indices where i % 66 == 5 { span[i] *= 50 } }
        try exact.quantized(to: precision, on: processor).write(to: path)
        let read = try Checkpoint(reading: path), stored = try #require(read.quantized["layer0.up.weight"])
        let scales = try #require(stored.inputScales)
        #expect(scales.array[5] == 64 && scales.array[6] == 1 && read.quantized["layer0.qkv.weight"]?.inputScales == nil)
        let again = try read.dequantized(on: processor), new = try #require(again.weights["layer0.up.weight"])
        for i in [5, 6] {
            let pairs = zip(up.values.array, new.values.array).enumerated().filter { $0.offset % 66 == i }.map(\.element)
            let lost = pairs.reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / pairs.reduce(0) { $0 + $1.0 * $1.0 }
            #expect(lost < (precision == .int8 ? 1e-4 : precision == .int6 ? 1e-3 : 0.02), "input \(i): \(lost)")
        }
        // Part of the model that an adapter was trained on.
        var without = read
        without.quantized["layer0.up.weight"] = QuantizedWeights(
            precision, outputs: 264, inputs: 66, codes: stored.codes, scales: stored.scales)
        #expect(without.weightsDigest != read.weightsDigest)

        // Scales of a name that no matrix has.
        var bytes = try InputFile.contents(of: path)
        let name = try #require(bytes.firstRange(of: Array("input_scales".utf8)))
        bytes.replaceSubrange(name, with: "other_scales".utf8)
        bytes.replaceSubrange(0..<CheckpointHeader.size, with: CheckpointHeader(for: bytes).bytes)
        let unknown = #expect(throws: CheckpointError.self) { try Checkpoint(reading: folder.write(bytes, to: "other.h5")) }
        let sentence = unknown.map { "\($0)" } ?? ""
        #expect(sentence.contains("layer0.up.weight/other_scales: expected scales with their codes, found f32 [66]."), "\(sentence)")

        scales.write { $0[9] = 0 }
        try read.write(to: path)
        let error = #expect(throws: CheckpointError.self) { try Checkpoint(reading: path) }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains("rounded/layer0.up.weight/input_scales: expected numbers above 0"), "\(text)")
    }

    @Test func `matrices are quantized, of which embedding and head keep more bits, and small arrays are not`() {
        for name in ["tokens.weight", "head.weight", "layer0.qkv.weight", "layer3.up.weight"] {
            #expect(Checkpoint.isMatrix(name, [8, 6]) && !Checkpoint.isMatrix(name, [8, 1]) && !Checkpoint.isMatrix(name, [8]))
            #expect(Checkpoint.precision(of: name, as: .int8) == .int8 && Checkpoint.precision(of: name, as: .int6) == .int6)
            let isWide = !name.hasPrefix("layer")
            #expect(Checkpoint.precision(of: name, as: .int4) == (isWide ? .int8 : .int4))
            #expect(Checkpoint.precision(of: name, as: .int4, isCalibrated: true) == (isWide ? .int6 : .int4))
        }
        for name in ["positions.weight", "layer0.qknorm.weight", "layer0.router.weight"] { #expect(!Checkpoint.isMatrix(name, [8, 6])) }
        #expect(Checkpoint.precision(of: "layer0.router.weight", as: .int8) == .float32)
    }

    @Test func `a quantized checkpoint keeps its tokenizer, chat template and metrics`() throws {
        let processor = try Processor(threads: 1), sample = try SampleCheckpoint().checkpoint
        var exact = try exact(processor)
        exact.tokenizer = sample.tokenizer
        exact.chatTemplate = sample.chatTemplate
        exact.metrics = sample.metrics
        let quantized = try exact.quantized(to: .int8, on: processor)
        #expect(quantized.tokenizer == sample.tokenizer && quantized.metrics == sample.metrics)
        #expect(quantized.chatTemplate == sample.chatTemplate && quantized.chatTemplate != nil)
    }

    @Test func `the values of quantized weights are dequantized unless the caller keeps them`() throws {
        let processor = try Processor(threads: 1), quantized = try exact(processor).quantized(to: .int8, on: processor)
        let list = ParameterList(of: quantized.configuration)
        let values = try quantized.values(of: list.trainable, on: processor), expected = try quantized.dequantized(on: processor).weights
        for parameter in list.parameters {
            #expect(values[parameter.range].array == expected[parameter.name]?.values.array, "\(parameter.name)")
        }
    }

    @Test func `a base is kept in another precision, but not rounded twice`() throws {
        let processor = try Processor(threads: 1), exact = try exact(processor), small = try exact.quantized(to: .int8, on: processor)
        for precision in [nil, .int8] as [WeightPrecision?] {
            #expect(try small.keeping(precision, on: processor).weightsDigest == small.weightsDigest)
        }
        for precision in [nil, .float32] as [WeightPrecision?] { #expect(try exact.keeping(precision, on: processor).quantized.count == 0) }
        let rounded = try exact.keeping(.bfloat16, on: processor), wide = try small.keeping(.float32, on: processor)
        #expect(try rounded.quantizedPrecision == .bfloat16 && rounded.keeping(.int4, on: processor).quantizedPrecision == .int4)
        #expect(wide.quantized.count == 0 && wide.weights.names == exact.weights.names)
        let error = #expect(throws: CheckpointError.self) { try small.keeping(.int4, on: processor) }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains("expected f32 or bf16 weights to keep in int4 (--base-dtype), found int8 ones"), "\(text)")
    }

    @Test func `arrays that do not match the model are reported by name`() throws {
        let processor = try Processor(threads: 1), quantized = try exact(processor).quantized(to: .int8, on: processor),
            path = folder("wrong.h5")
        func message(_ change: (inout Checkpoint) -> Void) throws -> String {
            var changed = quantized
            change(&changed)
            try changed.write(to: path)
            do { _ = try Checkpoint(reading: path).model(on: processor) } catch { return "\(error)".replacing(path, with: "F") }
            return "nothing"
        }
        let head = try #require(quantized.quantized["head.weight"]), up = try #require(quantized.quantized["layer0.up.weight"])
        #expect(
            try message { $0.quantized["layer0.sideways"] = head }
                == "F: rounded/layer0.sideways: expected no such matrix in this model, found u8 [41, 66].")
        #expect(
            try message { $0.quantized["head.weight"] = up } == "F: rounded/head.weight: expected codes of [41, 66], found u8 [264, 66].")
        #expect(try message { $0.quantized["head.weight"] = nil } == "F: weights/head.weight: expected f32 [41, 66], found nothing.")
        #expect(throws: CheckpointError.self) { try SampleAdapter(in: folder).adapter.quantized(to: .int8, on: processor) }
    }

    @Test func `quantized weights are not copied as if they were f32`() throws {
        let processor = try Processor(threads: 1), exact = try exact(processor)
        let (_, parameters) = try exact.model(on: processor)
        let error = #expect(throws: CheckpointError.self) {
            try exact.quantized(to: .int4, on: processor).copyWeights(into: parameters)
        }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains("weights/") && text.contains("expected f32 ["), "\(text)")
    }
}
