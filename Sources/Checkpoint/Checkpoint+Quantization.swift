package import Autograd
package import Kernels
import Model

extension Checkpoint {
    /// Returns the model with its matrices quantized to int8 or int4: a quarter or an eighth of the file size.
    ///
    ///     try checkpoint.quantized(to: .int8, on: processor).write(to: "small.h5")
    ///
    /// Position embeddings, norms and biases stay f32, because they are small. With int4, an untied token embedding is stored in int8,
    /// because its rows are the input of every layer. Training state is dropped, except for the starter questions.
    ///
    /// - Parameter releasingFile: Releases pages of the file after they are read. The weights must not have been changed in memory.
    package func quantized(
        to precision: WeightPrecision, releasingFile: Bool = false, on processor: Processor
    ) throws(CheckpointError) -> Checkpoint {
        if adapter != nil {
            throw .notExpressible(
                format: "a file of \(precision.rawValue) weights",
                reason: "a LoRA adapter cannot be quantized; merge it into its base model first: slm adapter merge"
            )
        }
        var result = Checkpoint(configuration, weights: [:])
        result.tokenizer = tokenizer
        result.chatTemplate = chatTemplate
        result.metrics = metrics
        result.starterQuestions = starterQuestions
        for (name, array) in weights {
            if array.shape.rank == 2, array.shape[1] > 1, !name.hasPrefix("positions") {
                let isEmbedding = name.hasPrefix("tokens") && !configuration.isTied && precision == .int4
                result.quantized[name] = processor.quantize(
                    array.values, outputs: array.shape[0], inputs: array.shape[1], to: isEmbedding ? .int8 : precision
                )
                if releasingFile { array.values.releaseFilePages() }
            } else {
                result.weights[name] = array
            }
        }
        return result
    }

    /// Returns the model with its matrices in a precision, for a base that stays in memory while an adapter is trained; as they are if nil.
    ///
    /// Matrices that are in this precision already stay in the file.
    package func keeping(_ precision: WeightPrecision?, on processor: Processor) throws(CheckpointError) -> Checkpoint {
        guard let precision, precision != quantizedPrecision ?? .float32 else { return self }
        if precision == .float32 { return try dequantized(on: processor) }
        if let stored = quantizedPrecision {
            throw .mismatch(
                path: name, name: "the base model", expected: "f32 weights to keep in \(precision.rawValue) (--base-dtype)",
                found: "\(stored.rawValue) ones")
        }
        return try quantized(to: precision, releasingFile: true, on: processor)
    }

    /// The precision of the quantized matrices (int4 if any of them is); nil if there are none.
    package var quantizedPrecision: WeightPrecision? {
        let found = Set(quantized.map(\.element.precision))
        return [.int4, .int8, .bfloat16].first { found.contains($0) }
    }

    /// The precision in which the model's matrices are stored: for a LoRA adapter, those of its base, unless PiSSA has changed them.
    package func storedPrecision(base: String? = nil) throws(CheckpointError) -> WeightPrecision? {
        guard let adapter else { return quantizedPrecision }
        return adapter.principals.count > 0 ? nil : try adapterBase(at: base).quantizedPrecision
    }

    /// Returns the model with all weights in f32, for formats and code that know no other precision.
    package func dequantized(on processor: Processor) throws(CheckpointError) -> Checkpoint {
        if quantized.count == 0 { return self }
        var result = self, list = ParameterList()
        _ = GPT(configuration, in: &list)
        result.weights = OrderedDictionary(try values(of: list.trainable, on: processor), of: list.parameters)
        result.quantized = [:]
        return result
    }

    /// The quantized matrices of a model's parameters, by their index.
    package func quantizedWeights(of layout: ParameterList.Layout) -> [Int: QuantizedWeights] {
        var result: [Int: QuantizedWeights] = [:]
        for parameter in layout.parameters { result[parameter.index] = quantized[parameter.name] }
        return result
    }

    /// Writes the f32 values of quantized matrices to the regions of their parameters.
    func dequantize(into buffer: Buffer, _ parameters: [Parameter], on processor: Processor) {
        for parameter in parameters {
            if let weights = quantized[parameter.name] { processor.dequantize(weights, into: buffer[parameter.range]) }
        }
    }
}

extension QuantizedWeights {
    var shape: Shape { [outputs, inputs] }
    var scaleArray: FloatArray { FloatArray(scales, shape: [outputs, Self.groups(inputs: inputs)]) }

    /// Combines the arrays of a file; nil if their shapes do not match.
    init?(codes: (shape: [Int], values: Buffer), scales: FloatArray, inputs: Int) {
        guard codes.shape.count == 2, inputs > 0, scales.shape == [codes.shape[0], Self.groups(inputs: inputs)] else { return nil }
        let precision = [WeightPrecision.int8, .int4].first { Self.codeBytes($0, inputs: inputs) == codes.shape[1] }
        guard let precision else { return nil }
        self.init(precision, outputs: codes.shape[0], inputs: inputs, codes: codes.values, scales: scales.values)
    }
}
