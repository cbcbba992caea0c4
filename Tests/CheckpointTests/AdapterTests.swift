import Autograd
import Checkpoint
import Files
import Foundation
import Kernels
import Model
import Testing
import TestSupport
import Tokenize

/// Checkpoints that are LoRA adapters.
@Suite struct AdapterTests {
    private let folder = TemporaryFolder()

    private func logits(_ checkpoint: Checkpoint, base: String? = nil) throws -> [Float] {
        let opened = try base.map { path in
            let base = try Checkpoint(reading: path)
            try checkpoint.check(base: base, at: path)
            return base
        }
        let processor = try Processor(threads: 1), (model, parameters) = try checkpoint.model(over: opened, on: processor)
        let tape = Tape(processor, parameters: parameters)
        return tape.withoutRecording { model.logits(of: tape.ids([3, 1, 4, 1, 5], [1, 5]), on: tape) }.floats
    }

    private func refusal(_ checkpoint: Checkpoint, base: String? = nil) -> String {
        do { _ = try logits(checkpoint, base: base) } catch { return "\(error)".replacing(folder.path, with: "folder") }
        return "accepted"
    }

    @Test(arguments: [false, true]) func `a written adapter reads back unchanged`(withPrincipals: Bool) throws {
        let sample = try SampleAdapter(in: folder, withPrincipals: withPrincipals), found = try #require(sample.adapter.adapter)
        #expect(
            found.shape == LoRAConfiguration(rank: 2, alpha: 3) && found.basePath == "base.h5"
                && found.baseDigest == sample.base.weightsDigest)
        #expect(found.principals.names == (withPrincipals ? sample.adapter.weights.names : []))
        try sample.adapter.write(to: folder("again.h5"))
        #expect(try InputFile.contents(of: folder("again.h5")) == InputFile.contents(of: folder("adapter.h5")))
        #expect(sample.base.adapter == nil)
        var other = sample.adapter
        other.adapter?.shape.dropout = 0.25
        try other.write(to: folder("other.h5"))
        #expect(try Checkpoint(reading: folder("other.h5")).adapter?.shape == other.adapter?.shape)
    }

    /// Compares with W − (α/r)·B₀·A₀ + (α/r)·B·A in plain loops.
    @Test(arguments: [false, true]) func `a merged adapter computes the same, and its base file is unchanged`(withPrincipals: Bool) throws
    {
        let sample = try SampleAdapter(in: folder, layers: 2, withPrincipals: withPrincipals), processor = try Processor(threads: 1)
        let bytes = try InputFile.contents(of: folder("base.h5"))
        let merged = try sample.adapter.merged(on: processor)
        try merged.write(to: folder("merged.h5"))
        let read = try Checkpoint(reading: folder("merged.h5")), adapter = try #require(sample.adapter.adapter)
        #expect(
            read.adapter == nil && read.weights.names == sample.base.weights.names && read.tokenizer == sample.base.tokenizer
                && read.chatTemplate == .specialTokens)
        expectClose(try logits(read), try logits(sample.adapter), within: .gradient, "logits")
        var changed = 0
        for name in sample.base.weights.names {
            var expected = sample.base.weight(name)
            let layer = name.replacing(".weight", with: "")
            for (sign, pairs) in [(Float(1), sample.adapter.weights), (-1, adapter.principals)] {
                let a = pairs["\(layer).lora_A"]?.values.array ?? []
                let b = pairs["\(layer).lora_B"]?.values.array ?? []
                if a.isEmpty { continue }
                let I = a.count / 2
                for i in expected.indices { for r in 0..<2 { expected[i] += sign * 1.5 * b[i / I * 2 + r] * a[r * I + i % I] } }
                changed += 1
            }
            expectClose(read.weight(name), expected, within: .gradient, name)
        }
        #expect(changed == (withPrincipals ? 16 : 8))
        #expect(try InputFile.contents(of: folder("base.h5")) == bytes)
    }

    @Test(arguments: [false, true]) func `whole layers of an adapter are those of the merged model, which has a head of its own`(
        isTied: Bool
    ) throws {
        var shape = LoRAConfiguration(rank: 2, alpha: 3)
        shape.wholeLayers = ["norm", "head"]
        let sample = try SampleAdapter(in: folder, shape, isTied: isTied), merged = try sample.adapter.merged(on: Processor(threads: 1))
        #expect(merged.adapter == nil && !merged.configuration.isTied)
        #expect(Set(merged.weights.names) == Set(sample.base.weights.names + ["head.weight"]))
        for name in ["norm.weight", "head.weight"] { #expect(merged.weight(name) == sample.adapter.weight(name)) }
        expectClose(try logits(merged), try logits(sample.adapter), within: .gradient, "logits")
    }

    @Test(arguments: [false, true]) func `the updates of an adapter are what merging adds to the weights`(withPrincipals: Bool) throws {
        let sample = try SampleAdapter(in: folder, withPrincipals: withPrincipals), processor = try Processor(threads: 1)
        let updates = try sample.adapter.loraUpdates(of: sample.base, digest: sample.base.weightsDigest, on: processor)
        let merged = try sample.adapter.merged(on: processor)
        #expect(updates.map(\.weight) == ["qkv", "output", "up", "down"].map { "layer0.\($0).weight" })
        for update in updates {
            var expected = sample.base.weight(update.weight)
            let a = update.a.values.array, b = update.b.values.array, R = update.a.shape[0], I = update.a.shape[1]
            for i in expected.indices { for r in 0..<R { expected[i] += update.scale * b[i / I * R + r] * a[r * I + i % I] } }
            expectClose(merged.weight(update.weight), expected, within: .gradient, update.weight)
        }
    }

    @Test func `there are no updates of adapters that do not fit a base, or that are more than A and B`() throws {
        let sample = try SampleAdapter(in: folder), processor = try Processor(threads: 1), digest = sample.base.weightsDigest
        func refusal(_ checkpoint: Checkpoint, digest: String, _ change: (inout LoRAConfiguration) -> Void = { _ in }) -> String {
            var changed = checkpoint
            if var shape = checkpoint.adapter?.shape {
                change(&shape)
                changed.adapter?.shape = shape
            }
            do { _ = try changed.loraUpdates(of: sample.base, digest: digest, on: processor) } catch {
                return "\(error)".replacing(folder("adapter.h5: "), with: "").replacing(folder.path, with: "folder")
            }
            return "accepted"
        }
        #expect(refusal(sample.adapter, digest: digest) == "accepted")
        #expect(
            refusal(sample.base, digest: digest)
                == "folder/base.h5: adapter: expected a LoRA adapter of folder/base.h5, found a whole model.")
        #expect(refusal(sample.adapter, digest: "x").hasPrefix("adapter/base_digest: expected x, the weights of folder/base.h5, found "))
        let shared = "expected A and B alone, to share the weights of folder/base.h5, found "
        #expect(refusal(sample.adapter, digest: digest) { $0.usesDoRA = true }.hasPrefix("adapter/dora: \(shared)DoRA: "))
        #expect(
            refusal(sample.adapter, digest: digest) { $0.wholeLayers = ["norm"] }.hasPrefix("adapter/whole_layers: \(shared)norm: "))
        #expect(
            refusal(sample.adapter, digest: digest) { $0.blocks = ["qkv": [LoRABlock(rows: 23, rank: 2)]] }
                == "adapter/blocks: expected 24 rows of layer0.qkv.weight, found 23.")
    }

    @Test func `an adapter finds its base by its relative path, or at a given one`() throws {
        let files = FileManager.default
        try files.createDirectory(atPath: folder("a/runs"), withIntermediateDirectories: true)
        try files.createDirectory(atPath: folder("a/models"), withIntermediateDirectories: true)
        var sample = try SampleAdapter(in: folder).adapter
        let expected = try logits(sample)
        try files.moveItem(atPath: folder("base.h5"), toPath: folder("a/models/base.h5"))
        sample.adapter?.basePath = try RelativePath.of(folder("a/models/base.h5"), from: folder("a/runs"))
        #expect(sample.adapter?.basePath == "../models/base.h5")
        try sample.write(to: folder("a/runs/adapter.h5"))
        try files.moveItem(atPath: folder("a"), toPath: folder("b"))
        expectSame(try logits(Checkpoint(reading: folder("b/runs/adapter.h5"))), expected)
        try files.moveItem(atPath: folder("b/models/base.h5"), toPath: folder("elsewhere.h5"))
        let moved = try Checkpoint(reading: folder("b/runs/adapter.h5"))
        #expect(
            refusal(moved)
                == "folder/b/runs/adapter.h5 is a LoRA adapter and needs its base model, "
                + "but folder/b/runs/../models/base.h5 cannot be used: No such file or directory. "
                + "Give the path of the base model: --base CHECKPOINT")
        expectSame(try logits(moved, base: folder("elsewhere.h5")), expected)
    }

    @Test func `a different base model and an adapter as base are errors`() throws {
        let sample = try SampleAdapter(in: folder)
        try SampleCheckpoint(generation: 2).checkpoint.write(to: folder("other.h5"))
        let digest = try Checkpoint(reading: folder("other.h5")).weightsDigest
        #expect(
            refusal(sample.adapter, base: folder("other.h5"))
                == "folder/adapter.h5 is a LoRA adapter for another model than folder/other.h5: expected weights with the digest "
                + "\(sample.base.weightsDigest), found \(digest). Give the path of the base model: --base CHECKPOINT")
        let message = refusal(sample.adapter, base: folder("adapter.h5"))
        #expect(message.contains("folder/adapter.h5 cannot be used: it is a LoRA adapter itself."))
        // Also where the adapter finds it.
        try Checkpoint(reading: folder("other.h5")).write(to: folder("base.h5"))
        #expect(refusal(sample.adapter).hasPrefix("folder/adapter.h5 is a LoRA adapter for another model than folder/base.h5: "))
    }

    @Test func `the weights digest depends on nothing but the weights`() throws {
        var sample = try SampleCheckpoint().checkpoint
        let digest = sample.weightsDigest
        sample.optimizer = [:]
        sample.training = ["step": 7]
        sample.metrics = [:]
        sample.tokenizer = nil
        try sample.write(to: folder("less.h5"))
        #expect(try Checkpoint(reading: folder("less.h5")).weightsDigest == digest)
        sample.weights["norm.weight"]?.values.write { $0[0] += 1 }
        #expect(sample.weightsDigest != digest)
    }

    @Test func `the weights digest depends on names, shapes and precisions`() throws {
        let processor = try Processor(threads: 1), numbers = processor.zeros(64 * 2)
        let configuration = GPTConfiguration(layers: 0, heads: 1, width: 1, context: 1, vocabulary: 1)
        func digest(_ name: String, _ shape: Shape) -> String {
            Checkpoint(configuration, weights: [name: FloatArray(numbers, shape: shape)]).weightsDigest
        }
        #expect(Set([digest("a", [128]), digest("b", [128]), digest("a", [2, 64]), digest("a", [64, 2])]).count == 4)
        #expect(digest("a", [128]) == digest("a", [128]))
        func quantized(_ name: String, _ precision: WeightPrecision, outputs: Int = 2) -> String {
            var checkpoint = Checkpoint(configuration, weights: [:])
            checkpoint.quantized[name] = processor.quantize(numbers[0..<outputs * 64], outputs: outputs, inputs: 64, to: precision)
            return checkpoint.weightsDigest
        }
        let digests = [quantized("a", .int8), quantized("b", .int8), quantized("a", .int8, outputs: 1), quantized("a", .int4)]
        #expect(Set(digests + [digest("a", [2, 64])]).count == 5)
    }

    @Test func `blocks of an adapter are checked`() throws {
        var sample = try SampleAdapter(in: folder).adapter, found = try #require(sample.adapter)
        found.shape.blocks = ["qkv": [LoRABlock(rows: 8, rank: 1), LoRABlock(rows: 16, rank: 1)], "layer0.up": []]
        #expect(found.values["blocks"] == .text("layer0.up=,qkv=1:8+1:16"))
        #expect(try LoRAAdapter(found.values, principals: [:], path: "a.h5").shape == found.shape)
        let many = Array(repeating: "1:1", count: 65).joined(separator: "+")
        for text in ["up=65536:1", "up=32768:1+32768:1", "up=0:2147483648", "up=" + String(many.dropLast(4))] {
            var values = found.values
            values["blocks"] = .text(text)
            #expect(try LoRAAdapter(values, principals: [:], path: "a.h5").values["blocks"] == .text(text))
        }
        for text in [
            "qkv", "=", "up=2", "up=-1:32", "up=1:0", "up=65537:32", "up=1:32,up=1:32", "up=a:32", "", "=1:32", "up=1:32=",
            "up=65536:1+1:1", "up=0:2147483649", "up=" + many,
        ] {
            var values = found.values
            values["blocks"] = .text(text)
            let error = #expect(throws: CheckpointError.self) { _ = try LoRAAdapter(values, principals: [:], path: "a.h5") }
            let expected = "a.h5: adapter/blocks: expected ranks and rows of layers, such as qkv=8:576+0:192+8:192, found"
            #expect(error?.description.hasPrefix(expected) == true, "\(text): \(error?.description ?? "accepted")")
        }
        sample.adapter?.shape.blocks = ["qkv": [LoRABlock(rows: 8, rank: 1), LoRABlock(rows: 15, rank: 1)]]
        #expect(refusal(sample) == "folder/adapter.h5: adapter/blocks: expected 24 rows of layer0.qkv.weight, found 23.")
    }

    @Test func `fields of an adapter that no adapter has are errors`() throws {
        let found = try #require(try SampleAdapter(in: folder).adapter.adapter)
        func error(_ name: String, _ value: CheckpointValue?, wholeLayers: String? = nil) -> String? {
            var values = found.values
            values[name] = value
            if let wholeLayers { values["whole_layers"] = .text(wholeLayers) }
            do throws(CheckpointError) { _ = try LoRAAdapter(values, principals: [:], path: "a.h5") } catch { return error.description }
            return nil
        }
        for value in [1e-3, 1e9.nextDown] { #expect(error("alpha", .number(value)) == nil) }
        for value in [0, 1e9, .nan] { #expect(error("alpha", .number(value))?.contains("alpha: expected a number above 0") == true) }
        #expect(error("dropout", .number(0.5)) == nil)
        // 1 as a Float.
        for value in [0, 1, 0.999_999_999_99] {
            #expect(error("dropout", .number(value))?.contains("dropout: expected a number between 0 and 1") == true)
        }
        #expect(error("dora", 1) == nil && error("dora", 0)?.contains("dora: expected 1, or no such field, found 0") == true)
        #expect(error("whole_layers", "norm,head") == nil)
        #expect(error("whole_layers", ",")?.contains("whole_layers: expected names of layers") == true)
        for rows in [[1, 0], [1 << 31, 1 << 31]] { #expect(error("added_tokens", .integers(rows), wholeLayers: "tokens") == nil) }
        for rows in [[0, 0], [1 << 31 + 1, 0], [1, -1], [1, 1 << 31 + 1], [1], [1, 1, 1]] {
            let reason = error("added_tokens", .integers(rows), wholeLayers: "tokens")
            #expect(reason?.contains("added_tokens: expected the rows of the base's embedding") == true, "\(rows)")
        }
        #expect(error("added_tokens", .integers([1, 0]), wholeLayers: "head") != nil && error("targets", nil) != nil)
        #expect(error("later", 1)?.contains("adapter/later: expected no such field in version 1") == true)
    }

    @Test func `the rank of an adapter is a number from 1 to 65536`() throws {
        var sample = try SampleAdapter(in: folder).adapter
        let path = folder("a.h5")
        for rank in [0, 1, 65_536, 65_537] {
            sample.adapter?.shape.rank = rank
            try sample.write(to: path)
            if 1...65_536 ~= rank {
                #expect(try Checkpoint(reading: path).adapter?.shape.rank == rank)
            } else {
                let error = CheckpointError.mismatch(
                    path: path, name: "adapter/rank", expected: "a whole number from 1 to 65536", found: "\(rank)")
                #expect(throws: error) { _ = try Checkpoint(reading: path) }
            }
        }
    }

    @Test func `an adapter with inconsistent arrays is an error`() throws {
        var sample = try SampleAdapter(in: folder, withPrincipals: true).adapter
        sample.adapter?.principals["layer0.up.lora_B"] = nil
        try sample.write(to: folder("a.h5"))
        #expect(
            refusal(try Checkpoint(reading: folder("a.h5")))
                == "folder/a.h5: principals/layer0.up.lora_B: expected f32 [32, 2], found nothing.")
        sample.adapter?.shape.rank = 3
        try sample.write(to: folder("b.h5"))
        #expect(
            refusal(try Checkpoint(reading: folder("b.h5")))
                == "folder/b.h5: weights/layer0.qkv.lora_A: expected f32 [3, 8], found f32 [2, 8].")
        sample.adapter?.shape.alpha = -1
        try sample.write(to: folder("c.h5"))
        #expect(throws: CheckpointError.mismatch(path: folder("c.h5"), name: "adapter/alpha", expected: "a number above 0", found: "-1.0"))
        {
            _ = try Checkpoint(reading: folder("c.h5"))
        }
        sample.adapter = nil
        try sample.write(to: folder("d.h5"))
        #expect(
            refusal(try Checkpoint(reading: folder("d.h5"))) == "folder/d.h5: weights/tokens.weight: expected f32 [262, 8], found nothing.")
    }
}
