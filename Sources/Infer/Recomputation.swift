package import Autograd
package import Kernels
package import Model
package import Tokenize

/// Continues a text by computing the whole forward pass again for each token: slow, and plain enough to hold everything faster against.
///
///     let answers = Recomputation(of: model, parameters, on: processor)
///     let ids = answers.continuation(of: prompt, stoppingAt: renderer.stops)
package struct Recomputation {
    private let model: GPT
    private let tape: Tape

    package init(of model: GPT, _ parameters: Parameters, on processor: Processor, precision: DataType = .float32) {
        self.model = model
        tape = Tape(processor, parameters: parameters, precision: precision)
    }

    /// A score for each token to come next. Of a text longer than the model's context, the end is seen.
    package func scores(after ids: [TokenID]) -> [Float] {
        let seen = Array(ids.suffix(model.configuration.context)), V = model.configuration.vocabulary
        require(!seen.isEmpty, "scores after nothing")
        tape.reset()
        return tape.withoutRecording {
            let logits = model.logits(of: tape.ids(seen, [1, seen.count]), on: tape)             // [1, T, V]
            return Array(tape.cast(logits, to: .float32).floats.suffix(V))
        }
    }

    /// The likeliest token again and again, until one that ends the turn, which is left out, or `most` of them.
    package func continuation(of prompt: [TokenID], stoppingAt stops: [TokenID], most: Int = 64) -> [TokenID] {
        var ids = prompt
        while ids.count < prompt.count + most {
            let scores = scores(after: ids)
            guard let next = scores.indices.max(by: { scores[$0] < scores[$1] }).map({ TokenID($0) }), !stops.contains(next) else { break }
            ids.append(next)
        }
        return Array(ids.dropFirst(prompt.count))
    }
}
