import Autograd
package import Kernels
import Model

extension Checkpoint {
    /// The same model with its matrices rounded to int8 or int4: a quarter, or an eighth, of the file. What trains it keeps is left out.
    ///
    ///     try checkpoint.rounded(to: .int8, on: processor).write(to: "small.h5")
    ///
    /// Embeddings of positions, norms and biases, of which there are few numbers, stay what they are; so does int4 leave the embedding of tokens in int8, whose rows
    /// are what everything begins with.
    package func rounded(to form: WeightPrecision, on processor: Processor) throws(CheckpointError) -> Checkpoint {
        if adapter != nil { throw .notExpressible(format: "a file of \(form.rawValue) weights", reason: "an adapter is not rounded; merge it into its model first: slm finetune --merge") }
        var result = Checkpoint(configuration, weights: [:])
        (result.tokenizer, result.chatTemplate, result.metrics) = (tokenizer, chatTemplate, metrics)
        for (name, array) in weights {
            if array.shape.rank == 2, array.shape[1] > 1, !name.hasPrefix("positions") {
                let isEmbedding = name.hasPrefix("tokens") && !configuration.isTied
                result.rounded[name] = processor.round(array.values, outputs: array.shape[0], inputs: array.shape[1], to: isEmbedding ? .int8 : form)
            } else {
                result.weights[name] = array
            }
        }
        return result
    }

    /// What most of the weights are rounded to; nil where they are not.
    package var roundedForm: WeightPrecision? { rounded.contains { $0.element.form == .int4 } ? .int4 : rounded.count > 0 ? .int8 : nil }

    /// The same with f32 weights again: for programs that know no other.
    package func unrounded(on processor: Processor) throws(CheckpointError) -> Checkpoint {
        if rounded.count == 0 { return self }
        var result = self, list = ParameterList()
        _ = GPT(configuration, in: &list)
        result.weights = Named(try values(of: list.learned, on: processor), of: list.parameters)
        result.rounded = [:]
        return result
    }

    /// Puts what rounded weights stand for where their parameters are.
    func copyRounded(into buffer: Buffer, _ parameters: [Parameter], on processor: Processor) {
        for parameter in parameters {
            if let weights = rounded[parameter.name] { processor.values(of: weights, into: buffer[parameter.range]) }
        }
    }
}

extension RoundedWeights {
    var shape: Shape { [outputs, inputs] }
    var scaleArray: FloatArray { FloatArray(scales, shape: [outputs, Self.groups(inputs: inputs)]) }

    /// From the arrays of a file, if they belong together.
    init?(codes: (shape: [Int], values: Buffer), scales: FloatArray, inputs: Int) {
        guard codes.shape.count == 2, inputs > 0, scales.shape == [codes.shape[0], Self.groups(inputs: inputs)] else { return nil }
        guard let form = [WeightPrecision.int8, .int4].first(where: { Self.codeBytes($0, inputs: inputs) == codes.shape[1] }) else { return nil }
        self.init(form, outputs: codes.shape[0], inputs: inputs, codes: codes.values, scales: scales.values)
    }
}
