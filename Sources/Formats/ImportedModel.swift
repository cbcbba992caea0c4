package import Checkpoint
import Files
package import Kernels
package import Tokenize

/// A model read from another program's files: a Hugging Face folder, a GGUF file, or nanoGPT's .pt.
///
///     let model = try ImportedModel(reading: "gpt2", on: processor)
///     try model.checkpoint.write(to: "checkpoints/gpt2.h5")
package struct ImportedModel {
    package private(set) var checkpoint: Checkpoint
    /// Why the model's own tokenizer could not be read; nil if there was no error.
    package private(set) var tokenizerError: String?

    /// Detects the format: a folder with a config.json, or the first bytes of a file.
    ///
    /// A model whose own tokenizer cannot be read is imported without it: its weights can still be benchmarked, or used with another
    /// tokenizer.
    ///
    /// - Parameters:
    ///   - heads: The number of heads of a .pt that does not contain it.
    ///   - chatTemplate: Replaces the chat template of the model.
    ///   - addedTokens: Special tokens to add to its vocabulary.
    package init(
        reading path: String, heads: Int? = nil, tokenizer: TokenizerSource = .included, chatTemplate: ChatTemplateChoice? = nil,
        adding addedTokens: AddedTokenChoice? = nil, on processor: Processor
    ) throws {
        switch tokenizer {
        case .included:
            do { checkpoint = try Self.read(path, heads, hasTokenizer: true, processor) } catch {
                guard (error as? CheckpointError)?.isTokenizerError ?? false else { throw error }
                checkpoint = try Self.read(path, heads, hasTokenizer: false, processor)
                tokenizerError = "\(error)"
            }
        case .none: checkpoint = try Self.read(path, heads, hasTokenizer: false, processor)
        case .vocabulary(let vocabulary):
            checkpoint = try Self.read(path, heads, hasTokenizer: false, processor)
            try checkpoint.setVocabulary(vocabulary, ofModelAt: path)
            checkpoint.assumeChatTemplate(for: vocabulary)
        }
        try checkpoint.prepare(chatTemplate, adding: addedTokens, on: processor)
    }

    private static func read(_ path: String, _ heads: Int?, hasTokenizer: Bool, _ processor: Processor) throws -> Checkpoint {
        if Folder.contains(HuggingFace.configuration, in: path) {
            let mapped = try HuggingFace.map(path, hasTokenizer: hasTokenizer)
            return try storable(mapped.dequantized(on: processor), path)
        }
        switch try kind(of: path) {
        case .gguf: return try storable(Checkpoint(readingGGUF: path, hasTokenizer: hasTokenizer, on: processor), path)
        case .zip: return try Checkpoint(importingPyTorch: path, heads: heads, hasTokenizer: hasTokenizer, on: processor)
        case .safetensors, .json:
            throw unsupported(path, "a file of a Hugging Face folder: give the folder that contains \(HuggingFace.configuration)")
        case let kind: throw unsupported(path, kind.rawValue)
        }
    }

    /// Writes the tokenizer.json of a checkpoint, so that a tokenizer that cannot be stored is known now.
    private static func storable(_ checkpoint: Checkpoint, _ path: String) throws -> Checkpoint {
        guard checkpoint.tokenizer != nil else { return checkpoint }
        var result = checkpoint
        try result.setVocabulary(checkpoint.vocabulary(), ofModelAt: path)
        return result
    }

    private static func kind(of path: String) throws(CheckpointError) -> FileKind {
        if Folder.contains(".", in: path) { throw unsupported(path, "a folder without \(HuggingFace.configuration)") }
        let file = try ImportedFile(path).mapped()
        return file.read(as: UInt8.self) { FileKind(of: $0) }
    }

    private static func unsupported(_ path: String, _ found: String) -> CheckpointError {
        .mismatch(
            path: path, name: "the model",
            expected: "a Hugging Face folder (config.json, model.safetensors, tokenizer.json), a GGUF file, or nanoGPT's .pt",
            found: found
        )
    }
}
