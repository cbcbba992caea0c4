package import Autograd
package import Kernels

/// f32 numbers with a shape, in memory or where a file keeps them. Copies share the numbers.
///
///     let table = checkpoint.weights["tokens.weight"]!         // still in the file, which is mapped
///     table.values.read { span in span[0] }
package struct FloatArray {
    package let shape: Shape
    package let values: Buffer

    package init(_ values: Buffer, shape: Shape) {
        require(values.type == .float32 && values.count == shape.count, "\(values.count) \(values.type.rawValue) for an array \(shape)")
        (self.values, self.shape) = (values, shape)
    }
}

extension Named where Element == FloatArray {
    /// The pieces of a flat buffer by the names of the parameters whose they are: weights, gradients, moments.
    ///
    ///     checkpoint.weights = Named(parameters.values, of: parameters.list)
    ///     checkpoint.optimizer.add(moments.first, of: parameters.list, in: "first")
    package init(_ values: Buffer, of parameters: [Parameter]) {
        self.init()
        for parameter in parameters { self[parameter.name] = FloatArray(values[parameter.range], shape: parameter.shape) }
    }

    /// Adds them as `folder/name`.
    package mutating func add(_ values: Buffer, of parameters: [Parameter], in folder: String) {
        for parameter in parameters { self["\(folder)/\(parameter.name)"] = FloatArray(values[parameter.range], shape: parameter.shape) }
    }

    /// How many numbers there are in all.
    package var numberCount: Int { reduce(0) { $0 + $1.element.shape.count } }
}
