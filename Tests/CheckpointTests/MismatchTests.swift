import Autograd
import Checkpoint
import Kernels
import Model
import Testing
import TestSupport
import Tokenize

/// Valid checkpoints whose content is not what the caller needs.
@Suite struct MismatchTests {
    private let folder = TemporaryFolder()

    private func parameters(of change: (inout GPTConfiguration) -> Void) throws -> String {
        let path = folder("a.h5")
        try SampleCheckpoint().checkpoint.write(to: path)
        let checkpoint = try Checkpoint(reading: path)
        var configuration = checkpoint.configuration
        change(&configuration)
        let processor = try Processor(threads: 1), list = ParameterList(of: configuration)
        let error = try #require(#expect(throws: CheckpointError.self) { _ = try checkpoint.values(of: list.trainable, on: processor) })
        #expect(throws: error) { try checkpoint.copyWeights(into: Parameters(list, on: processor)) }
        return "\(error)".replacing(folder.path, with: "folder")
    }

    @Test func `weights of another model are reported by name and shape`() throws {
        #expect(try parameters { $0.width = 16 } == "folder/a.h5: weights/tokens.weight: expected f32 [262, 16], found f32 [262, 8].")
        #expect(try parameters { $0.layers = 2 } == "folder/a.h5: weights/layer1.norm1.weight: expected f32 [8], found nothing.")
        #expect(
            try parameters { $0.hasBias = false }
                == "folder/a.h5: weights/layer0.norm1.bias: expected no such array in this model, found an array.")
    }

    @Test func `sizes whose product no number holds are errors`() throws {
        let largest = GPTConfiguration(layers: 1_024, heads: 65_536, width: 1 << 20, headWidth: 8_192, context: 1, vocabulary: 1)
        let path = folder("large.h5"), processor = try Processor(threads: 1)
        try Checkpoint(largest, weights: [:]).write(to: path)
        #expect(throws: CheckpointError.self) { try Checkpoint(reading: path).model(on: processor) }
        var larger = largest.values
        larger["head_width"] = 65_536
        #expect(throws: CheckpointError.self) { try GPTConfiguration(larger, path: "a.h5") }
        var certain = largest.values
        certain["dropout"] = .number(0.99999999999)                  // 1 as a Float
        #expect(throws: CheckpointError.self) { try GPTConfiguration(certain, path: "a.h5") }
    }

    @Test func `every configuration reads back, and impossible values are errors`() throws {
        var configuration = GPTConfiguration(layers: 1, heads: 2, width: 12, context: 6, vocabulary: 262)
        configuration.positions = .rotary
        configuration.qkNorm = .unit
        configuration.norm = .rms
        configuration.activation = .silu
        #expect(try GPTConfiguration(configuration.values, path: "a.h5") == configuration)
        func message(_ change: (inout OrderedDictionary<CheckpointValue>) -> Void) throws -> String {
            var values = configuration.values
            change(&values)
            return "\(try #require(#expect(throws: CheckpointError.self) { _ = try GPTConfiguration(values, path: "a.h5") }))"
        }
        #expect(
            try message { $0["heads"] = 4 }
                == "a.h5: configuration/positions: expected learned or none, since heads are 3 wide, found 'rotary'."
        )
        #expect(
            try message { $0["positions"] = "round" }
                == "a.h5: configuration/positions: expected one of learned, rotary, none, found 'round'.")
        #expect(try message { $0["qk_norm"] = 4 } == "a.h5: configuration/qk_norm: expected a whole number from 0 to 3, found 4.")
        configuration.experts = Experts(count: 4, active: 2)
        configuration.residualScale = 0.5
        configuration.logitScale = 0.25
        configuration.hasPreNorms = false
        #expect(try GPTConfiguration(configuration.values, path: "a.h5") == configuration)
        #expect(try message { $0["experts"] = 1 }.contains("configuration/experts: expected a whole number from 2 to 1024, found 1"))
        #expect(try message { $0["active_experts"] = 5 }.contains("configuration/active_experts: expected a whole number from 1 to 4"))
        configuration.experts?.shared = .init(width: 12, hasGate: true)
        #expect(try message { $0["shared_expert_gate"] = 2 }.contains("shared_expert_gate: expected a whole number from 0 to 1"))
        #expect(try message { $0["shared_expert_width"] = 0 }.contains("shared_expert_width: expected a whole number from 1 to"))
        #expect(try message { $0["shared_expert_gate"] = nil }.contains("shared_expert_gate"))
        #expect(try message { $0["expert_balance"] = .number(-1) }.contains("configuration/expert_balance: expected a number from 0"))
        #expect(
            try message {
                $0["experts"] = 1_024
                $0["layers"] = 1_024
            }.contains("configuration/experts: expected at most 65536 in all layers, found 1024"))
        for dropout in [-0.1, 1, .nan] {
            #expect(try message { $0["dropout"] = .number(dropout) }.contains("dropout: expected a number from 0 to below 1, found "))
        }
        #expect(try message { $0["later"] = 2 } == "a.h5: configuration/later: expected no such field in version 1, found 2.")
    }

    @Test func `configurations of other architectures read back, and impossible values are errors`() throws {
        for (_, preset) in GPTConfiguration.presets { #expect(try GPTConfiguration(preset.values, path: "a.h5") == preset) }
        var configuration = GPTConfiguration.gemma3
        configuration.isParallel = true
        configuration.scoreCap = 50
        configuration.logitCap = 30
        configuration.rotary.width = 64
        configuration.layerAttention = [.sliding, .positionless]
        for scaling: RotaryPositions.Scaling in [
            .linear(factor: 8), .llama3(factor: 32, low: 1, high: 4, context: 8_192),
            .yarn(factor: 4, fast: 32, slow: 1, context: 32_768, magnitude: 1.138_6, truncates: true),
            .long(.init(short: .init(repeating: 1, count: 32), long: .init(repeating: 1.5, count: 32), context: 4_096, magnitude: 1.19)),
        ] {
            configuration.rotary.scaling = scaling
            #expect(try GPTConfiguration(configuration.values, path: "a.h5") == configuration)
        }
        func reason(_ name: String, _ value: CheckpointValue) throws -> String {
            var values = configuration.values
            values[name] = value
            let error = try #require(#expect(throws: CheckpointError.self) { _ = try GPTConfiguration(values, path: "a.h5") })
            return "\(error)"
        }
        #expect(try reason("kv_heads", 3) == "a.h5: configuration/kv_heads: expected a divisor of the 4 heads, found 3.")
        #expect(try reason("kv_heads", 8) == "a.h5: configuration/kv_heads: expected a whole number from 1 to 4, found 8.")
        #expect(try reason("head_width", 0).contains("expected a whole number from 1 to"))
        #expect(try reason("hidden_width", 0).contains("expected a whole number from 1 to"))
        #expect(try reason("sliding_window", 0).contains("expected a whole number from 1 to"))
        #expect(try reason("norm_epsilon", .number(0)).contains("expected a number from 1e-12 to 1"))
        #expect(try reason("attention_scale", .number(-1)).contains("expected a number from 1e-6"))
        #expect(try reason("score_cap", .number(0)).contains("expected a number from 1e-3 to 1e6"))
        #expect(try reason("logit_cap", .number(.nan)).contains("expected a number from 1e-3 to 1e6"))
        #expect(try reason("embedding_scale", .number(.infinity)).contains("expected a number from 1e-6"))
        for text in ["", "full,", "full,far", "full;full"] {
            #expect(try reason("layer_attention", .text(text)).contains("one to 1,024 of full, sliding, positionless"))
        }
        for text in [
            "", "base", "base=0", "base=x", "base=10 base=20", "base=10 width=3", "base=10 width=512", "base=10 scaling=far",
            "base=10 scaling=linear", "base=10 scaling=linear factor=0", "base=10 scaling=llama3 factor=2 low=4 high=1 context=8",
            "base=10 factor=2", "base=10 scaling=yarn factor=4 fast=32 slow=1 context=8 magnitude=nan truncates=1",
        ] {
            #expect(try reason("rotary", .text(text)).contains("expected rotary positions such as"), "\(text)")
        }
    }

    @Test func `every field of a configuration reads back`() throws {
        var configuration = GPTConfiguration.gemma3
        configuration.dropout = 0.25
        configuration.hasQKVBias = true
        configuration.hasNormBias = true
        configuration.hasPreNorms = false
        configuration.residualScale = 0.5
        configuration.logitScale = 0.25
        configuration.isParallel = true
        configuration.scoreCap = 50
        configuration.logitCap = 30
        configuration.hasAttentionSinks = true
        configuration.rotary.scaling = .yarn(factor: 4, fast: 32, slow: 1, context: 32_768, magnitude: 1.5, truncates: false)
        configuration.experts = Experts(count: 4, active: 2)
        configuration.experts?.normalizesWeights = true
        configuration.experts?.balance = 0.125
        #expect(try GPTConfiguration(configuration.values, path: "a.h5") == configuration)
        configuration.experts?.normalizesWeights = false
        configuration.experts?.shared = .init(width: 12, hasGate: false)
        configuration.rotary.width = 0
        #expect(try GPTConfiguration(configuration.values, path: "a.h5") == configuration)
        // What is as in GPT-2 is not written.
        let plain = GPTConfiguration(layers: 1, heads: 2, width: 8, context: 6, vocabulary: 262).values
        #expect(plain.count == 12)
    }

    @Test func `the largest numbers of a configuration are read, and larger ones are errors`() throws {
        var configuration = GPTConfiguration.gemma3
        configuration.experts = Experts(count: 1_024, active: 1)
        configuration.layers = 64
        configuration.attentionScale = 1
        func isPossible(_ changes: OrderedDictionary<CheckpointValue>) -> Bool {
            var values = configuration.values
            for (name, value) in changes { values[name] = value }
            return (try? GPTConfiguration(values, path: "a.h5")) != nil
        }
        #expect(isPossible([:]) && !isPossible(["layers": 65]))
        for (name, most) in [
            ("norm_epsilon", 1), ("residual_scale", 1e6), ("logit_scale", 1e6), ("attention_scale", 1_000), ("embedding_scale", 1e6),
            ("expert_balance", 1_000), ("score_cap", 1e6), ("logit_cap", 1e6),
        ] as [(String, Double)] {
            #expect(isPossible([name: .number(most)]) && !isPossible([name: .number(most.nextUp)]), "\(name)")
        }
        let full = { (count: Int) in CheckpointValue.text(Array(repeating: "full", count: count).joined(separator: ",")) }
        #expect(isPossible(["layer_attention": full(1_024)]) && !isPossible(["layer_attention": full(1_025)]))
        // QK-norm of whole rows needs as many heads of keys as of queries.
        #expect(isPossible(["qk_norm": 3, "kv_heads": 4]) && !isPossible(["qk_norm": 3, "kv_heads": 2]))
        // The width of a head follows from the others only if they divide it.
        var plain = GPTConfiguration(layers: 1, heads: 2, width: 12, context: 6, vocabulary: 262).values
        plain["width"] = 13
        let error = #expect(throws: CheckpointError.self) { try GPTConfiguration(plain, path: "a.h5") }
        #expect(error?.description == "a.h5: configuration/width: expected a multiple of the 2 heads, found 13.")
        plain["head_width"] = 7
        #expect(try GPTConfiguration(plain, path: "a.h5").headWidth == 7)
    }

    @Test func `rotary positions are read up to their limits`() throws {
        let values = GPTConfiguration.gemma3.values          // heads of 256 channels
        func isPossible(_ text: String) -> Bool {
            var values = values
            values["rotary"] = .text(text)
            return (try? GPTConfiguration(values, path: "a.h5")) != nil
        }
        let factors = { (count: Int) in Array(repeating: "1.5", count: count).joined(separator: ",") }
        let long = { (width: Int, short: String, long: String, context: String) in
            "base=10 width=\(width) scaling=long short=\(short) long=\(long) context=\(context) magnitude=1"
        }
        for text in [
            "base=1", "base=1e12", "base=10 width=0", "base=10 width=256", "base=10 scaling=linear factor=1e9",
            "base=10 scaling=llama3 factor=2 low=1 high=1.5 context=8",
            "base=10 scaling=yarn factor=4 fast=32 slow=1 context=8 magnitude=1 truncates=0",
            long(4, "1.5,1e9", "1e-6,2", "16777216"), long(256, factors(128), factors(128), "1"),
        ] {
            #expect(isPossible(text), "\(text)")
        }
        for text in [
            "base=0.5", "base=1e13", "base=10 width=-2", "base=10 width=258", "base=10 width=2.0", "base=10 scaling=linear factor=2e9",
            "base=10 scaling=llama3 factor=2 low=1 high=1 context=8",
            "base=10 scaling=yarn factor=4 fast=32 slow=1 context=8 magnitude=1 truncates=2",
            long(4, "1.5", "1.5", "8"), long(4, "1.5,1.5", "1.5", "8"), long(4, "1.5,0", "1.5,1.5", "8"), long(4, "1.5,x", "1.5,1.5", "8"),
            long(4, "", "", "8"), long(4, "1.5,1.5", "1.5,1.5", "16777217"), long(4, "1.5,1.5", "1.5,1.5", "0.5"),
            long(258, factors(129), factors(129), "8"),
        ] {
            #expect(!isPossible(text), "\(text)")
        }
    }

    @Test func `tokens of another vocabulary are an error`() throws {
        let checkpoint = try SampleCheckpoint().checkpoint
        try checkpoint.check(fingerprint: SampleCheckpoint.vocabulary.fingerprint)
        let error = #expect(throws: CheckpointError.self) { try checkpoint.check(fingerprint: "0123456789abcdef") }
        #expect(
            error.map { "\($0)" }
                == "the checkpoint and the tokens have different vocabularies: expected the fingerprint 0123456789abcdef of the tokens, "
                + "found \(SampleCheckpoint.vocabulary.fingerprint). "
                + "Tokenize the data again with the checkpoint's tokenizer, or use a checkpoint trained with theirs."
        )
    }

    @Test func `a vocabulary larger than the model's is an error`() throws {
        var checkpoint = try SampleCheckpoint().checkpoint
        checkpoint.configuration.vocabulary = 200
        let error = #expect(throws: CheckpointError.self) { _ = try checkpoint.vocabulary() }
        #expect(
            error.map { "\($0)" }
                == "the checkpoint: tokenizer/json: expected at most 200 tokens, the model's vocabulary size, found 260.")
    }

    @Test func `missing training values and values of another type are errors`() throws {
        let checkpoint = try SampleCheckpoint().checkpoint
        #expect(try checkpoint.integer("step") == 1 && checkpoint.number("step") == 1 && checkpoint.number("rate") == 3e-4)
        #expect(
            try checkpoint.text("nothing/text") == "" && checkpoint.integers("data/order") == [3, -1, .max])
        #expect(try checkpoint.numbers("losses").count == 5 && checkpoint.floats("floats").count == 3)
        #expect(
            throws: CheckpointError.mismatch(path: "the checkpoint", name: "training/stepp", expected: "a whole number", found: "nothing")
        ) {
            _ = try checkpoint.integer("stepp")
        }
        #expect(
            throws: CheckpointError.mismatch(path: "the checkpoint", name: "training/settings", expected: "a number", found: "a string")
        ) {
            _ = try checkpoint.number("settings")
        }
        #expect(
            throws: CheckpointError.mismatch(
                path: "the checkpoint", name: "training/step", expected: "an array of whole numbers", found: "a whole number")
        ) {
            _ = try checkpoint.integers("step")
        }
    }
}
