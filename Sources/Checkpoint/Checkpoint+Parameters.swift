package import Autograd
package import Kernels
package import Model

extension Checkpoint {
    /// The weights as one flat buffer, without copying where the file allows: a page is read when it is looked at, and copied when it is written to.
    ///
    ///     var list = ParameterList()
    ///     let model = GPT(checkpoint.configuration, in: &list)
    ///     let parameters = Parameters(list, values: try checkpoint.values(of: list.learned, on: processor), on: processor)
    ///
    /// - Parameters:
    ///   - copying: for who will write to all of them.
    ///   - leavingRounded: for who takes weights that are rounded as they are: their places in the buffer are not looked at, and take no memory.
    package func values(of layout: ParameterList.Layout, copying: Bool = false, leavingRounded: Bool = false, on processor: Processor) throws(CheckpointError) -> Buffer {
        try check(weights, "weights", layout.parameters)
        if !copying, let mapped = mappedWeights(layout) { return mapped }
        let values = leavingRounded ? processor.buffer(of: layout.count, .float32) : processor.zeros(layout.count)
        if leavingRounded { values.spread() }
        copy(weights, into: values, layout.parameters)
        if !leavingRounded { copyRounded(into: values, layout.parameters, on: processor) }
        return values
    }

    /// Throws unless the weights are those of such a model.
    package func checkWeights(of configuration: GPTConfiguration) throws(CheckpointError) {
        var list = ParameterList()
        _ = GPT(configuration, in: &list)
        try check(weights, "weights", list.parameters)
    }

    /// Copies the weights over those of a model.
    package func copyWeights(into parameters: Parameters) throws(CheckpointError) {
        try copy(weights, "weights", into: parameters.values, parameters.list)
    }

    /// Copies what the optimiser kept in a folder, such as its first moments, into a buffer that is laid out like the parameters.
    ///
    ///     try checkpoint.copyOptimizer("first", into: moments, like: parameters.list)
    package func copyOptimizer(_ folder: String, into buffer: Buffer, like parameters: [Parameter]) throws(CheckpointError) {
        var arrays: Named<FloatArray> = [:]
        for (name, array) in optimizer where name.hasPrefix(folder + "/") { arrays[String(name.dropFirst(folder.count + 1))] = array }
        try copy(arrays, "optimizer/\(folder)", into: buffer, parameters)
    }

    /// Copies arrays of a group, which must be those of the parameters, to where the parameters are.
    func copy(_ arrays: Named<FloatArray>, _ group: String, into buffer: Buffer, _ parameters: [Parameter]) throws(CheckpointError) {
        try check(arrays, group, parameters)
        copy(arrays, into: buffer, parameters)
    }

    /// Whether all weights of a model lie in the file as they do in a flat buffer, so that nothing is copied.
    package func isMappable(_ list: ParameterList) -> Bool { mappedWeights(list.learned) != nil }

    /// The stretch of the file that is the flat buffer of a list of parameters, if there is one.
    private func mappedWeights(_ list: ParameterList.Layout) -> Buffer? {
        guard path != nil, let first = list.parameters.first(where: { $0.shape.count > 0 }), let start = weights[first.name]?.values else { return nil }
        guard let whole = start.extended(by: first.start, to: list.count) else { return nil }
        var end = 0
        for parameter in list.parameters where parameter.shape.count > 0 {
            guard let array = weights[parameter.name]?.values, array.isSame(as: whole[parameter.range]), isZero(whole[end..<parameter.start]) else { return nil }
            end = parameter.range.upperBound
        }
        return isZero(whole[end..<list.count]) ? whole : nil
    }

    /// Between two parameters there is nothing, and nobody may have put something there.
    private func isZero(_ gap: Buffer) -> Bool { gap.read { span in span.indices.allSatisfy { span[$0].bitPattern == 0 } } }

    private func check(_ arrays: Named<FloatArray>, _ group: String, _ parameters: [Parameter]) throws(CheckpointError) {
        for parameter in parameters {
            if arrays[parameter.name] == nil, group == "weights", rounded[parameter.name]?.shape == parameter.shape { continue }
            guard let array = arrays[parameter.name] else {
                throw .mismatch(path: name, name: "\(group)/\(parameter.name)", expected: "f32 \(parameter.shape)", found: "nothing")
            }
            guard array.shape == parameter.shape else {
                throw .mismatch(path: name, name: "\(group)/\(parameter.name)", expected: "f32 \(parameter.shape)", found: "f32 \(array.shape)")
            }
        }
        guard arrays.count + (group == "weights" ? rounded.count : 0) > parameters.count else { return }
        let known = Set(parameters.map(\.name))
        for name in arrays.names where !known.contains(name) {
            throw .mismatch(path: self.name, name: "\(group)/\(name)", expected: "nothing of that name in such a model", found: "an array")
        }
    }

    private func copy(_ arrays: Named<FloatArray>, into buffer: Buffer, _ parameters: [Parameter]) {
        for parameter in parameters {
            guard let array = arrays[parameter.name] else { continue }     // checked before
            buffer[parameter.range].copy(from: array.values)
        }
    }
}
