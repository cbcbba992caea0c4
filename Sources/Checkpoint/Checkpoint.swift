package import Kernels
package import Model
package import Tokenize

/// A model and its training state as stored in a file: configuration, weights, tokenizer, and everything needed to resume training.
///
///     var checkpoint = Checkpoint(model.configuration, weights: OrderedDictionary(parameters.values, of: parameters.list))
///     checkpoint.tokenizer = try StoredTokenizer(vocabulary)
///     checkpoint.chatTemplate = .specialTokens
///     checkpoint.training = ["step": 2_000, "settings": .text(settings)]
///     try checkpoint.write(to: "checkpoints/tiny/last.h5")
///
///     let checkpoint = try Checkpoint(reading: "checkpoints/tiny/last.h5")
///     let step = try checkpoint.integer("step")
///
/// The file is HDF5 and opens in h5py. Documentation/Reference/Checkpoint.md describes its layout. Copies of a checkpoint share their
/// arrays: arrays of a file that was read stay in the mapped file, and `write` takes arrays from where they are when it is called.
package struct Checkpoint {
    /// The file that it was read from; nil for a checkpoint made in memory.
    package private(set) var path: String?
    /// The size of that file.
    package private(set) var byteCount = 0
    /// The format of that file.
    package private(set) var format = FileFormat.slm
    package var configuration: GPTConfiguration
    /// Set if this is a LoRA adapter instead of a whole model. `weights` then holds only A and B.
    package var adapter: LoRAAdapter?
    package var weights: OrderedDictionary<FloatArray>
    /// Matrices stored in int8 or int4, or in the files of another program.
    package var quantized: OrderedDictionary<QuantizedWeights> = [:]
    /// The optimizer's state per weight, such as `first/layer0.qkv.weight` for AdamW's first moment.
    package var optimizer: OrderedDictionary<FloatArray> = [:]
    package var tokenizer: StoredTokenizer?
    /// How a conversation becomes tokens; nil for a model that was not trained on chats.
    package var chatTemplate: ChatTemplate?
    /// Why the model's own chat template cannot be rendered; nil if it can, or if there is none.
    package var chatTemplateError: String?
    /// A sentence for each part of another program's files that was left out.
    package var importNotes: [String] = []
    /// Whether the file has no chat template, and `chatTemplate` is one of slm's own that the vocabulary has tokens for.
    package var isChatTemplateAssumed = false
    /// What a run needs to resume: step, seed, settings, an identifier of its data, and further entries of its trainer.
    package var training: OrderedDictionary<CheckpointValue> = [:]
    /// Training loss, validation loss and other measurements of the model.
    package var metrics: OrderedDictionary<CheckpointValue> = [:]

    /// The formats of models.
    package enum FileFormat: String, Sendable {
        case slm = "slm checkpoint", huggingFace = "Hugging Face folder", gguf = "GGUF file"
    }

    package init(_ configuration: GPTConfiguration, weights: OrderedDictionary<FloatArray>) {
        self.configuration = configuration
        self.weights = weights
    }

    package init(path: String, byteCount: Int, configuration: GPTConfiguration, format: FileFormat = .slm) {
        self.path = path
        self.format = format
        self.byteCount = byteCount
        self.configuration = configuration
        weights = [:]
    }

    /// The checkpoint's name in messages.
    /// Takes over what a checkpoint has beside its weights: tokenizer, chat template, metrics and the defaults for a server.
    mutating func describe(as other: Checkpoint) {
        tokenizer = other.tokenizer
        chatTemplate = other.chatTemplate
        metrics = other.metrics
        servingDefaults = other.servingDefaults
    }

    package var name: String { path ?? "the checkpoint" }
}

/// Required entries of `training`. Each accessor throws if the entry is missing or has another type.
///
///     let seed = UInt64(truncatingIfNeeded: try checkpoint.integer("seed"))
extension Checkpoint {
    package func integer(_ name: String) throws(CheckpointError) -> Int {
        guard case .integer(let value)? = training[name] else { throw mismatch(name, "a whole number") }
        return value
    }

    package func integer(_ name: String, in range: ClosedRange<Int>) throws(CheckpointError) -> Int {
        let value = try integer(name)
        guard range.contains(value) else { throw mismatch(name, "a whole number from \(range.lowerBound) to \(range.upperBound)") }
        return value
    }

    /// Accepts an integer as well.
    package func number(_ name: String) throws(CheckpointError) -> Double {
        if case .integer(let value)? = training[name] { return Double(value) }
        guard case .number(let value)? = training[name] else { throw mismatch(name, "a number") }
        return value
    }

    /// A number in a range, which is not NaN.
    package func number(_ name: String, in range: ClosedRange<Double>) throws(CheckpointError) -> Double {
        let value = try number(name)
        guard range.contains(value) else { throw mismatch(name, "a number from \(range.lowerBound) to \(range.upperBound)") }
        return value
    }

    package func text(_ name: String) throws(CheckpointError) -> String {
        guard case .text(let value)? = training[name] else { throw mismatch(name, "a string") }
        return value
    }

    package func integers(_ name: String) throws(CheckpointError) -> [Int] {
        guard case .integers(let value)? = training[name] else { throw mismatch(name, "an array of whole numbers") }
        return value
    }

    package func numbers(_ name: String) throws(CheckpointError) -> [Double] {
        guard case .numbers(let value)? = training[name] else { throw mismatch(name, "an array of numbers") }
        return value
    }

    package func floats(_ name: String) throws(CheckpointError) -> [Float] {
        guard case .floats(let value)? = training[name] else { throw mismatch(name, "an array of f32 numbers") }
        return value
    }

    private func mismatch(_ name: String, _ expected: String) -> CheckpointError {
        .mismatch(path: self.name, name: "training/\(name)", expected: expected, found: training[name]?.typeDescription ?? "nothing")
    }
}
