import Autograd
import Checkpoint
import Kernels
import Model
import Testing
import TestSupport
import Tokenize

/// A whole file that is not what was asked for: what it says then.
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

    @Test func `weights of another model`() throws {
        #expect(try parameters { $0.width = 16 } == "folder/a.h5: weights/tokens.weight: expected f32 [262, 16], found f32 [262, 8].")
        #expect(try parameters { $0.layers = 2 } == "folder/a.h5: weights/layer1.norm1.weight: expected f32 [8], found nothing.")
        #expect(
            try parameters { $0.hasBias = false }
                == "folder/a.h5: weights/layer0.norm1.bias: expected nothing of that name in such a model, found an array.")
    }

    @Test func `a configuration without what was added later is what every model was before`() throws {
        let configuration = try SampleCheckpoint().checkpoint.configuration
        var old = configuration.values
        for name in ["positions", "qk_norm"] { old[name] = nil }
        #expect(try GPTConfiguration(old, path: "old.h5") == configuration)
        #expect(configuration.positions == .learned && !configuration.hasQKNorm)
    }

    @Test func `a configuration with all that can be chosen comes back, and an impossible one is refused`() throws {
        var configuration = GPTConfiguration(layers: 1, heads: 2, width: 12, context: 6, vocabulary: 262)
        configuration.positions = .rotary
        configuration.hasQKNorm = true
        configuration.norm = .rms
        configuration.activation = .silu
        #expect(try GPTConfiguration(configuration.values, path: "a.h5") == configuration)
        func complaint(_ change: (inout OrderedDictionary<CheckpointValue>) -> Void) throws -> String {
            var values = configuration.values
            change(&values)
            return "\(try #require(#expect(throws: CheckpointError.self) { _ = try GPTConfiguration(values, path: "a.h5") }))"
        }
        #expect(
            try complaint { $0["heads"] = 4 } == "a.h5: configuration/positions: expected no rotary ones with heads 3 wide, found 'rotary'."
        )
        #expect(
            try complaint { $0["positions"] = "round" }
                == "a.h5: configuration/positions: expected one of learned, rotary, none, found 'round'.")
        #expect(try complaint { $0["qk_norm"] = 2 } == "a.h5: configuration/qk_norm: expected a whole number from 0 to 1, found 2.")
        #expect(try complaint { $0["later"] = 2 } == "a.h5: configuration/later: expected nothing of that name in version 1, found 2.")
    }

    @Test func `tokens of another vocabulary`() throws {
        let checkpoint = try SampleCheckpoint().checkpoint
        try checkpoint.check(fingerprint: SampleCheckpoint.vocabulary.fingerprint)
        let error = #expect(throws: CheckpointError.self) { try checkpoint.check(fingerprint: "0123456789abcdef") }
        #expect(
            error.map { "\($0)" }
                == "the checkpoint does not belong to these tokens: its vocabulary is \(SampleCheckpoint.vocabulary.fingerprint), "
                + "theirs 0123456789abcdef. Write the tokens again with its tokenizer, or take the checkpoint that was trained with theirs."
        )
    }

    @Test func `a vocabulary that the model is too small for`() throws {
        var checkpoint = try SampleCheckpoint().checkpoint
        checkpoint.configuration.vocabulary = 200
        let error = #expect(throws: CheckpointError.self) { _ = try checkpoint.vocabulary() }
        #expect(error.map { "\($0)" } == "the checkpoint: tokenizer/json: expected at most 200 tokens, which the model knows, found 260.")
    }

    @Test func `training values that are not there, or something else`() throws {
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
        #expect(throws: CheckpointError.mismatch(path: "the checkpoint", name: "training/settings", expected: "a number", found: "a text"))
        {
            _ = try checkpoint.number("settings")
        }
        #expect(
            throws: CheckpointError.mismatch(
                path: "the checkpoint", name: "training/step", expected: "a row of whole numbers", found: "a whole number")
        ) {
            _ = try checkpoint.integers("step")
        }
    }
}
