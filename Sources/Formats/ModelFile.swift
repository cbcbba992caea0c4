package import Autograd
package import Checkpoint
import Files
package import Kernels
package import Model
package import Tokenize

/// A model on this machine in any format that slm computes with: a checkpoint, a LoRA adapter with its base model, a Hugging Face folder,
/// or a GGUF file. Commands open models with it.
///
///     let file = try ModelFile("qwen2.5-0.5b-q8_0.gguf")
///     let (model, parameters) = try file.model(on: processor)
///     try file.verify()                                        // before the model is used
///
/// Matrices stay in the mapped file until they are used. The file may be replaced meanwhile, but must not be truncated.
package struct ModelFile {
    /// The model, or the LoRA adapter.
    package let checkpoint: Checkpoint
    /// The base model of a LoRA adapter; otherwise the model itself.
    package let base: Checkpoint
    private let checks: [ChecksumCheck]

    /// - Parameters:
    ///   - basePath: the base model of a LoRA adapter, if it is not at the path that the adapter names.
    ///   - chatTemplate: replaces the chat template of the model.
    package init(_ path: String, base basePath: String? = nil, chatTemplate: ChatTemplateChoice? = nil) throws {
        var (checkpoint, check) = try Self.open(path)
        if let chatTemplate { try checkpoint.replaceChatTemplate(by: chatTemplate) }
        self.checkpoint = checkpoint
        guard checkpoint.adapter != nil else {
            base = checkpoint
            checks = [check].compactMap { $0 }
            return
        }
        let resolved = checkpoint.adapterBasePath(basePath), opened: (Checkpoint, ChecksumCheck?)
        do { opened = try Self.open(resolved) } catch CheckpointError.unreadable(_, let reason) {
            throw CheckpointError.noBaseModel(path: checkpoint.name, base: resolved, reason: reason)
        }
        base = opened.0
        try checkpoint.check(base: base, at: resolved)
        checks = [check, opened.1].compactMap { $0 }
    }

    /// Waits until the checksums are verified, which other threads do since the files were opened. Throws if a file is damaged. Nothing may
    /// come of the model before.
    package func verify() throws(CheckpointError) { for check in checks { try check.wait() } }

    /// The precision in which the model's matrices are stored; nil for f32 and f16.
    package var storedPrecision: WeightPrecision? { checkpoint.storedPrecision(over: base) }

    /// Builds the model with its weights, for a LoRA adapter with the adapter applied to its base model. See
    /// ``Checkpoint/model(over:copying:keepingQuantized:on:)``.
    package func model(
        copying: Bool = false, keepingQuantized: Bool = false, on processor: Processor
    ) throws(CheckpointError) -> (model: GPT, parameters: Parameters) {
        try checkpoint.model(over: base, copying: copying, keepingQuantized: keepingQuantized, on: processor)
    }

    /// Opens a model, or a LoRA adapter without its base model. Files of other programs have no checksum.
    package static func open(_ path: String) throws -> (checkpoint: Checkpoint, check: ChecksumCheck?) {
        let path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        if Folder.contains(HuggingFace.configuration, in: path) { return (try HuggingFace.map(path), nil) }
        switch kind(of: path) {
        case .gguf?: return (try Checkpoint(mappingGGUF: path), nil)
        case .safetensors?:
            throw ImportedFile(path).mismatch(
                "the model", "a checkpoint, a GGUF file or a Hugging Face folder",
                "a file of a Hugging Face folder: give the folder that contains \(HuggingFace.configuration)")
        default: return try Checkpoint.open(path)
        }
    }

    /// Opens a LoRA adapter: a checkpoint of one, or a folder of PEFT.
    ///
    /// - Parameters:
    ///   - base: The adapter's base model.
    ///   - basePath: Where it is, relative to where an adapter of PEFT will be written.
    package static func adapter(
        _ path: String, of base: Checkpoint, at basePath: String, on processor: Processor
    ) throws(CheckpointError) -> Checkpoint {
        PEFT.isAdapter(path) ? try PEFT.read(path, base: base, basePath: basePath, on: processor) : try Checkpoint(reading: path)
    }

    /// nil if the file cannot be read, which opening it as a checkpoint explains.
    private static func kind(of path: String) -> FileKind? {
        guard let file = try? MappedFile(path) else { return nil }
        return file.read(as: UInt8.self) { FileKind(of: $0) }
    }
}
