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
        var configuration = checkpoint.configuration, list = ParameterList()
        change(&configuration)
        _ = GPT(configuration, in: &list)
        let processor = try Processor(threads: 1)
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

    @Test func `fields that older files lack have their defaults`() throws {
        let configuration = try SampleCheckpoint().checkpoint.configuration
        var old = configuration.values
        for name in ["positions", "qk_norm"] { old[name] = nil }
        #expect(try GPTConfiguration(old, path: "old.h5") == configuration)
        #expect(configuration.positions == .learned && configuration.qkNorm == .none)
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
        #expect(try message { $0["qk_norm"] = 2 } == "a.h5: configuration/qk_norm: expected a whole number from 0 to 1, found 2.")
        #expect(try message { $0["later"] = 2 } == "a.h5: configuration/later: expected no such field in version 1, found 2.")
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
            try checkpoint.text("nothing/text") == "" && checkpoint.integers("data/order") == [3, -1, .max]
                && checkpoint.bytes("random/state").count == 256)
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
