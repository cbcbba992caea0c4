package import Autograd

extension GPT {
    /// The linear layers of a block that LoRA can adapt.
    package static let loraTargets = ["qkv", "output", "up", "down"]
}

extension LoRAConfiguration {
    /// Adapts all linear layers, which LoRA needs to match full fine-tuning (Dettmers et al. 2023).
    package init(rank: Int, alpha: Float? = nil) { self.init(rank: rank, alpha: alpha, targets: GPT.loraTargets) }
}
