package import Autograd
package import Checkpoint
import Files
package import Formats
package import Kernels
import Model
package import Tokenize

/// The model that a fine-tuning run starts from.
///
///     let base = try FinetuningBase("base.gguf", .known(.chatml), adding: .ofTemplate, on: processor)
package struct FinetuningBase {
    package let path: String
    /// As it is stored: what an adapter leaves frozen.
    package let stored: Checkpoint
    /// With the chat template and the added tokens of the run.
    package let checkpoint: Checkpoint
    /// Whether the chat template was chosen, and is not the model's own.
    private let hasChosenTemplate: Bool
    private let file: ModelFile

    /// - Parameter file: The model at the path, if it has been opened.
    package init(
        _ path: String, _ template: ChatTemplateChoice? = nil, adding tokens: AddedTokenChoice? = nil, file: ModelFile? = nil,
        on processor: Processor
    ) throws {
        self.file = try file ?? ModelFile(path)
        self.path = path
        hasChosenTemplate = template != nil
        stored = self.file.checkpoint
        var changed = stored
        try changed.prepare(template, adding: tokens, on: processor)
        checkpoint = changed
    }

    /// Waits until the checksums of the file are verified.
    func verify() throws(CheckpointError) { try file.verify() }

    /// The chat template of a run.
    ///
    /// - Parameter adapter: The adapter to train further.
    package func chatTemplate(for adapter: Checkpoint?) throws -> ChatTemplate {
        try (hasChosenTemplate ? nil : adapter?.chatTemplate) ?? checkpoint.chatTemplate ?? .assumed(for: checkpoint.vocabulary())
    }

    /// The shape of an adapter, with the rows of the added tokens.
    package func shape(_ shape: LoRAConfiguration?) throws -> LoRAConfiguration? {
        try shape.map { try checkpoint.adapterShape($0, of: stored) }
    }
}
