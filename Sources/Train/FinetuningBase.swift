package import Autograd
package import Checkpoint
import Files
import Formats
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

    package init(_ path: String, _ template: ChatTemplateChoice?, adding tokens: AddedTokenChoice? = nil, on processor: Processor) throws {
        let file = try ModelFile(path)
        try file.verify()
        self.path = path
        stored = file.checkpoint
        var changed = stored
        try changed.prepare(template, adding: tokens, on: processor)
        checkpoint = changed
    }

    /// The shape of an adapter, with the rows of the added tokens.
    package func shape(_ shape: LoRAConfiguration?) throws -> LoRAConfiguration? {
        try shape.map { try checkpoint.adapterShape($0, of: stored) }
    }
}
