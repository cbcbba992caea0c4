import Checkpoint

/// The hyperparameters in a nanoGPT checkpoint: `model_args` or `config`, a dictionary or a GPTConfig. Each has several names, because
/// programs derived from nanoGPT use others.
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

    static let heads = ["n_head", "num_heads", "n_heads"]
    static let layers = ["n_layer", "num_layers", "n_layers"]
    static let width = ["n_embd", "dim_embedding", "d_model"]
    static let context = ["block_size", "seq_length", "context_length"]
    static let vocabulary = ["vocab_size"]
    static let dropout = ["dropout", "dropout_rate"]
    static let bias = ["bias", "use_bias"]

    func integer(_ names: [String]) throws(CheckpointError) -> Int? {
        guard let (name, value) = first(names) else { return nil }
        guard case .integer(let number) = value else { throw mismatch(name, "a whole number", value) }
        return number
    }

    /// Throws if the file contains the argument with a value that contradicts the weights.
    func check(_ names: [String], is expected: Int) throws(CheckpointError) {
        guard let (name, value) = first(names), let found = try integer(names), found != expected else { return }
        throw mismatch(name, "\(expected), as in the weights", value)
    }

    func checkBias(is expected: Bool) throws(CheckpointError) {
        guard let (name, value) = first(Self.bias) else { return }
        guard case .boolean(expected) = value else { throw mismatch(name, "\(expected ? "True" : "False"), as in the weights", value) }
    }

    func dropoutRate() throws(CheckpointError) -> Float {
        guard let (name, value) = first(Self.dropout) else { return 0 }
        switch value {
        case .number(let rate) where rate >= 0 && rate < 1: return min(Float(rate), Float(1).nextDown)
        case .integer(0): return 0
        default: throw mismatch(name, "a number from 0 to below 1", value)
        }
    }

    private func mismatch(_ name: String, _ expected: String, _ found: PickleValue) -> CheckpointError {
        .mismatch(path: path, name: "\(group)/\(name)", expected: expected, found: found.displayText)
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
