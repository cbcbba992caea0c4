import Autograd
import Checkpoint
package import Kernels
import Model
import Tokenize

/// In what a model's weights are kept while it answers.
package enum WeightType: String, Sendable, CaseIterable {
    /// The fastest that costs nothing: bf16 where the CPU computes it, f32 elsewhere.
    case auto
    case f32, bf16, int8, int4
}

/// Where all backends come from.
///
///     let backend = try Backends.open(checkpoint: "checkpoints/first/best.h5", .auto, on: try Processor())
///     let other = try Backends.open(address: "http://localhost:8080", model: nil, key: nil)
package enum Backends {
    /// - Parameter base: the model that an adapter is for, where that is not where it was.
    package static func open(checkpoint path: String, base: String? = nil, _ type: WeightType = .auto, on processor: sending Processor) throws -> any ChatBackend {
        let checkpoint = try Checkpoint(reading: path), tokenizer = try Tokenizer(checkpoint.vocabulary())
        let renderer = try checkpoint.chatForm.map { try ChatRenderer($0, for: tokenizer) }
        let readable = ReadableModel(name: path, context: checkpoint.configuration.context, tokenizer, renderer)
        if type == .int8 || type == .int4 { throw GenerationError.unsupported("plain recomputation has no \(type.rawValue) weights: --dtype f32 or bf16.") }
        let precision: DataType = type != .f32 && processor.hasBFloat16 ? .bfloat16 : .float32
        let (model, parameters) = try checkpoint.model(base: base, on: processor)
        return RecomputationBackend(readable, Recomputation(of: model, parameters, on: processor, precision: precision))
    }

    /// - Parameters:
    ///   - model: nil asks the server.
    ///   - key: goes with each request.
    package static func open(address: String, model: String?, key: String?) throws(GenerationError) -> any ChatBackend {
        try OpenAIBackend(OpenAIAddress(address, key: key), model: model)
    }
}
