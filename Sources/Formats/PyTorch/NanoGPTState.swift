import Checkpoint
import Autograd
import Kernels
import Model

/// The weights of a file, by our names of them.
struct NanoGPTState {
    private let path: String
    private var tensors: [String: TorchTensor] = [:]
    /// By the file's own names, for messages.
    private var names: [String: String] = [:]
    private var isTied = false

    init(_ file: inout TorchFile, on processor: Processor) throws(PyTorchError) {
        path = file.path
        for (key, value) in file.pickle.pairs(of: try Self.state(in: file)) ?? [] {
            guard case .text(let name) = key, case .tensor(let tensor) = value else { throw wrong(key.shown, "a tensor", value.shown) }
            switch NanoGPTName(name) {
            case .mask: continue
            case .unknown: throw wrong(key.shown, "a weight of nanoGPT, such as transformer.wte.weight", "another")
            case .weight(let ours):
                guard tensors.updateValue(tensor, forKey: ours) == nil else { throw wrong(key.shown, "each weight once", "another of \(Value.text(names[ours] ?? ours).shown)") }
                names[ours] = name
            }
        }
        isTied = try hasTiedHead(&file, on: processor)
        if isTied { tensors["head.weight"] = nil }
    }

    private static func state(in file: TorchFile) throws(PyTorchError) -> PickleValue {
        let pickle = file.pickle
        for name in ["model", "model_state_dict", "model_state", "state_dict"] {
            if let value = pickle[name, in: pickle.root], case .dictionary = value { return value }
        }
        guard let pairs = pickle.pairs(of: pickle.root), pairs.contains(where: { if case .tensor = $0.value { true } else { false } }) else {
            throw .mismatch(path: file.path, name: "data.pkl", expected: "a state_dict(), alone or as 'model' of a dictionary", found: pickle.root.shown)
        }
        return pickle.root
    }

    /// Whether the head is the token embedding: not there, the same numbers, or equal ones.
    private func hasTiedHead(_ file: inout TorchFile, on processor: Processor) throws(PyTorchError) -> Bool {
        guard let head = tensors["head.weight"], let tokens = tensors["tokens.weight"] else { return true }
        if head.isSame(as: tokens) { return true }
        guard head.sizes == tokens.sizes else { return false }
        let a = try file.floats(of: head, named: "the head", on: processor), b = try file.floats(of: tokens, named: "the token embedding", on: processor)
        return a.read { a in b.read { b in a.indices.allSatisfy { a[$0].bitPattern == b[$0].bitPattern } } }
    }

    /// As the weights have it; only the number of heads does not show in them.
    func configuration(_ arguments: NanoGPTArguments, heads asked: Int?) throws(PyTorchError) -> GPTConfiguration {
        let (vocabulary, width) = try matrix("tokens.weight", "the token embedding, [vocabulary, width]")
        let (context, _) = try matrix("positions.weight", "the embedding of positions, [context, width]")
        let layers = (tensors.keys.compactMap { name in name.hasPrefix("layer") ? Int(name.dropFirst(5).prefix { $0 != "." }) : nil }.max() ?? -1) + 1
        let heads = try headCount(arguments, asked, width: width)
        var result = GPTConfiguration(layers: layers, heads: heads, width: width, context: context, vocabulary: vocabulary)
        result.hasBias = tensors["norm.bias"] != nil
        result.isTied = isTied
        result.dropout = try arguments.dropoutRate()
        for (names, number) in [(NanoGPTArguments.layers, layers), (NanoGPTArguments.width, width), (NanoGPTArguments.context, context),
                                (NanoGPTArguments.vocabulary, vocabulary)] { try arguments.check(names, is: number) }
        try arguments.checkBias(is: result.hasBias)
        return result
    }

    private func headCount(_ arguments: NanoGPTArguments, _ asked: Int?, width: Int) throws(PyTorchError) -> Int {
        if let asked { try arguments.check(NanoGPTArguments.heads, is: asked) }
        let said = try arguments.integer(NanoGPTArguments.heads)
        guard let heads = asked ?? said ?? (width % 64 == 0 ? width / 64 : nil) else {
            throw wrong("model_args/n_head", "a number of heads (say it, for the file does not)", "nothing")
        }
        guard 1...65_536 ~= heads, width % heads == 0 else { throw wrong("model_args/n_head", "a number that divides the width \(width)", "\(heads)") }
        return heads
    }

    private func matrix(_ name: String, _ expected: String) throws(PyTorchError) -> (Int, Int) {
        guard let sizes = tensors[name]?.sizes, sizes.count == 2, 1...16_777_216 ~= sizes[0], 1...1_048_576 ~= sizes[1] else {
            throw wrong(names[name].map { Value.text($0).shown } ?? name, expected, tensors[name].map { "\($0.sizes)" } ?? "nothing")
        }
        return (sizes[0], sizes[1])
    }

    /// All weights of such a model, and no others.
    func weights(_ configuration: GPTConfiguration, from file: inout TorchFile, on processor: Processor) throws(PyTorchError) -> Named<FloatArray> {
        var list = ParameterList(), result: Named<FloatArray> = [:]
        _ = GPT(configuration, in: &list)
        for parameter in list.parameters {
            let sizes = tensors[parameter.name]?.sizes
            guard sizes == parameter.shape.sizes else {
                throw wrong(names[parameter.name].map { Value.text($0).shown } ?? parameter.name, "\(parameter.shape)", sizes.map { "\($0)" } ?? "nothing")
            }
        }
        let known = Set(list.parameters.map(\.name))
        for name in tensors.keys.sorted() where !known.contains(name) { throw wrong(Value.text(names[name] ?? name).shown, "nothing of that name in such a model", "a tensor") }
        // Weights that share numbers could be more than the file.
        guard list.count <= file.byteCount else { throw wrong("data.pkl", "weights of their own, no more than the file", "\(list.count) numbers in \(file.byteCount) bytes") }
        for parameter in list.parameters {
            guard let tensor = tensors[parameter.name] else { continue }           // checked above
            result[parameter.name] = FloatArray(try file.floats(of: tensor, named: Value.text(names[parameter.name] ?? "").shown, on: processor), shape: parameter.shape)
        }
        return result
    }

    private func wrong(_ name: String, _ expected: String, _ found: String) -> PyTorchError { .mismatch(path: path, name: name, expected: expected, found: found) }
}
