/// The meaning of a key in a nanoGPT state dict.
///
///     NanoGPTName("_orig_mod.transformer.h.0.attn.c_attn.weight")      // .weight("layer0.qkv.weight")
enum NanoGPTName: Equatable {
    /// A weight, with slm's name for it.
    case weight(String)
    /// The causal mask, which older versions store.
    case mask
    case unknown

    init(_ name: String) {
        var parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        // Prefixes of torch.compile and DistributedDataParallel.
        parts.removeSubrange(..<(parts.firstIndex { !["_orig_mod", "module"].contains($0) } ?? parts.endIndex))
        if parts.first == "transformer" { parts.removeFirst() }
        guard let first = parts.first else {
            self = .unknown
            return
        }
        let isLayer = ["h", "blocks"].contains(first) && parts.count >= 3
        if isLayer, let layer = Int(parts[1]), 0..<1_024 ~= layer, "\(layer)" == parts[1] {
            self.init(parts[2...].joined(separator: "."), layer: layer)
        } else if let ours = Self.modelNames[parameter: parts] {
            self = .weight(ours)
        } else {
            self = .unknown
        }
    }

    private init(_ name: String, layer: Int) {
        if ["attn.bias", "attn.masked_bias", "attn.mask", "attn.tril"].contains(name) {
            self = .mask
        } else if let ours = Self.layerNames[parameter: name.split(separator: ".").map(String.init)] {
            self = .weight("layer\(layer).\(ours)")
        } else {
            self = .unknown
        }
    }

    private static let modelNames = [
        "wte": "tokens", "tok_emb": "tokens", "wpe": "positions", "pos_emb": "positions", "ln_f": "norm", "lm_head": "head", "head": "head",
    ]
    private static let layerNames = [
        "ln_1": "norm1", "ln_2": "norm2", "attn.c_attn": "qkv", "attn.c_proj": "output", "mlp.c_fc": "up", "mlp.c_proj": "down",
    ]
}

extension [String: String] {
    /// Translates the name of a module and its parameter. Some programs call a norm's weight and bias gamma and beta.
    fileprivate subscript(parameter parts: [String]) -> String? {
        guard parts.count >= 2, let ours = self[parts.dropLast().joined(separator: ".")] else { return nil }
        switch parts[parts.count - 1] {
        case "weight": return ours + ".weight"
        case "bias": return ours + ".bias"
        case "gamma" where ours.contains("norm"): return ours + ".weight"
        case "beta" where ours.contains("norm"): return ours + ".bias"
        default: return nil
        }
    }
}
