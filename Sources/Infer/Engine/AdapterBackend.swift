package import Checkpoint
import Formats
import Kernels
package import Tokenize

/// A LoRA adapter to load with its base model.
package struct AdapterFile: Sendable, Equatable {
    package let name: String
    package let path: String

    package init(name: String, path: String) {
        self.name = name
        self.path = path
    }
}

/// A LoRA adapter of a `LocalBackend`. Generations of the model and of all its adapters run in the same batches.
///
///     let backend = try LocalBackend(checkpoint: "base.h5", adapters: [.init(name: "support", path: "support.h5")]) { try Processor() }
///     let answer = try backend.adapters[0].generate(request)
package final class AdapterBackend: ChatBackend {
    /// The tokenizer and the chat template of the adapter.
    package let model: ModelInfo
    private let base: LocalBackend
    private let index: Int

    fileprivate init(_ index: Int, of base: LocalBackend) {
        self.base = base
        self.index = index
        model = base.model.adapters[index]
    }

    package var name: String { model.name }
    package var context: Int? { model.context }
    package var samplingDefaults: SamplingDefaults { model.samplingDefaults }
    package var kvMemoryUse: KVMemoryUse? { base.kvMemoryUse }
    package var canPause: Bool { base.canPause }
    package func probe(_ completion: @escaping @Sendable (_ works: Bool) -> Void) { base.probe(completion) }

    package func start(
        _ request: GenerationRequest,
        deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) throws(GenerationError) -> any GenerationHandle {
        try base.start(request, adapter: index, deliver: deliver)
    }

    package var embeddingWidth: Int? { base.embeddingWidth }
    package var weightBytes: Int? { base.weightBytes }
    package func embed(
        _ texts: [[TokenID]], deliver: @escaping @Sendable (EmbeddingResult) -> Void
    ) throws(GenerationError) -> any GenerationHandle {
        try base.embed(texts, adapter: index, deliver: deliver)
    }
}

extension LocalBackend {
    /// The LoRA adapters that were loaded with the model, in their order. Each keeps the model.
    package var adapters: [AdapterBackend] { model.adapters.indices.map { AdapterBackend($0, of: self) } }
}

extension ModelInfo {
    /// Reads LoRA adapters of this model: their tokenizers and chat templates, and the matrices, which are returned.
    mutating func load(
        _ files: [AdapterFile], of base: Checkpoint, on processor: Processor
    ) throws -> [[LoRAUpdate]] {
        if files.isEmpty { return [] }
        if base.adapter != nil {
            let expected = "a whole model, because adapters are loaded over it"
            throw CheckpointError.mismatch(path: base.name, name: "adapter", expected: expected, found: "a LoRA adapter")
        }
        let digest = base.weightsDigest
        return try files.map { file in
            let adapter = try ModelFile.adapter(file.path, of: base, at: base.name, on: processor)
            let updates = try adapter.loraUpdates(of: base, digest: digest, on: processor)
            // Most adapters have the tokenizer of their base: it is large and shared.
            let isSame = adapter.tokenizer == base.tokenizer
            let tokenizer = isSame ? tokenizer : try Tokenizer(adapter.vocabulary())
            let renderer = isSame && adapter.chatTemplate == base.chatTemplate
                ? renderer : try adapter.chatTemplate.map { try ChatRenderer($0, for: tokenizer) }
            adapters.append(ModelInfo(
                name: file.name, context: context, tokenizer, renderer, adapter.servingDefaults))
            return updates
        }
    }
}
