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
    /// A LoRA adapter of the model to train further; nil to begin with the model itself.
    package var adapter: Checkpoint?
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
    package var chatTemplate: ChatTemplate {
        get throws {
            try (hasChosenTemplate ? nil : adapter?.chatTemplate) ?? checkpoint.chatTemplate ?? .assumed(for: checkpoint.vocabulary())
        }
    }

    /// The shape of the adapter to train further, or else a new one with the rows of the added tokens.
    package func shape(_ new: LoRAConfiguration?) throws -> LoRAConfiguration? {
        guard let adapter else { return try new.map { try checkpoint.adapterShape($0, of: stored) } }
        guard let shape = adapter.adapter?.shape else { throw TrainingError.noAdapter(path: adapter.name) }
        if shape.addedTokens != nil { throw TrainingError.addedTokens(path: adapter.name) }
        return shape
    }
}
