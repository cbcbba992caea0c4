import Autograd
import Kernels
import Model
import Tokenize

/// Generates greedily without a KV cache: each token costs a forward pass over the whole text. The reference for ``ModelRunner``.
///
///     let generator = UncachedGenerator(of: model, parameters, on: processor)
///     let ids = generator.completion(of: prompt, stoppingAt: renderer.stopTokens)
struct UncachedGenerator {
    private let model: GPT
    private let context: Int
    private let tape: Tape

    /// - Parameter context: The positions of a forward pass, if they are fewer than the model's context.
    init(
        of model: GPT, _ parameters: Parameters, on processor: Processor, precision: DataType = .float32, context: Int? = nil
    ) {
        self.model = model
        self.context = min(context ?? model.configuration.context, model.configuration.context)
        tape = Tape(processor, parameters: parameters, precision: precision)
        tape.needsOnlyLastLogits = true
    }

    /// The logits of the next token.   [V]
    ///
    /// If the text is longer than the context, only its end is used.
    func logits(after ids: [TokenID]) -> [Float] {
        let window = Array(ids.suffix(context))
        require(!window.isEmpty, "expected at least one token, found none")
        tape.reset()
        return tape.withoutRecording {
            let logits = model.logits(of: tape.ids(window, [1, window.count]), on: tape)         // [1, 1, V]
            return tape.cast(logits, to: .float32).floats
        }
    }

    /// Generates the most likely token repeatedly, until a stop token, which is left out, or `most` tokens.
    func completion(of prompt: [TokenID], stoppingAt stopTokens: [TokenID], most: Int = 64) -> [TokenID] {
        var ids = prompt
        while ids.count < prompt.count + most {
            let logits = logits(after: ids)
            guard let best = logits.indices.max(by: { logits[$0] < logits[$1] }), !stopTokens.contains(TokenID(best)) else { break }
            ids.append(TokenID(best))
        }
        return Array(ids.dropFirst(prompt.count))
    }
}
