import Autograd
import Model

/// Where GPT-2's files keep a GPT's parameters: our names and theirs.
///
///     let layout = HuggingFaceLayout(configuration)
///     layout.arrays.first                                      // tokens.weight, which is wte.weight, [V, C]
struct HuggingFaceLayout {
    struct Array {
        let parameter: Parameter
        /// Without the `transformer.` that stands before all but the head.
        let name: String
        /// Linear layers are kept as [in, out], and ours as [out, in].
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

    private static let outer = ["tokens": "wte", "positions": "wpe", "norm": "ln_f", "head": "lm_head"]
    private static let inner = ["norm1": "ln_1", "qkv": "attn.c_attn", "output": "attn.c_proj", "norm2": "ln_2", "up": "mlp.c_fc", "down": "mlp.c_proj"]

    private static func array(of parameter: Parameter) -> Array {
        let parts = parameter.name.split(separator: ".").map(String.init)
        if parts.count == 2, let name = outer[parts[0]] { return Array(parameter: parameter, name: "\(name).\(parts[1])", isTransposed: false) }
        guard parts.count == 3, parts[0].hasPrefix("layer"), let name = inner[parts[1]] else {
            fatalError("GPT-2 has no name for the parameter \(parameter.name)")
        }
        return Array(parameter: parameter, name: "h.\(parts[0].dropFirst(5)).\(name).\(parts[2])", isTransposed: parameter.shape.rank == 2)
    }

    /// Whether a tensor is no parameter: the triangle of who may see whom, which old versions wrote out.
    static func isBuffer(_ name: String) -> Bool { name.hasSuffix(".attn.bias") || name.hasSuffix(".attn.masked_bias") }
}
