package import Autograd

extension GPT {
    /// The linear layers of a block: what an adapter can change.
    package static let adaptableLayers = ["qkv", "output", "up", "down"]
}

extension LowRank {
    /// An adapter of all linear layers, which is what it takes to learn as much as a full finetune does (Dettmers et al. 2023).
    package init(rank: Int, alpha: Float? = nil) { self.init(rank: rank, alpha: alpha, targets: GPT.adaptableLayers) }
}
