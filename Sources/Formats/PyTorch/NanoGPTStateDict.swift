import Checkpoint
import Autograd
import Kernels
import Model

/// The state dict of a nanoGPT checkpoint, under slm's parameter names.
struct NanoGPTStateDict {
    private let path: String
    private var tensors: [String: TorchTensor] = [:]
    /// The file's own names, for messages.
    private var originalNames: [String: String] = [:]
    private var isTied = false

    init(_ file: inout TorchFile, on processor: Processor) throws(CheckpointError) {
        path = file.path
        for (key, value) in file.pickle.pairs(of: try Self.stateDict(in: file)) ?? [] {
            guard case .text(let name) = key, case .tensor(let tensor) = value else {
                throw mismatch(key.displayText, "a tensor", value.displayText)
            }
            switch NanoGPTName(name) {
            case .mask: continue
            case .unknown: throw mismatch(key.displayText, "a weight of nanoGPT, such as transformer.wte.weight", "another name")
            case .weight(let ours):
                guard tensors.updateValue(tensor, forKey: ours) == nil else {
                    throw mismatch(key.displayText, "each weight once", "a duplicate of \((originalNames[ours] ?? ours).quoted)")
                }
                originalNames[ours] = name
            }
        }
        isTied = try hasTiedHead(&file, on: processor)
        if isTied { tensors["head.weight"] = nil }
    }

    private static func stateDict(in file: TorchFile) throws(CheckpointError) -> PickleValue {
        let pickle = file.pickle
        for name in ["model", "model_state_dict", "model_state", "state_dict"] {
            if let value = pickle[name, in: pickle.root], case .dictionary = value { return value }
        }
        let pairs = pickle.pairs(of: pickle.root) ?? []
        guard pairs.contains(where: { if case .tensor = $0.value { true } else { false } }) else {
            let expected = "a state_dict(), alone or as 'model' of a dictionary"
            throw .mismatch(path: file.path, name: "data.pkl", expected: expected, found: pickle.root.displayText)
        }
        return pickle.root
    }

    /// The head is tied to the token embedding if it is missing, the same tensor, or has equal numbers.
    private func hasTiedHead(_ file: inout TorchFile, on processor: Processor) throws(CheckpointError) -> Bool {
        guard let head = tensors["head.weight"], let tokens = tensors["tokens.weight"] else { return true }
        if head.isSame(as: tokens) { return true }
        guard head.sizes == tokens.sizes else { return false }
        let a = try file.floats(of: head, name: "the head", on: processor)
        let b = try file.floats(of: tokens, name: "the token embedding", on: processor)
        return a.read { a in b.read { b in a.indices.allSatisfy { a[$0].bitPattern == b[$0].bitPattern } } }
    }

    /// Derives the configuration from the shapes of the weights. Only the number of heads comes from the arguments.
    func configuration(_ arguments: NanoGPTArguments, heads requestedHeads: Int?) throws(CheckpointError) -> GPTConfiguration {
        let (vocabulary, width) = try matrixShape("tokens.weight", "the token embedding, [vocabulary, width]")
        let (context, _) = try matrixShape("positions.weight", "the position embedding, [context, width]")
        let layerIndices = tensors.keys.compactMap { name in
            name.hasPrefix("layer") ? Int(name.dropFirst(5).prefix { $0 != "." }) : nil
        }
        let layers = (layerIndices.max() ?? -1) + 1
        let heads = try headCount(arguments, requestedHeads, width: width)
        var result = GPTConfiguration(layers: layers, heads: heads, width: width, context: context, vocabulary: vocabulary)
        result.hasBias = tensors["norm.bias"] != nil
        result.isTied = isTied
        result.dropout = try arguments.dropoutRate()
        try arguments.check(NanoGPTArguments.layers, is: layers)
        try arguments.check(NanoGPTArguments.width, is: width)
        try arguments.check(NanoGPTArguments.context, is: context)
        try arguments.check(NanoGPTArguments.vocabulary, is: vocabulary)
        try arguments.checkBias(is: result.hasBias)
        return result
    }

    private func headCount(_ arguments: NanoGPTArguments, _ requested: Int?, width: Int) throws(CheckpointError) -> Int {
        if let requested { try arguments.check(NanoGPTArguments.heads, is: requested) }
        let stored = try arguments.integer(NanoGPTArguments.heads)
        guard let heads = requested ?? stored ?? (width % 64 == 0 ? width / 64 : nil) else {
            throw mismatch("model_args/n_head", "the number of heads (the file lacks it; give it: --heads)", "nothing")
        }
        guard 1...65_536 ~= heads, width % heads == 0 else {
            throw mismatch("model_args/n_head", "a divisor of the width \(width)", "\(heads)")
        }
        return heads
    }

    private func matrixShape(_ name: String, _ expected: String) throws(CheckpointError) -> (Int, Int) {
        guard let sizes = tensors[name]?.sizes, sizes.count == 2, 1...16_777_216 ~= sizes[0], 1...1_048_576 ~= sizes[1] else {
            throw mismatch(displayName(name), expected, tensors[name].map { "\($0.sizes)" } ?? "nothing")
        }
        return (sizes[0], sizes[1])
    }

    /// Returns all weights of such a model. Throws if one is missing or has another shape, or if there are further tensors.
    func weights(
        _ configuration: GPTConfiguration, from file: inout TorchFile, on processor: Processor
    ) throws(CheckpointError) -> OrderedDictionary<FloatArray> {
        var list = ParameterList(), result: OrderedDictionary<FloatArray> = [:]
        _ = GPT(configuration, in: &list)
        for parameter in list.parameters {
            let sizes = tensors[parameter.name]?.sizes
            guard sizes == parameter.shape.sizes else {
                throw mismatch(displayName(parameter.name), "\(parameter.shape)", sizes.map { "\($0)" } ?? "nothing")
            }
        }
        let known = Set(list.parameters.map(\.name))
        for name in tensors.keys.sorted() where !known.contains(name) {
            throw mismatch(displayName(name), "no such tensor in this model", "a tensor")
        }
        // Tensors that share a storage could be larger than the file.
        guard list.count <= file.byteCount else {
            let found = "\(list.count) numbers in \(file.byteCount) bytes"
            throw mismatch("data.pkl", "weights that are no larger than the file", found)
        }
        for parameter in list.parameters {
            guard let tensor = tensors[parameter.name] else { continue }           // checked above
            let values = try file.floats(of: tensor, name: displayName(parameter.name), on: processor)
            result[parameter.name] = FloatArray(values, shape: parameter.shape)
        }
        return result
    }

    /// The file's own name of a weight in quotes, or slm's name if the file lacks it.
    private func displayName(_ name: String) -> String { originalNames[name]?.quoted ?? name }

    private func mismatch(_ name: String, _ expected: String, _ found: String) -> CheckpointError {
        .mismatch(path: path, name: name, expected: expected, found: found)
    }
}
