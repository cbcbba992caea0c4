package import Kernels

/// A name, a shape and a place in a flat buffer of a model: that of what is learned, or that of what is not.
package struct Parameter: Hashable, Sendable {
    package let name: String
    package let shape: Shape
    package let initialization: Initialization
    /// Its place among those of its buffer.
    package let index: Int
    /// Where its first element is in the buffer.
    package let start: Int
    /// Whether it has a gradient.
    package let isLearned: Bool

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
///
/// With an adaptation, what layers ask for is frozen, and what changes them is learned: it has a flat buffer of its own, so that nothing else needs gradients and moments.
package struct ParameterList: Sendable {
    /// Parameters that share a flat buffer.
    package struct Layout: Sendable {
        package private(set) var parameters: [Parameter] = []
        package private(set) var count = 0

        fileprivate mutating func add(_ name: String, _ shape: Shape, _ initialization: Initialization, isLearned: Bool) -> Parameter {
            let parameter = Parameter(name: name, shape: shape, initialization: initialization, index: parameters.count, start: count, isLearned: isLearned)
            parameters.append(parameter)
            // Every parameter begins on a cache line; the gap is 0 in every buffer and stays so.
            count += (shape.count + 15) / 16 * 16
            return parameter
        }
    }

    package private(set) var learned = Layout(), frozen = Layout()
    package let adaptation: LowRank?
    /// The changes of layers that the adaptation brought.
    package private(set) var changes: [LowRankPair] = []
    private var names: Set<String> = []

    package init(adapting adaptation: LowRank? = nil) { self.adaptation = adaptation }

    /// Those that are learned.
    package var parameters: [Parameter] { learned.parameters }
    /// The length of their flat buffer.
    package var count: Int { learned.count }

    package mutating func add(_ name: String, _ shape: Shape, _ initialization: Initialization) -> Parameter {
        if adaptation == nil { return addLearned(name, shape, initialization) }
        checkIsNew(name)
        return frozen.add(name, shape, initialization, isLearned: false)
    }

    mutating func addLearned(_ name: String, _ shape: Shape, _ initialization: Initialization) -> Parameter {
        checkIsNew(name)
        return learned.add(name, shape, initialization, isLearned: true)
    }

    /// What is learned of a layer's weight, where that is a target of the adaptation.
    mutating func addChange(of weight: Parameter, in layer: String) -> LowRankPair? {
        guard let adaptation, adaptation.targets.contains(where: { layer == $0 || layer.hasSuffix("." + $0) }) else { return nil }
        let change = LowRankPair(for: weight, of: layer, adaptation, in: &self)
        changes.append(change)
        return change
    }

    private mutating func checkIsNew(_ name: String) { require(names.insert(name).inserted, "two parameters are named \(name)") }
}

/// The weights of a model and their gradients, each in one flat buffer.
package final class Parameters {
    /// Those that are learned.
    package let list: [Parameter]
    package let values: Buffer
    /// Those that are not, with neither gradients nor moments; none, unless the list adapts a model.
    package let frozen: [Parameter]
    package let frozenValues: Buffer
    /// Memory is taken for them when they are first asked for: who only answers never does.
    package private(set) lazy var gradients = processor.zeros(values.count)
    /// Whether a gradient has been written since they were forgotten: the first to come need not add.
    private var isWritten: [Bool]
    let processor: Processor

    /// - Parameter frozen: the weights that are adapted, each where its parameter says.
    package convenience init(_ list: ParameterList, over frozen: Buffer? = nil, on processor: Processor, seed: UInt64 = 0) throws(ProcessorError) {
        self.init(list, values: processor.zeros(list.count), over: frozen, on: processor)
        for parameter in self.list { try initialize(parameter, seed: seed) }
    }

    /// Weights that are there already, such as those of a checkpoint, each where its parameter says.
    package init(_ list: ParameterList, values: Buffer, over frozen: Buffer? = nil, on processor: Processor) {
        require(values.count == list.count, "\(values.count) weights for parameters that take \(list.count)")
        require((frozen?.count ?? 0) == list.frozen.count, "\(frozen?.count ?? 0) frozen weights for parameters that take \(list.frozen.count)")
        (self.list, self.values, self.processor) = (list.parameters, values, processor)
        (self.frozen, frozenValues) = (list.frozen.parameters, frozen ?? values[0..<0])
        isWritten = Array(repeating: false, count: list.parameters.count)
    }

    /// How many numbers are learned.
    package var count: Int { list.reduce(0) { $0 + $1.shape.count } }
    package var frozenCount: Int { frozen.reduce(0) { $0 + $1.shape.count } }

    package func value(of parameter: Parameter) -> Tensor {
        check(parameter)
        if !parameter.isLearned { return Tensor(frozenValues[parameter.range], shape: parameter.shape) }
        return Tensor(values[parameter.range], shape: parameter.shape, origin: .parameter(parameter))
    }

    /// The gradient so far; zeros where nothing has arrived.
    package func gradient(of parameter: Parameter) -> Tensor {
        check(parameter)
        require(parameter.isLearned, "\(parameter.name) is frozen and has no gradient")
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
        let known = parameter.isLearned ? list : frozen
        require(known.indices.contains(parameter.index) && known[parameter.index] == parameter, "\(parameter.name) is a parameter of another list")
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
