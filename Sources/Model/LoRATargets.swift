package import Autograd
import Kernels

extension GPT {
    /// The linear layers of a block, which LoRA adapts by default.
    package static let loraTargets = ["qkv", "output", "up", "down"]
    /// What LoRA can adapt: parts of `qkv` with matrices of their own, the linear layers of a block, the head and the embedding.
    package static let loraTargetNames = ["q", "k", "v"] + loraTargets + ["head", "embedding"]
    /// What LoRA adapts by default: of a mixture's experts only the shared one.
    package static func loraTargets(of configuration: GPTConfiguration) -> [String] {
        guard let experts = configuration.experts else { return loraTargets }
        return ["qkv", "output"] + (experts.shared == nil ? [] : ["up", "down"])
    }
    fileprivate static let attentionParts = ["q", "k", "v"]
    /// The layer of the embedding.
    package static let embedding = "tokens"
    /// The layers with a row for each token.
    package static let vocabularyLayers = [embedding, "head"]
}

extension LoRAConfiguration {
    /// Adapts all linear layers, which LoRA needs to match full fine-tuning (Dettmers et al. 2023).
    package init(rank: Int, alpha: Float? = nil) { self.init(rank: rank, alpha: alpha, targets: GPT.loraTargets) }

    /// Adapts what is named.
    ///
    /// `qkv` is one layer, with one A. `q`, `k` and `v` are parts of it that have an A of their own; parts that are not named stay as they
    /// are.
    ///
    ///     LoRAConfiguration(rank: 8, names: ["q", "v", "head"], of: .gpt2)
    ///
    /// - Parameter names: Some of ``GPT/loraTargetNames``; `qkv` or parts of it.
    package init(rank: Int, alpha: Float? = nil, names: [String], of configuration: GPTConfiguration) {
        var targets: [String] = []
        for name in names {
            let target = GPT.attentionParts.contains(name) ? "qkv" : name == "embedding" ? GPT.embedding : name
            if !targets.contains(target) { targets.append(target) }
        }
        self.init(rank: rank, alpha: alpha, targets: targets)
        guard names.contains(where: GPT.attentionParts.contains) else { return }
        require(!names.contains("qkv"), "LoRA targets: expected qkv or parts of it, found \(names)")
        let heads = configuration.attentionHeads(of: 0)
        blocks["qkv"] = zip(GPT.attentionParts, [heads.queryWidth, heads.keyWidth, heads.keyWidth]).map { part, rows in
            LoRABlock(rows: rows, rank: names.contains(part) ? rank : 0)
        }
    }

    /// What is adapted, as the options name it.
    package var targetNames: [String] {
        targets.flatMap { target in
            if target == GPT.embedding { return ["embedding"] }
            guard target == "qkv", let blocks = blocks["qkv"], blocks.count == 3 else { return [target] }
            return zip(GPT.attentionParts, blocks).filter { $1.rank > 0 }.map { $0.0 }
        }
    }

    /// Whether the embedding or the head has A and B.
    package var adaptsVocabulary: Bool { targets.contains("head") || targets.contains(GPT.embedding) }

    /// Whether the head and the embedding of a model in which they are one matrix differ with the adapter.
    package var dividesVocabulary: Bool {
        adaptsVocabulary || wholeLayers.contains("head") || wholeLayers.contains(GPT.embedding) && addedTokens == nil
    }
}
