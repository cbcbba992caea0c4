import Autograd
import Checkpoint
import Kernels
import Model
import Testing
import TestSupport
import Tokenize

/// Special tokens that a model gets in addition: their rows of the embedding and of the head.
@Suite struct AddedTokenRowsTests {
    /// The vocabulary of the sample has 260 tokens, and its model 262 rows.
    @Test(arguments: [nil, .int8] as [WeightPrecision?])
    func `rows of added tokens start as the mean of those of all other tokens`(precision: WeightPrecision?) throws {
        let processor = try Processor(threads: 1), before = try SampleCheckpoint().checkpoint.keeping(precision, on: processor)
        let exact = try before.dequantized(on: processor), C = 8
        var after = before
        try after.add(specialTokens: ["<|a|>", "<|eos|>", "<|b|>", "<|c|>"], on: processor)
        #expect(try after.configuration.vocabulary == 263 && after.vocabulary().count == 263)
        #expect(try after.vocabulary().specialTokenID("<|eos|>") == SampleCheckpoint.vocabulary.specialTokenID("<|eos|>"))
        for name in ["tokens.weight", "head.weight"] {
            let old = exact.weight(name), new = after.weight(name)
            #expect(after.weights[name]?.shape == [263, C] && after.quantized[name] == nil)
            expectSame(Array(new.prefix(260 * C)), Array(old.prefix(260 * C)))
            let mean = (0..<C).map { c in (0..<260).reduce(0) { $0 + old[$1 * C + c] } / 260 }
            for row in 260..<263 { expectClose(Array(new[row * C..<(row + 1) * C]), mean, within: .forward, "row \(row) of \(name)") }
        }
        // An adapter trains these rows, if there are any.
        let plain = LoRAConfiguration(rank: 2), shape = try after.adapterShape(plain, of: before)
        #expect(shape.wholeLayers == ["tokens", "head"] && shape.addedTokens?.baseRows == 262 && shape.addedTokens?.firstTrained == 260)
        #expect(try before.adapterShape(plain, of: before) == plain)
    }

    /// The embedding of the sample has 262 rows.
    @Test func `an adapter with added tokens has their rows in each layer that has a row for each token`() throws {
        var configuration = try SampleCheckpoint().checkpoint.configuration
        func refusal(_ wholeLayers: [String], baseRows: Int = 260, firstTrained: Int = 260) -> String? {
            var shape = LoRAConfiguration(rank: 2)
            shape.wholeLayers = wholeLayers
            shape.addedTokens = AddedTokens(baseRows: baseRows, firstTrained: firstTrained, layers: GPT.vocabularyLayers)
            let adapter = LoRAAdapter(shape, baseDigest: "", basePath: "")
            do throws(CheckpointError) {
                try adapter.checkBlocks(ParameterList(of: configuration, lora: shape), path: "a.h5")
            } catch { return error.description }
            return nil
        }
        let sentence = "a.h5: adapter/added_tokens: expected rows of an embedding of 262, found "
        #expect(refusal(["tokens", "head"]) == nil && refusal(["tokens"]) == sentence + "260 and 260.")
        #expect(refusal(["tokens", "head"], baseRows: 262) == nil && refusal(["tokens", "head"], firstTrained: 261) == nil)
        #expect(refusal(["tokens", "head"], baseRows: 263) == sentence + "263 and 260.")
        #expect(refusal(["tokens", "head"], firstTrained: 262) == sentence + "260 and 262.")
        // The head is the embedding.
        configuration.isTied = true
        #expect(refusal(["tokens"]) == nil)
    }
}
