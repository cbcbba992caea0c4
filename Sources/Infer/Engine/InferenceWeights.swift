import Autograd
import Checkpoint
import Kernels
import Model

/// The weights of a model as inference reads them: matrices packed in a precision, vectors in f32. Each is made when it is first used.
///
/// Matrices of a file are first used where they lie, so that the first token does not wait for packing. Each of the following steps packs
/// some of them. Embeddings are not packed for lookups: a step reads a few of their rows.
struct InferenceWeights {
    private let parameters: Parameters
    private let processor: Processor
    private let precision: WeightPrecision
    private let storedPrecision: WeightPrecision?
    private var packedWeights: ByParameter<PackedWeights>
    private var vectors: ByParameter<Buffer>
    /// Embeddings that are read where they are stored; nil if their numbers are converted to a format with scales.
    private var tables: ByParameter<PackedWeights?>
    /// Bytes of weights used where they lie that the current step may still pack.
    private var packingBudget = 0
    private static let packedPerStep = 64 << 20
    /// Whether the last step packed weights, around which other pages of the file were loaded.
    private var hasPacked = false

    init(
        _ parameters: Parameters,
        on processor: Processor,
        precision: WeightPrecision
    ) {
        self.parameters = parameters
        self.processor = processor
        self.precision = precision
        storedPrecision = parameters.quantizedPrecision
        packedWeights = ByParameter(parameters)
        vectors = ByParameter(parameters)
        tables = ByParameter(parameters)
    }

    /// Begins a step: a pass over all weights.
    mutating func beginStep() {
        packingBudget = packedBytes > 0 ? Self.packedPerStep : 0
        if hasPacked, isUnmodified {
            for parameter in parameters.list { parameters.quantized(parameter)?.releasePages() ?? stored(parameter).releaseFilePages() }
        }
        hasPacked = false
    }

    var packedBytes: Int { packedWeights.all.reduce(0) { $0 + $1.byteCount } }

    /// What the matrices that are still used where they are stored will need.
    var unpackedBytes: Int { packedWeights.all.reduce(0) { $0 + ($1.isUnpacked ? $1.byteCount : 0) } }

    /// The average over all packed matrices, with their scales; nil before the first step.
    var bitsPerWeight: Double? {
        let count = packedWeights.all.reduce(0) { $0 + $1.outputs * $1.inputs }
        return count == 0 ? nil : 8 * Double(packedBytes) / Double(count)
    }

    /// y [N, C] = rows of an embedding (+ more [N, C]).
    mutating func embed(_ ids: Buffer, in parameter: Parameter, plus more: Buffer?, into y: Buffer) {
        processor.embed(ids, in: table(parameter) ?? packed(parameter), plus: more, into: y)
    }

    private mutating func table(_ parameter: Parameter) -> PackedWeights? {
        if tables[parameter] == nil {
            let table = processor.unpacked(matrix(parameter), as: precision(of: parameter))
            tables[parameter] = .some(table?.roundsRows == false ? table : nil)
        }
        return tables[parameter] ?? nil
    }

    /// The f32 values of a norm, a bias or an embedding of positions. Small ones are copied out of a mapped file, where reading a
    /// page also loads up to 2 MB around it.
    mutating func value(of parameter: Parameter) -> Buffer {
        if let vector = vectors[parameter] { return vector }
        let stored = stored(parameter)
        if stored.count > 1 << 20 || !stored.isInFile {
            let own = processor.resident(stored)
            if !own.isSame(as: stored) { vectors[parameter] = own }
            return own
        }
        let copy = processor.buffer(of: stored.count, .float32)
        copy.copy(from: stored)
        if isUnmodified { stored.releaseFilePages() }
        vectors[parameter] = copy
        return copy
    }

    /// The factors of the outputs of a layer with DoRA.   [O]
    mutating func channelFactors(of layer: LoRALayer, _ magnitude: Parameter) -> Buffer {
        if let factors = vectors[magnitude] { return factors }
        let factors = processor.buffer(of: magnitude.shape.count, .float32), numbers = parameters.channelFactors(of: layer, magnitude)
        factors.write { span in for i in span.indices { span[i] = numbers[i] } }
        vectors[magnitude] = factors
        return factors
    }

    mutating func packed(_ weight: Parameter) -> PackedWeights {
        if let packed = packedWeights[weight], !packed.isUnpacked || packingBudget <= 0 { return packed }
        let precision = precision(of: weight)
        if packedWeights[weight] == nil, isInFile(weight), let unpacked = processor.unpacked(matrix(weight), as: precision) {
            packedWeights[weight] = unpacked
            return unpacked
        }
        let packed = processor.pack(matrix(weight), as: precision)
        packingBudget -= packed.byteCount
        hasPacked = true
        packedWeights[weight] = packed
        return packed
    }

    private func precision(of weight: Parameter) -> WeightPrecision {
        // LoRA matrices are small and sensitive: they are not quantized.
        if weight.isTrainable, !parameters.frozen.isEmpty { return precision == .float32 ? .float32 : .bfloat16 }
        // A file of this precision keeps the few matrices that it has in another one, such as the embedding.
        if precision.isAffine, storedPrecision == precision, let stored = parameters.quantized(weight)?.precision { return stored }
        return Checkpoint.precision(of: weight.name, as: precision)
    }

    /// Whether weights in memory equal the file's, so that file pages can be released, and rows be read from the file. False for a LoRA
    /// adapter, which may have changed its base.
    private var isUnmodified: Bool { parameters.frozen.isEmpty }

    private func stored(_ parameter: Parameter) -> Buffer { parameters.value(of: parameter).elements }

    private func isInFile(_ weight: Parameter) -> Bool {
        isUnmodified && (parameters.quantized(weight) != nil || stored(weight).isInFile)
    }

    private func matrix(_ weight: Parameter) -> QuantizedWeights {
        parameters.quantized(weight)
            ?? QuantizedWeights(stored(weight), outputs: weight.shape[0], inputs: weight.shape[1], equalsFile: isUnmodified)
    }
}

/// An optional value for each parameter of a model.
private struct ByParameter<Element> {
    private var trainable: [Element?]
    private var frozen: [Element?]

    init(_ parameters: Parameters) {
        trainable = Array(repeating: nil, count: parameters.list.count)
        frozen = Array(repeating: nil, count: parameters.frozen.count)
    }

    var all: [Element] { (trainable + frozen).compactMap(\.self) }

    subscript(parameter: Parameter) -> Element? {
        get { parameter.isTrainable ? trainable[parameter.index] : frozen[parameter.index] }
        set { if parameter.isTrainable { trainable[parameter.index] = newValue } else { frozen[parameter.index] = newValue } }
    }
}
