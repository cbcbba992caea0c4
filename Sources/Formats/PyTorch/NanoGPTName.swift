/// What an entry of a nanoGPT state is.
///
///     NanoGPTName("_orig_mod.transformer.h.0.attn.c_attn.weight")      // .weight("layer0.qkv.weight")
enum NanoGPTName: Equatable {
    /// By the name that our models give it.
    case weight(String)
    /// The triangle that attention is masked with, which older versions keep.
    case mask
    case unknown

    init(_ name: String) {
        var parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        // What torch.compile and DistributedDataParallel put around a model.
        while let first = parts.first, ["_orig_mod", "module"].contains(first) { parts.removeFirst() }
        if parts.first == "transformer" { parts.removeFirst() }
        guard let first = parts.first else { self = .unknown; return }
        if ["h", "blocks"].contains(first), parts.count >= 3, let layer = Int(parts[1]), 0..<1_024 ~= layer, "\(layer)" == parts[1] {
            self.init(parts[2...].joined(separator: "."), layer: layer)
        } else if let ours = Self.outer[name: parts] { self = .weight(ours) } else { self = .unknown }
    }

    private init(_ name: String, layer: Int) {
        if ["attn.bias", "attn.masked_bias", "attn.mask", "attn.tril"].contains(name) { self = .mask; return }
        guard let ours = Self.inner[name: name.split(separator: ".").map(String.init)] else { self = .unknown; return }
        self = .weight("layer\(layer).\(ours)")
    }

    private static let outer = ["wte": "tokens", "tok_emb": "tokens", "wpe": "positions", "pos_emb": "positions", "ln_f": "norm", "lm_head": "head", "head": "head"]
    private static let inner = ["ln_1": "norm1", "ln_2": "norm2", "attn.c_attn": "qkv", "attn.c_proj": "output", "mlp.c_fc": "up", "mlp.c_proj": "down"]
}

extension [String: String] {
    /// Theirs to ours, with the last part, which some call otherwise in norms.
    fileprivate subscript(name parts: [String]) -> String? {
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
