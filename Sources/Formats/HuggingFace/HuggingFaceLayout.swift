import Autograd
import Model

/// Maps slm's parameters to the tensors of Hugging Face's GPT-2.
///
///     let layout = HuggingFaceLayout(configuration)
///     layout.arrays.first                                      // tokens.weight is wte.weight, [V, C]
struct HuggingFaceLayout {
    struct Array {
        let parameter: Parameter
        /// The tensor's name without the prefix `transformer.`, which all tensors but the head can have.
        let name: String
        /// GPT-2 stores linear layers as [in, out] (Conv1D), slm as [out, in].
        let isTransposed: Bool

        var shape: [Int] { isTransposed ? parameter.shape.sizes.reversed() : parameter.shape.sizes }
    }

    let list: ParameterList
    let arrays: [Array]
    static let head = "lm_head.weight"
    static let tokens = "wte.weight"

    init(_ configuration: GPTConfiguration) {
        var list = ParameterList()
        _ = GPT(configuration, in: &list)
        self.list = list
        arrays = list.parameters.map { Self.array(of: $0) }
    }

    private static let modelNames = ["tokens": "wte", "positions": "wpe", "norm": "ln_f", "head": "lm_head"]
    private static let layerNames = [
        "norm1": "ln_1", "qkv": "attn.c_attn", "output": "attn.c_proj", "norm2": "ln_2", "up": "mlp.c_fc", "down": "mlp.c_proj",
    ]

    private static func array(of parameter: Parameter) -> Array {
        let parts = parameter.name.split(separator: ".").map(String.init)
        if parts.count == 2, let name = modelNames[parts[0]] {
            return Array(parameter: parameter, name: "\(name).\(parts[1])", isTransposed: false)
        }
        guard parts.count == 3, parts[0].hasPrefix("layer"), let name = layerNames[parts[1]] else {
            fatalError("GPT-2 has no name for the parameter \(parameter.name)")
        }
        let tensorName = "h.\(parts[0].dropFirst(5)).\(name).\(parts[2])"
        return Array(parameter: parameter, name: tensorName, isTransposed: parameter.shape.rank == 2)
    }

    /// Returns whether a tensor is the causal mask, which old versions of transformers stored.
    static func isBuffer(_ name: String) -> Bool { name.hasSuffix(".attn.bias") || name.hasSuffix(".attn.masked_bias") }
}
