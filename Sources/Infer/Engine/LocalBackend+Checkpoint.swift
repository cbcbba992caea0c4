package import Checkpoint
import Formats
package import Kernels
import Model
package import Tokenize

/// The precision of weights and the processor that are the fastest on this machine.
package struct TunedInference: Sendable {
    package let precision: WeightPrecision
    package let makeProcessor: @Sendable () throws -> Processor

    package init(precision: WeightPrecision, makeProcessor: @escaping @Sendable () throws -> Processor) {
        self.precision = precision
        self.makeProcessor = makeProcessor
    }
}

extension LocalBackend {
    /// Loads a model: a checkpoint, a LoRA adapter, a Hugging Face folder or a GGUF file.
    ///
    ///     let backend = try LocalBackend(checkpoint: "checkpoints/first/best.h5") { try Processor() }
    ///
    /// - Parameters:
    ///   - base: The base model of a LoRA adapter, if it is not at the path that the adapter names.
    ///   - adapters: LoRA adapters of the model to load with it: see ``LocalBackend/adapters``.
    ///   - draft: A smaller model with the same vocabulary that guesses tokens: see ``Speculation``.
    ///   - cache: The precision of cached keys and values.
    ///   - context: The most tokens of a prompt and its answer, if it is fewer than the model's context.
    ///   - chatTemplate: Replaces the chat template of the model, and of adapters of PEFT, which have none of their own.
    ///   - tuned: Finds what to use for weights that are not quantized, if the option is `auto`.
    ///   - makeProcessor: Runs on the thread that will run the model.
    ///
    /// Throws ``MemoryShortage`` if the weights do not fit into the free memory.
    package convenience init(
        checkpoint path: String,
        base: String? = nil,
        adapters: [AdapterFile] = [],
        draft draftPath: String? = nil,
        _ option: PrecisionOption = .auto,
        cache: KVPrecisionOption = .auto,
        context: Int? = nil,
        chatTemplate: ChatTemplateChoice? = nil,
        limits: Limits = .init(),
        tuned: @escaping @Sendable () throws -> TunedInference? = { nil },
        on makeProcessor: @escaping @Sendable () throws -> Processor
    ) throws {
        try self.init(limits: limits) {
            Processor.returnLargeBlocks()
            let file = try ModelFile(path, base: base, chatTemplate: chatTemplate), stored = file.storedPrecision
            let tuned = option == .auto && stored == nil ? try tuned() : nil
            let processor = try tuned?.makeProcessor() ?? makeProcessor()
            let precision = tuned?.precision ?? option.resolved(on: processor, stored: stored)
            let loaded = Result {
                var info = try ModelInfo(of: file.checkpoint, name: path, context: context)
                let updates = try info.load(adapters, of: file.checkpoint, on: processor)
                processor.trim()                               // the tokenizer's tables are made of larger ones
                let runner = try ModelRunner(
                    of: file.checkpoint, over: file.base, adapters: updates, on: processor, precision: precision, cache: cache,
                    context: info.context)
                info.limitContext(to: runner.context)
                return (info, runner)
            }
            try file.verify()
            let (info, runner) = try loaded.get()
            let draft = try draftPath.map { try ModelRunner(draft: $0, for: info, option, cache: cache, on: processor) }
            // Most weights are not packed yet: the first step has read them where they are stored.
            let needed = runner.unpackedBytes + (draft?.unpackedBytes ?? 0)
            if let free = CPU.availableMemory, let shortage = MemoryShortage(
                needed: needed, free: free, precision: precision, bitsPerWeight: runner.bitsPerWeight ?? 32) {
                throw shortage
            }
            processor.trim()
            return (info, runner, draft)
        }
    }
}

extension ModelRunner {
    /// Loads a draft model. Throws if its vocabulary is not that of the model and of the model's adapters: a guess is a token id.
    fileprivate convenience init(
        draft path: String, for model: ModelInfo, _ option: PrecisionOption, cache: KVPrecisionOption, on processor: Processor
    ) throws {
        let file = try ModelFile(path), found = try file.checkpoint.vocabulary().tokens
        for model in [model] + model.adapters where model.tokenizer.vocabulary.tokens != found {
            throw CheckpointError.otherVocabulary(of: path, found, than: model.name, model.tokenizer.vocabulary.tokens)
        }
        try self.init(
            of: file.checkpoint, over: file.base, on: processor, precision: option.resolved(on: processor, stored: file.storedPrecision),
            cache: cache, context: model.context, isAlone: false)
        try file.verify()
    }
}

extension CheckpointError {
    /// The error of a draft model whose tokens are not those of its model: the first difference.
    fileprivate static func otherVocabulary(
        of path: String, _ found: ByteStrings, than model: String, _ expected: ByteStrings
    ) -> CheckpointError {
        func text(_ tokens: ByteStrings, _ id: Int) -> String {
            if id >= tokens.count { return "no such token (there are \(tokens.count))" }
            return "'\(String(decoding: tokens[id], as: UTF8.self).debugDescription.dropFirst().dropLast())'"
        }
        let common = min(found.count, expected.count), id = (0..<common).first { found[$0] != expected[$0] } ?? common
        return .mismatch(
            path: path, name: "token \(id)", expected: "\(text(expected, id)), as in \(model): a draft model needs the same vocabulary",
            found: text(found, id))
    }
}

extension ModelInfo {
    /// Reads the tokenizer and the chat template of a checkpoint.
    ///
    /// - Parameter context: As for ``LocalBackend``.
    package init(of checkpoint: Checkpoint, name: String, context: Int? = nil) throws {
        let tokenizer = try Tokenizer(checkpoint.vocabulary())
        let renderer = try checkpoint.chatTemplate.map { try ChatRenderer($0, for: tokenizer) }
        let most = checkpoint.configuration.context, defaultContext = checkpoint.configuration.defaultContext
        self.init(name: name, context: min(context ?? defaultContext, most), tokenizer, renderer, checkpoint.servingDefaults)
        templateError = checkpoint.chatTemplateError
        isTemplateAssumed = checkpoint.isChatTemplateAssumed
        importNotes = checkpoint.importNotes
        if context == nil, defaultContext < most {
            importNotes.append("the context is \(defaultContext) tokens, for which the model was trained first; --context N allows up to "
                + "\(most), with other rotary positions (LongRoPE)")
        }
    }

    /// Lowers the context to what the KV cache can hold.
    fileprivate mutating func limitContext(to capacity: Int) {
        guard capacity < context else { return }
        importNotes.append("a KV cache can hold \(capacity) of the model's context of \(context) tokens here")
        context = capacity
        for i in adapters.indices { adapters[i].context = min(capacity, adapters[i].context) }
    }
}
