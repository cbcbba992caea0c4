/// What a file says of its model beside the weights: `model_args` or `config`, a dictionary or a GPTConfig. Programs that grew from nanoGPT use other words.
struct NanoGPTArguments {
    private let path: String
    private let group: String
    private var values: [String: PickleValue] = [:]

    init(_ pickle: Pickle, path: String) {
        self.path = path
        for group in ["model_args", "config"] {
            guard let value = pickle[group, in: pickle.root], let pairs = pickle.pairs(of: value) else { continue }
            for (key, value) in pairs { if case .text(let name) = key { values[name] = value } }
            self.group = group
            return
        }
        group = "model_args"
    }

    static let heads = ["n_head", "num_heads", "n_heads"], layers = ["n_layer", "num_layers", "n_layers"], width = ["n_embd", "dim_embedding", "d_model"]
    static let context = ["block_size", "seq_length", "context_length"], vocabulary = ["vocab_size"]
    static let dropout = ["dropout", "dropout_rate"], bias = ["bias", "use_bias"]

    func integer(_ names: [String]) throws(PyTorchError) -> Int? {
        guard let (name, value) = first(names) else { return nil }
        guard case .integer(let number) = value else { throw wrong(name, "a whole number", value) }
        return number
    }

    /// Throws where the file says something else than its weights do.
    func check(_ names: [String], is expected: Int) throws(PyTorchError) {
        guard let (name, value) = first(names), let found = try integer(names), found != expected else { return }
        throw wrong(name, "\(expected), as the weights have it", value)
    }

    func checkBias(is expected: Bool) throws(PyTorchError) {
        guard let (name, value) = first(Self.bias) else { return }
        guard case .boolean(expected) = value else { throw wrong(name, expected ? "True, as the weights have it" : "False, as the weights have it", value) }
    }

    func dropoutRate() throws(PyTorchError) -> Float {
        guard let (name, value) = first(Self.dropout) else { return 0 }
        switch value {
        case .number(let rate) where rate >= 0 && rate < 1: return min(Float(rate), Float(1).nextDown)
        case .integer(0): return 0
        default: throw wrong(name, "a number from 0 to below 1", value)
        }
    }

    func wrong(_ name: String, _ expected: String, _ found: PickleValue) -> PyTorchError {
        .mismatch(path: path, name: "\(group)/\(name)", expected: expected, found: found.shown)
    }

    private func first(_ names: [String]) -> (String, PickleValue)? {
        for name in names {
            guard let value = values[name] else { continue }
            if case .none = value { continue }
            return (name, value)
        }
        return nil
    }
}
