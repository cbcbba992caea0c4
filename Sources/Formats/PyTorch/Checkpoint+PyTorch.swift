package import Checkpoint
import Files
import Glibc
package import Kernels
import Model
import Tokenize

extension Checkpoint {
    /// A model of nanoGPT, or of a program that grew from it, as `torch.save` wrote it. Nothing that the file says is run.
    ///
    ///     let checkpoint = try Checkpoint(importingPyTorch: "out-shakespeare-char/ckpt.pt", meta: "data/shakespeare_char/meta.pkl", on: processor)
    ///     try checkpoint.write(to: "checkpoints/shakespeare.h5")
    ///
    /// Weights that are f32 stay in the file, which is mapped; others become f32. What its optimiser kept is left out.
    ///
    /// - Parameters:
    ///   - heads: where the file does not say how many; without both, heads are 64 wide as in every GPT-2.
    ///   - hasTokenizer: whether its tokens are looked for, too. A file holds none, but for characters, which are in the file, or in a `meta.pkl` beside it.
    ///   - meta: that file, where it is elsewhere.
    ///   - activation: what its perceptrons compute with. nanoGPT's GELU has been the exact one since 2023.
    package init(importingPyTorch path: String, heads: Int? = nil, hasTokenizer: Bool = true, meta: String? = nil,
                 activation: Function = .exactGELU, on processor: Processor) throws(PyTorchError) {
        var file = try TorchFile(path)
        let state = try NanoGPTState(&file, on: processor)
        var configuration = try state.configuration(NanoGPTArguments(file.pickle, path: path), heads: heads)
        configuration.activation = activation
        self.init(configuration, weights: try state.weights(configuration, from: &file, on: processor))
        try readMetrics(&file)
        guard hasTokenizer, let vocabulary = try Self.characters(beside: file, meta: meta) else { return }
        do { try take(vocabulary, of: path) } catch { throw .checkpoint(error) }
    }

    private static func characters(beside file: TorchFile, meta: String?) throws(PyTorchError) -> Vocabulary? {
        if let meta { return try NanoGPTCharacters.read(meta) }
        if let characters = try NanoGPTCharacters(file.pickle, path: file.path) { return characters.vocabulary }
        let beside = RelativePath.folder(ofFileAt: file.path) + "/meta.pkl"
        return access(beside, F_OK) == 0 ? try NanoGPTCharacters.read(beside) : nil
    }

    private mutating func readMetrics(_ file: inout TorchFile) throws(PyTorchError) {
        let pickle = file.pickle
        for (ours, theirs) in [("step", ["iter_num", "iter", "step"]), ("training_loss", ["train_loss"]), ("validation_loss", ["val_loss", "best_val_loss"])] {
            for name in theirs where metrics[ours] == nil {
                guard let number = try file.number(pickle[name, in: pickle.root]) else { continue }
                metrics[ours] = ours == "step" ? Int(exactly: number).map(Value.integer) : .number(number)
            }
        }
    }
}
