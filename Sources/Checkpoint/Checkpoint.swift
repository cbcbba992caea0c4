package import Kernels
package import Model
package import Tokenize

/// A model as a file keeps it: what it is, its weights, its vocabulary, and all that a run needs to go on where it was.
///
///     var checkpoint = Checkpoint(model.configuration, weights: Named(parameters.values, of: parameters.list))
///     checkpoint.tokenizer = try StoredTokenizer(vocabulary)
///     checkpoint.chatTemplate = .markers
///     checkpoint.training = ["step": 2_000, "settings": .text(settings)]
///     try checkpoint.write(to: "checkpoints/tiny/last.h5")
///
///     let checkpoint = try Checkpoint(reading: "checkpoints/tiny/last.h5")
///     let step = try checkpoint.integer("step")
///
/// The file is HDF5, which h5py opens; Documentation/Checkpoint.md says what is where. Arrays share their numbers with whoever made them: what was read
/// lies in the file, which is mapped, and what is to be written is taken from where it is when `write` is called.
package struct Checkpoint {
    /// Where it was read from; nil if it was made here.
    package private(set) var path: String?
    /// Of the file it was read from.
    package private(set) var byteCount = 0
    package var configuration: GPTConfiguration
    /// Where this is no model but what adapts one: its weights are the adapter's alone.
    package var adapter: Adapter?
    package var weights: Named<FloatArray>
    /// Those that are rounded to int8 or int4 instead.
    package var rounded: Named<RoundedWeights> = [:]
    /// What an optimiser keeps for each weight, such as `first/layer0.qkv.weight`.
    package var optimizer: Named<FloatArray> = [:]
    package var tokenizer: StoredTokenizer?
    /// How a conversation becomes tokens; nil for a model that was not made for them.
    package var chatTemplate: ChatTemplate?
    /// What a run needs to go on: step, random state, place in the data, settings, and whatever else its trainer adds.
    package var training: Named<Value> = [:]
    /// What is known of the model: training and validation loss, …
    package var metrics: Named<Value> = [:]

    package init(_ configuration: GPTConfiguration, weights: Named<FloatArray>) { (self.configuration, self.weights) = (configuration, weights) }

    init(path: String, byteCount: Int, configuration: GPTConfiguration) {
        (self.path, self.byteCount, self.configuration, weights) = (path, byteCount, configuration, [:])
    }

    /// As messages call it.
    package var name: String { path ?? "the checkpoint" }
}

/// Values of `training` that must be there. What is there as something else is an error, too.
///
///     let seed = UInt64(truncatingIfNeeded: try checkpoint.integer("seed"))
extension Checkpoint {
    package func integer(_ name: String) throws(CheckpointError) -> Int {
        guard case .integer(let value)? = training[name] else { throw missing(name, "a whole number") }
        return value
    }

    /// A whole number is one, too.
    package func number(_ name: String) throws(CheckpointError) -> Double {
        if case .integer(let value)? = training[name] { return Double(value) }
        guard case .number(let value)? = training[name] else { throw missing(name, "a number") }
        return value
    }

    package func text(_ name: String) throws(CheckpointError) -> String {
        guard case .text(let value)? = training[name] else { throw missing(name, "a text") }
        return value
    }

    package func integers(_ name: String) throws(CheckpointError) -> [Int] {
        guard case .integers(let value)? = training[name] else { throw missing(name, "a row of whole numbers") }
        return value
    }

    package func numbers(_ name: String) throws(CheckpointError) -> [Double] {
        guard case .numbers(let value)? = training[name] else { throw missing(name, "a row of numbers") }
        return value
    }

    package func floats(_ name: String) throws(CheckpointError) -> [Float] {
        guard case .floats(let value)? = training[name] else { throw missing(name, "a row of f32 numbers") }
        return value
    }

    package func bytes(_ name: String) throws(CheckpointError) -> [UInt8] {
        guard case .bytes(let value)? = training[name] else { throw missing(name, "a row of bytes") }
        return value
    }

    private func missing(_ name: String, _ expected: String) -> CheckpointError {
        .mismatch(path: self.name, name: "training/\(name)", expected: expected, found: training[name]?.kind ?? "nothing")
    }
}
