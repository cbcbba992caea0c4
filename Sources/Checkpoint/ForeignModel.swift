import Files
package import Kernels
package import Tokenize

/// Models of other programs: Hugging Face's folders, GGUF, nanoGPT's .pt.
///
///     let checkpoint = try ForeignModel.read("gpt2", on: processor)
package enum ForeignModel {
    /// Told by what it is: a folder with a config.json, or the first bytes of a file.
    ///
    /// - Parameters:
    ///   - heads: for a .pt that does not say how many.
    ///   - vocabulary: for a .pt, which has none.
    package static func read(_ path: String, heads: Int? = nil, vocabulary: Vocabulary? = nil, on processor: Processor) throws -> Checkpoint {
        if Folder.contains(HuggingFace.configuration, in: path) { return try HuggingFace.read(path, on: processor) }
        switch try kind(of: path) {
        case .gguf: return try Checkpoint(readingGGUF: path, on: processor)
        case .zip: return try Checkpoint(importingPyTorch: path, heads: heads, vocabulary: vocabulary, on: processor)
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
