package import Kernels

/// A name, a shape and a place in the flat buffers of a model.
package struct Parameter: Hashable, Sendable {
    package let name: String
    package let shape: Shape
    package let initialization: Initialization
    /// Its place in the list.
    package let index: Int
    /// Where its first element is in the flat buffers.
    package let start: Int

    package var range: Range<Int> { start..<start + shape.count }
}

/// How a parameter begins.
package enum Initialization: Hashable, Sendable {
    case constant(Float)
    case normal(deviation: Float)
    /// Evenly in ±limit.
    case uniform(limit: Float)
    /// Rows, or columns where there are fewer of them, at right angles and of length `gain`.
    case orthogonal(gain: Float)
}

/// The parameters that layers ask for while a model is put together.
///
///     var list = ParameterList()
///     let hidden = Linear(from: 2, to: 16, named: "hidden", in: &list)
///     let parameters = try Parameters(list, on: processor, seed: 1)
package struct ParameterList: Sendable {
    package private(set) var parameters: [Parameter] = []
    package private(set) var count = 0

    package init() {}

    package mutating func add(_ name: String, _ shape: Shape, _ initialization: Initialization) -> Parameter {
        require(!parameters.contains { $0.name == name }, "two parameters are named \(name)")
        let parameter = Parameter(name: name, shape: shape, initialization: initialization, index: parameters.count, start: count)
        parameters.append(parameter)
        // Every parameter begins on a cache line; the gap is 0 in every buffer and stays so.
        count += (shape.count + 15) / 16 * 16
        return parameter
    }
}

/// The weights of a model and their gradients, each in one flat buffer.
package final class Parameters {
    package let list: [Parameter]
    package let values: Buffer
    /// Memory is taken for them when they are first asked for: who only answers never does.
    package private(set) lazy var gradients = processor.zeros(values.count)
    /// Parameters whose gradient is not wanted.
    package var frozen: Set<Parameter> = []
    /// Whether a gradient has been written since they were forgotten: the first to come need not add.
    private var isWritten: [Bool]
    private let processor: Processor

    package init(_ list: ParameterList, on processor: Processor, seed: UInt64 = 0) throws(ProcessorError) {
        self.list = list.parameters
        self.processor = processor
        values = processor.zeros(list.count)
        isWritten = Array(repeating: false, count: list.parameters.count)
        for parameter in self.list { try initialize(parameter, seed: seed) }
    }

    /// Weights that are there already, such as those of a checkpoint, each where its parameter says.
    package init(_ list: ParameterList, values: Buffer, on processor: Processor) {
        require(values.count == list.count, "\(values.count) weights for parameters that take \(list.count)")
        (self.list, self.values, self.processor) = (list.parameters, values, processor)
        isWritten = Array(repeating: false, count: list.parameters.count)
    }

    /// How many numbers are learned.
    package var count: Int { list.reduce(0) { $0 + $1.shape.count } }

    package func value(of parameter: Parameter) -> Tensor {
        check(parameter)
        return Tensor(values[parameter.range], shape: parameter.shape, origin: frozen.contains(parameter) ? .constant : .parameter(parameter))
    }

    /// The gradient so far; zeros where nothing has arrived.
    package func gradient(of parameter: Parameter) -> Tensor {
        check(parameter)
        if !isWritten[parameter.index] {
            processor.clear(gradients[parameter.range])
            isWritten[parameter.index] = true
        }
        return Tensor(gradients[parameter.range], shape: parameter.shape)
    }

    /// Begins a new sum of gradients.
    package func forgetGradients() { for i in isWritten.indices { isWritten[i] = false } }

    /// All gradients in their flat buffer, with zeros where nothing has arrived.
    package func completeGradients() -> Buffer {
        for parameter in list { _ = gradient(of: parameter) }
        return gradients
    }

    /// Where the next part of a gradient goes, and whether it must be added to what is there.
    func target(for parameter: Parameter) -> (Buffer, adding: Bool) {
        defer { isWritten[parameter.index] = true }
        return (gradients[parameter.range], isWritten[parameter.index])
    }

    private func check(_ parameter: Parameter) {
        require(list.indices.contains(parameter.index) && list[parameter.index] == parameter, "\(parameter.name) is a parameter of another list")
    }

    private func initialize(_ parameter: Parameter, seed: UInt64) throws(ProcessorError) {
        let buffer = values[parameter.range]
        // A stream for each parameter. The factor is not the generator's own, with which the next seed's stream would be this one, shifted.
        let stream = seed &* 0xD1B5_4A32_D192_ED03 &+ UInt64(parameter.index)
        switch parameter.initialization {
        case .constant(let value): buffer.write { span in for i in span.indices { span[i] = value } }
        case .normal(let deviation):
            processor.normal(into: buffer, seed: stream)
            buffer.write { span in for i in span.indices { span[i] *= deviation } }
        case .uniform(let limit):
            processor.uniform(into: buffer, seed: stream)
            buffer.write { span in for i in span.indices { span[i] = (2 * span[i] - 1) * limit } }
        case .orthogonal(let gain):
            let (rows, columns) = parameter.shape.rows
            let (long, short) = (max(rows, columns), min(rows, columns))
            processor.normal(into: buffer, seed: stream)
            var q = buffer.read { span in span.indices.map { span[$0] } }
            try LinearAlgebra(for: processor.path).orthonormalize(&q, rows: long, columns: short)
            buffer.write { span in
                for i in 0..<rows { for j in 0..<columns { span[i * columns + j] = gain * (rows >= columns ? q[i * short + j] : q[j * short + i]) } }
            }
        }
    }
}
