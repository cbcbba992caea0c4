import Autograd
package import Checkpoint
package import Kernels
import Model
import Tokenize

/// In what a model's weights are kept while it answers.
package enum WeightType: String, Sendable, CaseIterable {
    /// What the file has; where it is not rounded, the fastest that costs nothing: bf16 where the CPU computes it, f32 elsewhere.
    case auto
    case f32, bf16, int8, int4

    /// As it was asked for, where this machine computes it: bf16 needs instructions of its own.
    ///
    /// - Parameter stored: what the weights are rounded to in their file.
    package func form(on processor: Processor, stored: WeightPrecision? = nil) -> WeightPrecision {
        switch self {
        case .f32: .float32
        case .auto where stored != nil: stored ?? .float32
        case .bf16, .auto: processor.hasBFloat16 ? .bfloat16 : .float32
        case .int8: .int8
        case .int4: .int4
        }
    }
}

/// Where all backends come from.
///
///     let backend = try Backends.open(checkpoint: "checkpoints/first/best.h5", .auto) { try Processor() }
///     let other = try Backends.open(address: "http://localhost:8080", model: nil, key: nil)
package enum Backends {
    /// - Parameters:
    ///   - base: the model that an adapter is for, where that is not where it was.
    ///   - makeProcessor: Runs on the thread that will compute.
    package static func open(checkpoint path: String, base: String? = nil, _ type: WeightType = .auto, limits: GPTBackend.Limits = .init(),
                             on makeProcessor: @escaping @Sendable () throws -> Processor) throws -> GPTBackend {
        try GPTBackend(limits: limits) {
            let checkpoint = try Checkpoint(reading: path), processor = try makeProcessor()
            return (try readable(checkpoint, name: path), try Runner(of: checkpoint, base: base, on: processor, form: type.form(on: processor, stored: checkpoint.roundedForm)))
        }
    }

    /// What a checkpoint says besides its weights.
    package static func readable(_ checkpoint: Checkpoint, name: String) throws -> ReadableModel {
        let tokenizer = try Tokenizer(checkpoint.vocabulary()), renderer = try checkpoint.chatTemplate.map { try ChatRenderer($0, for: tokenizer) }
        return ReadableModel(name: name, context: checkpoint.configuration.context, tokenizer, renderer)
    }

    /// - Parameters:
    ///   - model: nil asks the server.
    ///   - key: goes with each request.
    package static func open(address: String, model: String?, key: String?) throws(GenerationError) -> any ChatBackend {
        try OpenAIBackend(OpenAIAddress(address, key: key), model: model)
    }
}
