import Autograd
import Kernels

extension AttentionHeads {
    /// H heads of queries, keys and values each, for rows like those of `qkv`.
    fileprivate init(_ H: Int, dividing qkv: Tensor) { self.init(H, width: qkv.shape[-1] / (3 * H)) }
}

// Attention with as many heads of keys as of queries.
extension Tape {
    func causalAttention(_ qkv: Tensor, heads H: Int, documentStarts: Tensor? = nil) -> Tensor {
        causalAttention(qkv, AttentionHeads(H, dividing: qkv), documentStarts: documentStarts)
    }

    func applyRotaryEmbedding(_ qkv: Tensor, heads H: Int, by angles: Tensor) -> Tensor {
        applyRotaryEmbedding(qkv, AttentionHeads(H, dividing: qkv), by: angles)
    }

    func applyQKNorm(_ qkv: Tensor, heads H: Int) -> Tensor { applyQKNorm(qkv, AttentionHeads(H, dividing: qkv)) }
}
