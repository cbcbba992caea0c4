package import Checkpoint
import Files
package import Kernels
import Model
import Tokenize

extension Checkpoint {
    /// Reads a checkpoint of nanoGPT, or of a program derived from it, as written by `torch.save`. No code in the file is run.
    ///
    ///     let checkpoint = try Checkpoint(importingPyTorch: "out-shakespeare-char/ckpt.pt", on: processor)
    ///     try checkpoint.write(to: "checkpoints/shakespeare.h5")
    ///
    /// f32 weights stay in the mapped file; others are converted to f32. Optimizer state is dropped.
    ///
    /// - Parameters:
    ///   - heads: the number of heads if the file lacks it. Without both, heads are 64 wide, as in every GPT-2.
    ///   - hasTokenizer: whether to look for a character vocabulary, in the file or in a `meta.pkl` beside it.
    package init(
        importingPyTorch path: String, heads: Int? = nil, hasTokenizer: Bool = true, on processor: Processor
    ) throws(CheckpointError) {
        var file = try TorchFile(path)
        let state = try NanoGPTStateDict(&file, on: processor)
        var configuration = try state.configuration(NanoGPTArguments(file.pickle, path: path), heads: heads)
        configuration.activation = .exactGELU                     // since 2023
        self.init(configuration, weights: try state.weights(configuration, from: &file, on: processor))
        try readMetrics(&file)
        guard hasTokenizer, let vocabulary = try Self.characterVocabulary(of: file) else { return }
        try setVocabulary(vocabulary, ofModelAt: path)
    }

    private static func characterVocabulary(of file: TorchFile) throws(CheckpointError) -> Vocabulary? {
        if let vocabulary = try NanoGPTCharacterVocabulary.read(file.pickle, path: file.path) { return vocabulary }
        let beside = RelativePath.folder(ofFileAt: file.path) + "/meta.pkl"
        return FileStatus(beside) != nil ? try NanoGPTCharacterVocabulary.read(beside) : nil
    }

    private mutating func readMetrics(_ file: inout TorchFile) throws(CheckpointError) {
        let pickle = file.pickle
        for (name, candidates) in [
            ("step", ["iter_num", "iter", "step"]), ("train_loss", ["train_loss"]), ("val_loss", ["val_loss", "best_val_loss"]),
        ] {
            for candidate in candidates where metrics[name] == nil {
                guard let number = try file.number(pickle[candidate, in: pickle.root]) else { continue }
                metrics[name] = name == "step" ? Int(exactly: number).map(CheckpointValue.integer) : .number(number)
            }
        }
    }
}
