package import Autograd
package import Kernels

/// An f32 array with a shape, in memory or in a mapped file. Copies share the numbers.
///
///     let table = checkpoint.weights["tokens.weight"]!         // still in the mapped file
///     table.values.read { span in span[0] }
package struct FloatArray {
    package let shape: Shape
    package let values: Buffer

    package init(_ values: Buffer, shape: Shape) {
        require(
            values.type == .float32 && values.count == shape.count,
            "expected \(shape.count) f32 numbers for an array \(shape), found \(values.count) of \(values.type.rawValue)"
        )
        self.values = values
        self.shape = shape
    }
}

extension OrderedDictionary where Element == FloatArray {
    /// Splits a flat buffer of weights, gradients or moments into one array per parameter. The arrays share the buffer.
    ///
    ///     checkpoint.weights = OrderedDictionary(parameters.values, of: parameters.list)
    ///     checkpoint.optimizer.add(moments.first, of: parameters.list, in: "first")
    package init(_ values: Buffer, of parameters: [Parameter]) {
        self.init()
        for parameter in parameters { self[parameter.name] = FloatArray(values[parameter.range], shape: parameter.shape) }
    }

    /// Adds one array per parameter under `prefix/name`.
    package mutating func add(_ values: Buffer, of parameters: [Parameter], in prefix: String) {
        for parameter in parameters { self["\(prefix)/\(parameter.name)"] = FloatArray(values[parameter.range], shape: parameter.shape) }
    }

    /// The number of elements in all arrays.
    package var elementCount: Int { reduce(0) { $0 + $1.element.shape.count } }
}
