import Autograd
import Checkpoint
import Kernels
import Model
import Testing
import TestSupport
import Tokenize
import Formats

/// Files written by Tests/Golden/make_pytorch.py, and files built here.
@Suite struct PyTorchTests {
    private let folder = TemporaryFolder()
    private let processor: Processor

    init() throws { processor = try Processor(threads: 1) }

    /// The numbers of tensor i in make_pytorch.py.
    private func expected(_ i: Int, count: Int) -> [Float] { (0..<count).map { Float(($0 + 3 * i) % 31 - 15) / 16 } }

    private func isExpected(_ array: FloatArray?, _ i: Int) -> Bool {
        guard let array else { return false }
        let expected = expected(i, count: array.shape.count)
        return array.values.read { numbers in numbers.count == expected.count && expected.indices.allSatisfy { numbers[$0] == expected[$0] }
        }
    }

    @Test func `a nanoGPT checkpoint is imported exactly`() throws {
        let checkpoint = try Checkpoint(importingPyTorch: GoldenTensors.path(of: "nanogpt.pt"), on: processor)
        var configuration = GPTConfiguration(layers: 1, heads: 2, width: 4, context: 3, vocabulary: 5)
        configuration.isTied = true
        configuration.activation = .exactGELU
        configuration.dropout = 0.25
        #expect(checkpoint.configuration == configuration)
        let list = ParameterList(of: configuration)
        #expect(checkpoint.weights.names == list.parameters.map(\.name))
        for (i, name) in checkpoint.weights.names.enumerated() where !isExpected(checkpoint.weights[name], i) {
            Issue.record("\(name) has different numbers")
        }
        #expect(checkpoint.metrics == ["step": 2_000, "val_loss": 1.5])
        #expect(checkpoint.tokenizer == nil)
        try checkpoint.write(to: folder("a.h5"))
        let again = try Checkpoint(reading: folder("a.h5"))
        #expect(again.weightsDigest == checkpoint.weightsDigest && again.configuration == configuration)
    }

    @Test func `a fine-tuned nanogpt-chat checkpoint is imported with its configuration and losses`() throws {
        let checkpoint = try Checkpoint(importingPyTorch: GoldenTensors.path(of: "nanogpt-finetuned.pt"), on: processor)
        var configuration = GPTConfiguration(layers: 1, heads: 1, width: 4, context: 3, vocabulary: 5)
        configuration.hasBias = false
        configuration.activation = .exactGELU
        #expect(checkpoint.configuration == configuration)
        #expect(checkpoint.weights.count == 10)
        for (i, name) in checkpoint.weights.names.enumerated() where !isExpected(checkpoint.weights[name], i) {
            Issue.record("\(name) has different numbers")
        }
        #expect(checkpoint.metrics == ["step": 1_000, "train_loss": 2.25, "val_loss": 2.5])
    }

    /// The losses that make_pytorch.py prints. They depend on the heads, the order of queries, keys and values, and the activation.
    @Test(arguments: [("nanogpt.pt", Float(1.5577479)), ("nanogpt-finetuned.pt", Float(1.5867749))])
    func `the loss is that of nanoGPT`(name: String, expected: Float) throws {
        var checkpoint = try Checkpoint(importingPyTorch: GoldenTensors.path(of: name), on: processor)
        checkpoint.configuration.dropout = 0
        let (model, parameters) = try checkpoint.model(on: processor)
        let tape = Tape(processor, parameters: parameters)
        let loss = model.loss(of: tape.ids([0, 3, 4], [1, 3]), predicting: tape.ids([3, 4, 1], [1, 3]), on: tape)
        expectClose([loss.scalar], [expected], within: .forward, "loss")
    }

    @Test func `a bare state dict lacks only the number of heads`() throws {
        let path = folder.write(PyTorchBytes.file(PyTorchBytes.dictionary(PyTorchBytes.state())), to: "a.pt")
        let checkpoint = try Checkpoint(importingPyTorch: path, heads: 4, on: processor)
        #expect(checkpoint.configuration.heads == 4 && checkpoint.configuration.layers == 0)
        #expect(!checkpoint.configuration.hasBias && checkpoint.configuration.isTied)
        #expect(
            throws: CheckpointError.mismatch(
                path: path, name: "model_args/n_head", expected: "the number of heads (the file lacks it; give it: --heads)",
                found: "nothing")
        ) {
            try Checkpoint(importingPyTorch: path, on: processor)
        }
    }

    @Test func `characters come from the file, from meta.pkl beside it, or from a given vocabulary`() throws {
        let model = PyTorchBytes.dictionary(PyTorchBytes.state()),
            arguments = PyTorchBytes.dictionary([("n_head", PyTorchBytes.integer(2))])
        let path = folder.write(PyTorchBytes.file(PyTorchBytes.dictionary([("model", model), ("model_args", arguments)])), to: "a.pt")
        #expect(try Checkpoint(importingPyTorch: path, on: processor).tokenizer == nil)
        // What Python's pickle.dump({"vocab_size": 3, "itos": {0: "\n", 1: "a", 2: "é"}}) writes.
        let meta: [UInt8] =
            [0x80, 4, 0x95, 41, 0, 0, 0, 0, 0, 0, 0, 0x7D, 0x94, 0x28, 0x8C, 10] + Array("vocab_size".utf8) + [0x94, 0x4B, 3, 0x8C, 4]
            + Array("itos".utf8)
            + [
                0x94, 0x7D, 0x94, 0x28, 0x4B, 0, 0x8C, 1, 10, 0x94, 0x4B, 1, 0x8C, 1, 97, 0x94, 0x4B, 2, 0x8C, 2, 0xC3, 0xA9, 0x94, 0x75,
                0x75, 0x2E,
            ]
        folder.write(meta, to: "meta.pkl")
        let vocabulary = try Checkpoint(importingPyTorch: path, on: processor).vocabulary()
        #expect(
            vocabulary.tokens.indices.map { Array(vocabulary.tokens[$0]) } == [[10], [97], [0xC3, 0xA9]] && vocabulary.unit == .characters)
        #expect(try Tokenizer(vocabulary).ids(of: "aé\n") == [1, 2, 0])
        let bytes = Vocabulary.ofBytes()
        #expect(
            throws: CheckpointError.mismatch(
                path: path, name: "tokenizer", expected: "at most 5 tokens, the model's vocabulary size", found: "256")
        ) {
            try ImportedModel(reading: path, tokenizer: .vocabulary(bytes), on: processor)
        }
        #expect(try ImportedModel(reading: path, tokenizer: .none, on: processor).checkpoint.tokenizer == nil)
        #expect(try ImportedModel(reading: path, tokenizer: .vocabulary(vocabulary), on: processor).checkpoint.vocabulary() == vocabulary)
        let list = PyTorchBytes.dictionary([("b", PyTorchBytes.integer(0)), ("c", PyTorchBytes.integer(1))])
        let other = folder.write(
            PyTorchBytes.file(PyTorchBytes.dictionary([("model", model), ("config", arguments), ("stoi", list)])), to: "b.pt")
        #expect(try Checkpoint(importingPyTorch: other, on: processor).vocabulary().count == 2)
    }
}
