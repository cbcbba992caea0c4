import Autograd
import Checkpoint
import Kernels
import Model

/// The weights of a model as inference reads them: matrices packed in a precision, vectors in f32. Each is made when it is first used.
///
/// f32 matrices of a file are first used where they lie, so that the first token does not wait for packing. Each of the following steps
/// packs some of them.
struct InferenceWeights {
    private let parameters: Parameters
    private let processor: Processor
    private let precision: WeightPrecision
    private let isTied: Bool
    private let storedPrecision: WeightPrecision?
    private var packedWeights: ByParameter<PackedWeights>
    private var vectors: ByParameter<Buffer>
    /// Bytes of weights used where they lie that the current step may still pack.
    private var packingBudget = 0
    private static let packedPerStep = 64 << 20

    init(
        of model: GPT,
        _ parameters: Parameters,
        on processor: Processor,
        precision: WeightPrecision
    ) {
        self.parameters = parameters
        self.processor = processor
        self.precision = precision
        isTied = model.configuration.isTied
        storedPrecision = parameters.quantizedPrecision
        packedWeights = ByParameter(parameters)
        vectors = ByParameter(parameters)
    }

    /// Begins a step: a pass over all weights.
    mutating func beginStep() { packingBudget = packedBytes > 0 ? Self.packedPerStep : 0 }

    var packedBytes: Int { packedWeights.all.reduce(0) { $0 + $1.byteCount } }

    /// Whether the rows of an embedding are read where they are stored, in memory or in a file: packing f32 rows gains nothing.
    func isUnpackedTable(_ table: Parameter) -> Bool { precision == .float32 && parameters.quantized(table) == nil }

    /// The f32 values of a norm, a bias or an embedding of positions. Small ones are copied out of a mapped file, where reading a
    /// page also loads up to 2 MB around it.
    mutating func value(of parameter: Parameter) -> Buffer {
        if let vector = vectors[parameter] { return vector }
        let stored = stored(parameter)
        if stored.count > 1 << 20 || !stored.isInFile { return stored }
        let copy = processor.buffer(of: stored.count, .float32)
        copy.copy(from: stored)
        if isUnmodified { stored.releaseFilePages() }
        vectors[parameter] = copy
        return copy
    }

    mutating func packed(_ weight: Parameter) -> PackedWeights {
        if let packed = packedWeights[weight], !packed.isUnpacked || packingBudget <= 0 { return packed }
        // LoRA matrices are small and sensitive: they are not quantized.
        let isLoRA = weight.isTrainable && !parameters.frozen.isEmpty
        var precision = isLoRA && precision != .float32 ? .bfloat16 : precision
        // Errors of the token embedding reach every layer, and int4 would save little, unless it is the head too.
        if precision == .int4, weight.name.hasPrefix("tokens"), !isTied { precision = .int8 }
        // A file of 4 bits keeps the few matrices that it has in more of them, such as the tied embedding.
        if precision == .int4, storedPrecision == .int4, parameters.quantized(weight)?.precision == .int8 { precision = .int8 }
        let packed: PackedWeights
        let isFirstUse = packedWeights[weight] == nil
        if precision == .float32, isFirstUse, isUnmodified, parameters.quantized(weight) == nil, stored(weight).isInFile {
            packed = processor.unpacked(stored(weight), outputs: weight.shape[0], inputs: weight.shape[1])
        } else {
            packed = pack(weight, as: precision)
            packingBudget -= packed.byteCount
        }
        packedWeights[weight] = packed
        return packed
    }

    /// Whether weights in memory equal the file's, so that file pages can be released. False for a LoRA adapter, which may have
    /// changed its base.
    private var isUnmodified: Bool { parameters.frozen.isEmpty }

    private func stored(_ parameter: Parameter) -> Buffer { parameters.value(of: parameter).elements }

    private func pack(_ weight: Parameter, as precision: WeightPrecision) -> PackedWeights {
        let O = weight.shape[0], I = weight.shape[1]
        guard let quantized = parameters.quantized(weight) else {
            return processor.pack(stored(weight), outputs: O, inputs: I, as: precision, releasingFile: isUnmodified)
        }
        return processor.pack(quantized, as: precision, releasingFile: true)
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
