package import Autograd
package import Kernels
import Model

extension Checkpoint {
    /// Returns the model with its matrices quantized to int8, int6 or int4: a quarter to a seventh of the file size.
    ///
    ///     try checkpoint.quantized(to: .int8, on: processor).write(to: "small.h5")
    ///
    /// Position embeddings, norms and biases stay f32, because they are small. With int4, token embedding and head are stored in
    /// more bits (``precision(of:as:isCalibrated:)``). Training state is dropped, except for the starter questions.
    ///
    /// - Parameters:
    ///   - releasingFile: Releases pages of the file after they are read. The weights must not have been changed in memory.
    ///   - calibration: The statistics of a matrix's inputs, by its name.
    package func quantized(
        to precision: WeightPrecision, releasingFile: Bool = false, on processor: Processor,
        calibration: (_ name: String) -> InputStatistics? = { _ in nil }
    ) throws(CheckpointError) -> Checkpoint {
        if adapter != nil {
            throw .notExpressible(
                format: "a file of \(precision.rawValue) weights",
                reason: "a LoRA adapter cannot be quantized; merge it into its base model first: slm adapter merge"
            )
        }
        var result = Checkpoint(configuration, weights: [:])
        result.describe(as: self)
        func quantize(_ name: String, _ values: Buffer, _ shape: Shape) {
            let calibration = calibration(name)
            // A diagonal alone does not tell which errors can be made up for.
            let precision = Self.precision(of: name, as: precision, isCalibrated: calibration?.isDiagonal == false)
            result.quantized[name] = processor.quantize(
                values, outputs: shape[0], inputs: shape[1], to: precision, calibration: calibration)
        }
        for (name, array) in weights {
            if !Self.isMatrix(name, array.shape) {
                result.weights[name] = array
                continue
            }
            quantize(name, array.values, array.shape)
            if releasingFile { array.values.releaseFilePages() }
        }
        // One matrix at a time is widened.
        for (name, matrix) in quantized {
            let values = processor.buffer(of: matrix.outputs * matrix.inputs, .float32)
            processor.dequantize(matrix, into: values)
            quantize(name, values, matrix.shape)
        }
        return result
    }

    /// The precision of a matrix in a model of another one: int4 would lose too much in the token embedding, whose errors reach every
    /// layer, and in the head. int6 loses little there only if it is calibrated (Documentation/decisions/int4.md).
    package static func precision(of name: String, as precision: WeightPrecision, isCalibrated: Bool = false) -> WeightPrecision {
        if name.hasSuffix(".router.weight") { return .float32 }
        guard precision == .int4, isEmbeddingOrHead(name) else { return precision }
        return isCalibrated ? .int6 : .int8
    }

    package static func isEmbeddingOrHead(_ name: String) -> Bool { name.hasPrefix("tokens") || name.hasPrefix("head") }

    /// Whether a parameter is a matrix that can be kept in another format than f32. Position embeddings, norms and routers are small.
    package static func isMatrix(_ name: String, _ shape: Shape) -> Bool {
        shape.rank == 2 && shape[1] > 1 && !name.hasPrefix("positions") && !name.contains("norm") && !name.hasSuffix(".router.weight")
    }

    /// Returns the model with its matrices in a precision, for a base that stays in memory while an adapter is trained; as they are if nil.
    ///
    /// Matrices that are in this precision already stay in the file.
    package func keeping(_ precision: WeightPrecision?, on processor: Processor) throws(CheckpointError) -> Checkpoint {
        guard let precision, precision != quantizedPrecision ?? .float32 else { return self }
        if precision == .float32 { return try dequantized(on: processor) }
        if let stored = quantizedPrecision, stored != .bfloat16 {
            throw .mismatch(
                path: name, name: "the base model", expected: "f32 or bf16 weights to keep in \(precision.rawValue) (--base-dtype)",
                found: "\(stored.rawValue) ones, which are kept as they are without --base-dtype")
        }
        return try quantized(to: precision, releasingFile: true, on: processor)
    }

    /// The precision of the matrices that are stored in fewer bits than f32: the smallest of int4, int6 and int8, then bf16. nil if some
    /// are f32 or f16 and the others bf16, or if there are none.
    package var quantizedPrecision: WeightPrecision? {
        let found = Set(quantized.map(\.element.precision))
        if let smallest = [WeightPrecision.int4, .int6, .int8].first(where: found.contains) { return smallest }
        return found == [.bfloat16] ? .bfloat16 : nil
    }

    /// The precision in which the model's matrices are stored: for a LoRA adapter, those of its base, unless PiSSA has changed them.
    ///
    /// - Parameter base: the base model of a LoRA adapter.
    package func storedPrecision(over base: Checkpoint) -> WeightPrecision? {
        guard let adapter else { return quantizedPrecision }
        return adapter.principals.count > 0 ? nil : base.quantizedPrecision
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
    /// The scales of int8, which are stored beside its codes.
    var scaleArray: FloatArray? {
        precision == .int8 ? FloatArray(scales, shape: [outputs, Self.groups(inputs: inputs)]) : nil
    }

    /// Combines the arrays of a file; nil if their shapes do not match.
    init?(codes: (shape: [Int], values: Buffer), scales: FloatArray?, inputScales: FloatArray?, inputs: Int) {
        guard codes.shape.count == 2, inputs > 0, inputScales?.shape ?? [inputs] == [inputs] else { return nil }
        guard scales == nil || scales?.shape == [codes.shape[0], Self.groups(inputs: inputs)] else { return nil }
        let precisions: [WeightPrecision] = scales == nil ? [.int6, .int4] : [.int8]
        guard let precision = precisions.first(where: { Self.codeBytes($0, inputs: inputs) == codes.shape[1] }) else { return nil }
        self.init(
            precision, outputs: codes.shape[0], inputs: inputs, codes: codes.values, scales: scales?.values ?? Buffer(zeros: 0),
            inputScales: inputScales?.values)
    }
}
