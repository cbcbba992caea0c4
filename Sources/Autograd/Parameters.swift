package import Kernels

/// The name, shape and location of one weight in a flat buffer: that of the trainable or that of the frozen parameters.
package struct Parameter: Hashable, Sendable {
    package let name: String
    package let shape: Shape
    package let initialization: Initialization
    package let kind: ParameterKind
    /// The index among the parameters of the same buffer.
    package let index: Int
    /// The offset of the first element in the buffer.
    package let start: Int
    /// Whether it has a gradient.
    package let isTrainable: Bool

    package var range: Range<Int> { start..<start + shape.count }
}

/// What a parameter does in a layer, on which the optimizer depends.
package enum ParameterKind: Hashable, Sendable {
    /// The weight of a linear layer: one or more matrices, stacked, with so many rows each.
    case linear(rows: [Int])
    /// An embedding, the head, or a matrix of an adapter.
    case matrix
    case bias
    /// A matrix of which only the last rows are trained.
    case lastRows
    /// The scale or the shift of one norm, or the scales of several.
    case norm

    /// Whether it is a matrix that is trained as a whole.
    package var isMatrix: Bool {
        switch self {
        case .linear, .matrix: true
        case .bias, .lastRows, .norm: false
        }
    }
}

/// The initial values of a parameter.
package enum Initialization: Hashable, Sendable {
    case constant(Float)
    case normal(deviation: Float)
    /// Uniform in ±limit.
    case uniform(limit: Float)
}

/// Collects the parameters that layers request while a model is built.
///
///     var list = ParameterList()
///     let hidden = Linear(from: 2, to: 16, named: "hidden", in: &list)
///     let parameters = Parameters(list, on: processor, seed: 1)
///
/// With a LoRA configuration, the parameters of the layers are frozen, and the LoRA matrices are trainable. They have a flat buffer of
/// their own, so only they need gradients and optimizer moments.
package struct ParameterList: Sendable {
    /// Parameters that share a flat buffer.
    package struct Layout: Sendable {
        package private(set) var parameters: [Parameter] = []
        package private(set) var count = 0

        fileprivate mutating func add(
            _ name: String, _ shape: Shape, _ initialization: Initialization, _ kind: ParameterKind, isTrainable: Bool
        ) -> Parameter {
            let parameter = Parameter(
                name: name, shape: shape, initialization: initialization, kind: kind, index: parameters.count, start: count,
                isTrainable: isTrainable
            )
            parameters.append(parameter)
            // Every parameter starts on a cache line. The gap is 0 in every buffer and stays so.
            count += (shape.count + 15) / 16 * 16
            return parameter
        }
    }

    package private(set) var trainable = Layout()
    package private(set) var frozen = Layout()
    package let lora: LoRAConfiguration?
    /// The layers that have LoRA matrices.
    package private(set) var loraLayers: [LoRALayer] = []
    private var names: Set<String> = []

    package init(lora: LoRAConfiguration? = nil) { self.lora = lora }

    /// The trainable parameters.
    package var parameters: [Parameter] { trainable.parameters }
    /// The length of the flat buffer of the trainable parameters.
    package var count: Int { trainable.count }

    package mutating func add(
        _ name: String, _ shape: Shape, _ initialization: Initialization, _ kind: ParameterKind = .matrix
    ) -> Parameter {
        guard let lora else { return addTrainable(name, shape, initialization, kind) }
        // All of the base's weights are frozen parameters, also those that the adapter replaces: then they are laid out as in the base.
        let rows = lora.addedTokens.flatMap { $0.contains(name) ? $0.baseRows : nil } ?? shape[0]
        let base = frozen.add(name, Shape([rows] + shape.sizes.dropFirst()), initialization, kind, isTrainable: false)
        if lora.trainsWhole(name) { return addTrainable(name, shape, initialization, kind) }
        checkIsNew(name)
        return base
    }

    /// The base's weight of a layer that is trained as a whole, for another layer that shares it and is not.
    package func base(of parameter: Parameter) -> Parameter { frozen.parameters.first { $0.name == parameter.name } ?? parameter }

    package mutating func addTrainable(
        _ name: String, _ shape: Shape, _ initialization: Initialization, _ kind: ParameterKind = .matrix
    ) -> Parameter {
        checkIsNew(name)
        let isPartlyFrozen = lora?.firstTrainedRow(of: name) ?? 0 > 0
        return trainable.add(name, shape, initialization, isPartlyFrozen ? .lastRows : kind, isTrainable: true)
    }

    /// Adds LoRA matrices for a layer's weight, if the layer is a target.
    package mutating func addLoRA(to weight: Parameter, in layer: String, isEmbedding: Bool = false) -> LoRALayer? {
        guard let lora, !lora.wholeLayers.contains(layer),
              lora.targets.contains(where: { layer == $0 || layer.hasSuffix("." + $0) }) else { return nil }
        guard let matrices = LoRALayer(for: weight, of: layer, isEmbedding: isEmbedding, lora, in: &self) else { return nil }
        loraLayers.append(matrices)
        return matrices
    }

    private mutating func checkIsNew(_ name: String) { require(names.insert(name).inserted, "two parameters are named \(name)") }
}

/// The numbers of a trainable parameter that are not trained.
private enum Untrained {
    case first(Int)
    case outsideBlocks(of: LoRALayer)
}

/// The weights of a model and their gradients, each in one flat buffer.
package final class Parameters {
    /// The trainable parameters.
    package let list: [Parameter]
    package let values: Buffer
    /// The frozen parameters, which have neither gradients nor optimizer moments. Empty unless the list has a LoRA configuration.
    package let frozen: [Parameter]
    package let frozenValues: Buffer
    /// Allocated at the first use, so inference needs no memory for gradients.
    package private(set) lazy var gradients = processor.zeros(values.count)
    /// Whether a gradient has been written since `zeroGradients`. The first write stores, and later ones add.
    private var isWritten: [Bool]
    /// Called before a part of a parameter's gradient is written, with the parameter's index: for work that begins as soon as the gradients
    /// of some parameters are complete.
    package var willWriteGradient: ((Int) -> Void)?
    /// Frozen matrices in bf16, int8 or int4, or those of a model that is not trained, by index. Their regions of the buffer are unused,
    /// and take no memory.
    private let quantized: [Int: QuantizedWeights]
    /// The numbers of a parameter that are not trained, by its index: the first rows, or those of a block diagonal B outside of its blocks.
    private let untrained: [Int: Untrained]
    /// The parameters with such numbers whose gradient has been written since they were cleared.
    private var hasUntrainedGradient: Set<Int> = []
    /// Copies of frozen parameters in the memory of the processor's device, by index.
    private var residentFrozen: [Int: Buffer] = [:]
    let processor: Processor

    /// - Parameter frozen: The frozen weights, laid out like `list.frozen`.
    package convenience init(
        _ list: ParameterList, over frozen: Buffer? = nil, quantized: [Int: QuantizedWeights] = [:], on processor: Processor,
        seed: UInt64 = 0
    ) {
        self.init(list, values: processor.zeros(list.count), over: frozen, quantized: quantized, on: processor)
        for parameter in self.list { initialize(parameter, seed: seed) }
    }

    /// Uses existing weights, such as those of a checkpoint, laid out like `list.trainable`.
    ///
    /// - Parameter quantized: Matrices of the frozen parameters, or of all parameters if none is frozen, by index.
    package init(
        _ list: ParameterList, values: Buffer, over frozen: Buffer? = nil, quantized: [Int: QuantizedWeights] = [:], on processor: Processor
    ) {
        require(values.count == list.count, "expected \(list.count) weights, found \(values.count)")
        require((frozen?.count ?? 0) == list.frozen.count, "expected \(list.frozen.count) frozen weights, found \(frozen?.count ?? 0)")
        self.list = list.parameters
        // The values of a model whose matrices are quantized are for inference, which copies what it needs.
        self.values = quantized.isEmpty || !list.frozen.parameters.isEmpty ? processor.resident(values) : values
        self.processor = processor
        self.frozen = list.frozen.parameters
        frozenValues = frozen ?? values[0..<0]
        self.quantized = quantized
        let rows = list.parameters.filter { $0.kind == .lastRows }.map { parameter in
            let count = (list.lora?.firstTrainedRow(of: parameter.name) ?? 0) * parameter.shape.count / parameter.shape[0]
            return (parameter.index, Untrained.first(count))
        }
        let blocks = list.loraLayers.filter { $0.blocks.count > 1 }.map { ($0.b.index, Untrained.outsideBlocks(of: $0)) }
        untrained = Dictionary(rows + blocks) { first, _ in first }
        isWritten = Array(repeating: false, count: list.parameters.count)
    }

    /// The number of trainable weights.
    package var count: Int {
        list.reduce(0) { sum, parameter in
            if case .first(let count)? = untrained[parameter.index] { return sum + parameter.shape.count - count }
            return sum + parameter.shape.count
        }
    }
    package var frozenCount: Int { frozen.reduce(0) { $0 + $1.shape.count } }

    /// The matrix of a parameter that is kept in bf16, int8 or int4; nil if it has f32 values.
    package func quantized(_ parameter: Parameter) -> QuantizedWeights? {
        parameter.isTrainable == frozen.isEmpty ? quantized[parameter.index] : nil
    }

    /// How the frozen weights are kept.
    package var frozenPrecision: WeightPrecision {
        frozen.isEmpty ? .float32 : quantizedPrecision ?? .float32
    }

    /// The smallest precision of the matrices that are kept as a file stores them; nil if there are none.
    package var quantizedPrecision: WeightPrecision? {
        let found = Set(quantized.values.map(\.precision))
        return [.int4, .int6, .int8, .bfloat16, .float32].first { found.contains($0) }
    }

    /// Bytes of a frozen weight, on average, if the matrices are kept as a file stores them.
    package var storedBytesPerWeight: Double? { frozen.isEmpty ? nil : quantized.values.storedBytesPerWeight }

    package func value(of parameter: Parameter) -> Tensor {
        check(parameter)
        require(quantized(parameter) == nil, "\(parameter.name) has no f32 values: it is quantized")
        if !parameter.isTrainable { return Tensor(frozen(parameter), shape: parameter.shape) }
        return Tensor(values[parameter.range], shape: parameter.shape, origin: .parameter(parameter))
    }

    private func frozen(_ parameter: Parameter) -> Buffer {
        if let copy = residentFrozen[parameter.index] { return copy }
        let stored = frozenValues[parameter.range], own = processor.resident(stored)
        if !own.isSame(as: stored) { residentFrozen[parameter.index] = own }
        return own
    }

    /// The gradient accumulated so far; zeros if there is none.
    package func gradient(of parameter: Parameter) -> Tensor {
        check(parameter)
        require(parameter.isTrainable, "\(parameter.name) is frozen and has no gradient")
        if !isWritten[parameter.index] {
            processor.clear(gradients[parameter.range])
            isWritten[parameter.index] = true
        }
        if hasUntrainedGradient.remove(parameter.index) != nil {
            let own = gradients[parameter.range]
            switch untrained[parameter.index] {
            case .first(let count)?: processor.clear(own[0..<count])
            case .outsideBlocks(let layer)?: layer.clearOutsideBlocks(of: own)
            case nil: break
            }
        }
        return Tensor(gradients[parameter.range], shape: parameter.shape)
    }

    /// Resets all gradients to zero. Costs nothing: the next gradient is stored instead of added.
    package func zeroGradients() { for i in isWritten.indices { isWritten[i] = false } }

    /// All gradients in their flat buffer, with zeros where none has been accumulated.
    package func allGradients() -> Buffer {
        for parameter in list { _ = gradient(of: parameter) }
        return gradients
    }

    /// The buffer for the next part of a gradient, and whether the part has to be added to its contents.
    func target(for parameter: Parameter) -> (Buffer, adding: Bool) {
        willWriteGradient?(parameter.index)
        if untrained[parameter.index] != nil { hasUntrainedGradient.insert(parameter.index) }
        defer { isWritten[parameter.index] = true }
        return (gradients[parameter.range], isWritten[parameter.index])
    }

    private func check(_ parameter: Parameter) {
        let known = parameter.isTrainable ? list : frozen
        require(
            known.indices.contains(parameter.index) && known[parameter.index] == parameter,
            "\(parameter.name) is a parameter of another list"
        )
    }

    private func initialize(_ parameter: Parameter, seed: UInt64) {
        let buffer = values[parameter.range]
        // One random stream per parameter. The factor differs from the generator's own increment; with that one, the stream of the next
        // seed would be this stream, shifted.
        let stream = seed &* 0xD1B5_4A32_D192_ED03 &+ UInt64(parameter.index)
        switch parameter.initialization {
        case .constant(let value): buffer.write { span in for i in span.indices { span[i] = value } }
        case .normal(let deviation):
            processor.normal(into: buffer, seed: stream)
            processor.copy(buffer, into: buffer, scale: deviation)
        case .uniform(let limit):
            processor.uniform(into: buffer, seed: stream)
            buffer.write { span in for i in span.indices { span[i] = (2 * span[i] - 1) * limit } }
        }
    }
}
