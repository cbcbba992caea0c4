import Model

/// A format's names for the tensors of a family of models, by slm's names for the parts of a model.
///
///     TensorNames.llama.layer["qkv"]       // self_attn.q_proj, self_attn.k_proj, self_attn.v_proj
struct TensorNames {
    /// The order of a head's channels in the rows of queries and keys.
    enum RotaryOrder {
        /// The channels i and i + D/2 rotate together, as in slm.
        case halves
        /// The channels 2i and 2i + 1 rotate together: GGUF files of Llama.
        case neighbors
        /// If only the first R channels rotate, i and i + R/2 rotate together: GPT-NeoX.
        case halvesOfRotating
    }

    /// What the names of all tensors but the head begin with; files of a model without a head may lack it.
    var prefix = ""
    /// What the name of the head begins with.
    var headPrefix = ""
    /// What the names of layer N's tensors begin with, before N.
    var layerPrefix: String
    var model: [String: String]
    /// One tensor, or several that slm stores as one parameter: queries, keys and values; gates and values.
    ///
    /// `expert.up` and `expert.down` are those of an expert: # is its number. Without #, one tensor has the matrices of all experts.
    /// `shared.up` and `shared.down` are those of a shared expert, `shared.router` its gate.
    var layer: [String: [String]]
    /// The linear layers that are stored as [in, out]; slm's are [out, in].
    enum Transposed {
        case none, all, experts
    }

    /// GPT-2's are all (Conv1D), gpt-oss's the experts.
    var transposed = Transposed.none
    /// Whether the rows of gates and values of experts alternate in one tensor.
    var alternatesGates = false
    /// The parts whose tensors have the name of the part, with `_bias` for a bias, instead of a name with `.weight` or `.bias` at the end.
    var bareParts: Set<String> = []
    /// The parts whose matrices have one row, and whose tensors have one dimension.
    var vectors: Set<String> = []
    var rotaryOrder = RotaryOrder.halves
    /// Whether the rows of queries, keys and values alternate head by head.
    var alternatesHeads = false
    /// What slm's weights of norms have more than the file's: 1 if a norm multiplies by 1 + w (Gemma).
    var normOffset: Float = 0

    /// The names with the prefixes that a file has: those of this family, none, or those of the text part of a model that also sees images.
    func with(prefixOf isName: (String) -> Bool) -> TensorNames {
        for (prefix, headPrefix) in [(prefix, ""), ("", ""), ("model.language_model.", ""), ("language_model.model.", "language_model.")] {
            var names = self
            names.prefix = prefix
            names.headPrefix = headPrefix
            if let table = names.names(of: "tokens.weight").first, isName(table) { return names }
        }
        return self
    }

    /// The names of a parameter such as `layer3.qkv.weight`; empty if the family has no such part.
    func names(of parameter: String) -> [String] {
        let parts = parameter.split(separator: ".").map(String.init)
        guard let kind = parts.last, parts.count > 1 else { return [] }
        if parts.count == 2 {
            let prefix = parts[0] == "head" ? headPrefix : prefix
            return model[parts[0]].map { ["\(prefix)\($0).\(kind)"] } ?? []
        }
        let number = parts[0].dropFirst("layer".count), expert = Self.expert(of: parameter)
        let part = Self.part(of: parameter), names = layer[part] ?? []
        let end = !bareParts.contains(part) ? ".\(kind)" : kind == "weight" ? "" : "_\(kind)"
        return names.map { name in
            let name = expert.map { name.replacing("#", with: "\($0)") } ?? name
            return "\(prefix)\(layerPrefix)\(number).\(name)\(end)"
        }
    }

    /// The key of `layer` for a parameter: `shared.up` for `layer3.shared.up.weight`, `expert.up` for `layer3.expert7.up.weight`.
    static func part(of parameter: String) -> String {
        let parts = parameter.split(separator: ".").dropFirst().dropLast()
        return expert(of: parameter) == nil ? parts.joined(separator: ".") : "expert.\(parts.last ?? "")"
    }

    /// The number of the expert that a parameter such as `layer3.expert7.up.weight` belongs to, if one tensor has the matrices of all.
    func stackedExpert(of parameter: String) -> Int? {
        layer["expert.up"]?.contains { $0.contains("#") } == false ? Self.expert(of: parameter) : nil
    }

    private static func expert(of parameter: String) -> Int? {
        let parts = parameter.split(separator: ".")
        return parts.count == 4 && parts[1].hasPrefix("expert") ? Int(parts[1].dropFirst("expert".count)) : nil
    }
}
