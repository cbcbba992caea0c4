package import Checkpoint
import Files
package import Kernels
import Tokenize

/// Models of other programs: Hugging Face's folders, GGUF, nanoGPT's .pt.
///
///     let model = try ForeignModel(reading: "gpt2", on: processor)
///     try model.checkpoint.write(to: "checkpoints/gpt2.h5")
package struct ForeignModel {
    package private(set) var checkpoint: Checkpoint
    /// Why the model came without the tokenizer that is beside its weights; nil where it came whole.
    package private(set) var fault: String?

    /// Told by what it is: a folder with a config.json, or the first bytes of a file.
    ///
    /// A tokenizer that cannot be read does not keep its model out: the weights are good for measuring, or with another tokenizer.
    ///
    /// - Parameter heads: for a .pt that does not say how many.
    package init(reading path: String, heads: Int? = nil, tokenizer: ForeignTokenizer = .own, on processor: Processor) throws {
        switch tokenizer {
        case .own:
            do { checkpoint = try Self.read(path, heads, hasTokenizer: true, processor) } catch {
                guard (error as? GGUFError)?.isOfTokenizer ?? (error as? CheckpointError)?.isOfTokenizer ?? false else { throw error }
                checkpoint = try Self.read(path, heads, hasTokenizer: false, processor)
                fault = "\(error)"
            }
        case .none: checkpoint = try Self.read(path, heads, hasTokenizer: false, processor)
        case .other(let vocabulary):
            checkpoint = try Self.read(path, heads, hasTokenizer: false, processor)
            try checkpoint.take(vocabulary, of: path)
            checkpoint.chatTemplate = ChatTemplate.forms(of: vocabulary).first
        }
    }

    private static func read(_ path: String, _ heads: Int?, hasTokenizer: Bool, _ processor: Processor) throws -> Checkpoint {
        if Folder.contains(HuggingFace.configuration, in: path) { return try HuggingFace.read(path, hasTokenizer: hasTokenizer, on: processor) }
        switch try kind(of: path) {
        case .gguf: return try Checkpoint(readingGGUF: path, hasTokenizer: hasTokenizer, on: processor)
        case .zip: return try Checkpoint(importingPyTorch: path, heads: heads, hasTokenizer: hasTokenizer, on: processor)
        case .safetensors, .json: throw notRead(path, "a file of a folder: give the folder, with its \(HuggingFace.configuration)")
        case let kind: throw notRead(path, kind.rawValue)
        }
    }

    private static func kind(of path: String) throws(CheckpointError) -> FileKind {
        if Folder.contains(".", in: path) { throw notRead(path, "a folder without a \(HuggingFace.configuration)") }
        let file: MappedFile
        do { file = try MappedFile(path) } catch { throw CheckpointError(error) }
        return file.read(as: UInt8.self) { FileKind(of: $0) }
    }

    private static func notRead(_ path: String, _ found: String) -> CheckpointError {
        .mismatch(path: path, name: "the model", expected: "a Hugging Face folder of a GPT-2 (config.json, model.safetensors, tokenizer.json), a GGUF file, or nanoGPT's .pt",
                  found: found)
    }
}
