package import Autograd
package import Kernels
package import Model

extension Checkpoint {
    /// Returns the weights as one flat f32 buffer.
    ///
    ///     var list = ParameterList()
    ///     let model = GPT(checkpoint.configuration, in: &list)
    ///     let parameters = Parameters(list, values: try checkpoint.values(of: list.trainable, on: processor), on: processor)
    ///
    /// The buffer is the mapped file itself if the weights lie there in the same layout: the kernel then loads a page when it is
    /// first read, and copies it when it is first written. Otherwise the weights are copied.
    ///
    /// - Parameters:
    ///   - copying: always copies, for callers that will overwrite all weights.
    ///   - keepingQuantized: leaves the regions of quantized matrices uninitialized, where they take no memory.
    package func values(
        of layout: ParameterList.Layout, copying: Bool = false, keepingQuantized: Bool = false, on processor: Processor
    ) throws(CheckpointError) -> Buffer {
        try check(weights, "weights", layout.parameters)
        if !copying, let mapped = mappedWeights(layout) { return mapped }
        let values = keepingQuantized ? processor.buffer(of: layout.count, .float32) : processor.zeros(layout.count)
        if keepingQuantized { values.disableHugePages() }
        copy(weights, into: values, layout.parameters)
        if !keepingQuantized { dequantize(into: values, layout.parameters, on: processor) }
        return values
    }

    /// Throws unless the weights have the names and shapes of such a model.
    package func checkWeights(of configuration: GPTConfiguration) throws(CheckpointError) {
        var list = ParameterList()
        _ = GPT(configuration, in: &list)
        try check(weights, "weights", list.parameters)
    }

    /// Overwrites the parameters of a model with the stored weights. Throws if some of them are quantized.
    package func copyWeights(into parameters: Parameters) throws(CheckpointError) {
        if let (name, matrix) = quantized.first(where: { _ in true }) {
            throw .mismatch(
                path: self.name, name: "weights/\(name)", expected: "f32 \(matrix.shape)",
                found: "\(matrix.precision.rawValue) \(matrix.shape)")
        }
        try copy(weights, "weights", into: parameters.values, parameters.list)
    }

    /// Copies the optimizer state stored under a prefix, such as AdamW's first moments, into a buffer with the layout of the parameters.
    ///
    ///     try checkpoint.copyOptimizer("first", into: moments, like: parameters.list)
    package func copyOptimizer(_ prefix: String, into buffer: Buffer, like parameters: [Parameter]) throws(CheckpointError) {
        var arrays: OrderedDictionary<FloatArray> = [:]
        for (name, array) in optimizer where name.hasPrefix(prefix + "/") { arrays[String(name.dropFirst(prefix.count + 1))] = array }
        try copy(arrays, "optimizer/\(prefix)", into: buffer, parameters)
    }

    /// Copies the arrays of a group into the buffer after checking that they match the parameters.
    func copy(
        _ arrays: OrderedDictionary<FloatArray>, _ group: String, into buffer: Buffer, _ parameters: [Parameter]
    ) throws(CheckpointError) {
        try check(arrays, group, parameters)
        copy(arrays, into: buffer, parameters)
    }

    /// Returns the part of the mapped file that is the flat buffer of these parameters, if the weights lie there exactly as in one.
    /// The initial A and B of PiSSA in a flat buffer; nil if there are none.
    package func principalValues(of layout: ParameterList.Layout, on processor: Processor) throws(CheckpointError) -> Buffer? {
        guard let adapter, adapter.principals.count > 0 else { return nil }
        let values = processor.zeros(layout.count)
        try copy(adapter.principals, "principals", into: values, layout.parameters)
        return values
    }

    private func mappedWeights(_ list: ParameterList.Layout) -> Buffer? {
        guard path != nil, let first = list.parameters.first(where: { $0.shape.count > 0 }),
              let start = weights[first.name]?.values,
              let whole = start.extended(by: first.start, to: list.count) else { return nil }
        var end = 0
        for parameter in list.parameters where parameter.shape.count > 0 {
            guard let array = weights[parameter.name]?.values, array.isSame(as: whole[parameter.range]),
                  isZero(whole[end..<parameter.start]) else { return nil }
            end = parameter.range.upperBound
        }
        return isZero(whole[end..<list.count]) ? whole : nil
    }

    /// The padding between two parameters must be zero. A modified file can contain anything there.
    private func isZero(_ gap: Buffer) -> Bool { gap.read { span in span.indices.allSatisfy { span[$0].bitPattern == 0 } } }

    private func check(_ arrays: OrderedDictionary<FloatArray>, _ group: String, _ parameters: [Parameter]) throws(CheckpointError) {
        for parameter in parameters {
            if arrays[parameter.name] == nil, group == "weights", quantized[parameter.name]?.shape == parameter.shape { continue }
            guard let array = arrays[parameter.name] else {
                throw .mismatch(path: name, name: "\(group)/\(parameter.name)", expected: "f32 \(parameter.shape)", found: "nothing")
            }
            guard array.shape == parameter.shape else {
                throw .mismatch(
                    path: name, name: "\(group)/\(parameter.name)", expected: "f32 \(parameter.shape)", found: "f32 \(array.shape)"
                )
            }
        }
        let known = Set(parameters.map(\.name))
        for name in arrays.names where !known.contains(name) {
            throw .mismatch(path: self.name, name: "\(group)/\(name)", expected: "no such array in this model", found: "an array")
        }
    }

    private func copy(_ arrays: OrderedDictionary<FloatArray>, into buffer: Buffer, _ parameters: [Parameter]) {
        for parameter in parameters {
            guard let array = arrays[parameter.name] else {
                require(quantized[parameter.name] != nil, "\(parameter.name) is missing, which `check` reports")
                continue
            }
            buffer[parameter.range].copy(from: array.values)
        }
    }
}
