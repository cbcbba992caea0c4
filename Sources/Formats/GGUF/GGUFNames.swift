/// llama.cpp's names for the weights of a GPT-2.
///
///     GGUFNames.name(of: "layer3.qkv.weight")                  // blk.3.attn_qkv.weight
enum GGUFNames {
    private static let modelNames = ["tokens": "token_embd", "positions": "position_embd", "norm": "output_norm", "head": "output"]
    private static let layerNames = [
        "norm1": "attn_norm", "qkv": "attn_qkv", "output": "attn_output", "norm2": "ffn_norm", "up": "ffn_up", "down": "ffn_down",
    ]

    static func name(of parameter: String) -> String {
        let parts = parameter.split(separator: ".").map(String.init), layer = "layer"
        if parts.count == 3, parts[0].hasPrefix(layer), let name = layerNames[parts[1]] {
            return "blk.\(parts[0].dropFirst(layer.count)).\(name).\(parts[2])"
        }
        return parts.count == 2 ? "\(modelNames[parts[0]] ?? parts[0]).\(parts[1])" : parameter
    }
}
