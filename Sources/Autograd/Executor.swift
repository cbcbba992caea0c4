package import Kernels

/// Who carries out the operations of a model: a ``Tape``, which learns, or whoever answers, with keys and values that are kept and weights in forms of their own.
/// Weights are parameters here, not tensors: how their numbers are stored is for the executor to know.
///
///     func callAsFunction(_ x: Tensor, on executor: some Executor) -> Tensor { executor.norm(x, by: norm) }
package protocol Executor: AnyObject {
    /// table[ids] (+ what stands in `positions` for each one's place).   ids [B, T]; y [B, T, C]
    func embed(_ ids: Tensor, in table: Embedding, plus positions: Embedding?) -> Tensor
    func norm(_ x: Tensor, by norm: Norm) -> Tensor
    /// f(x·Wᵀ + b) + plus
    func linear(_ x: Tensor, weight: Parameter, bias: Parameter?, then f: Function, plus: Tensor?) -> Tensor
    /// Questions and keys turned by where they stand: see ``Tape/rotate(_:heads:by:)``.   qkv [B, T, 3·H·D]
    func rotate(_ qkv: Tensor, heads H: Int) -> Tensor
    func normHeads(_ qkv: Tensor, heads H: Int) -> Tensor
    /// Each position asks itself and what came before.   qkv [B, T, 3·H·D]; y [B, T, H·D]
    ///
    /// - Parameter layer: Which of the model's, from 0.
    func attend(_ qkv: Tensor, heads H: Int, layer: Int, documents: Tensor?) -> Tensor
    func add(_ a: Tensor, _ b: Tensor) -> Tensor
    func scale(_ x: Tensor, by factor: Float) -> Tensor
    func apply(_ f: Function, to x: Tensor) -> Tensor
    /// x with some of it left out, while learning.
    func dropout(_ x: Tensor, _ p: Float) -> Tensor
    /// body(x); who learns need not remember what is in between.
    func checkpoint(_ x: Tensor, _ body: @escaping (Tensor) -> Tensor) -> Tensor
    /// The rows whose scores somebody wants, of all [B, T, C]; what has been chosen from already stays.
    func wanted(_ x: Tensor) -> Tensor
}

extension Tape: Executor {
    package func embed(_ ids: Tensor, in table: Embedding, plus positions: Embedding?) -> Tensor {
        embed(ids, in: value(of: table.table), plus: positions.map { value(of: $0.table) })
    }

    package func norm(_ x: Tensor, by norm: Norm) -> Tensor {
        switch norm.kind {
        case .layer: layerNorm(x, scale: value(of: norm.weight), shift: norm.bias.map(value))
        case .rms: rmsNorm(x, scale: value(of: norm.weight))
        }
    }

    package func linear(_ x: Tensor, weight: Parameter, bias: Parameter?, then f: Function, plus: Tensor?) -> Tensor {
        linear(x, weight: value(of: weight), bias: bias.map(value), then: f, plus: plus)
    }

    package func rotate(_ qkv: Tensor, heads H: Int) -> Tensor {
        rotate(qkv, heads: H, by: angles(of: qkv.shape[1], width: qkv.shape[2] / (3 * H)))
    }

    package func normHeads(_ qkv: Tensor, heads H: Int) -> Tensor { normHeads(qkv, heads: H, epsilon: 1e-5) }

    package func attend(_ qkv: Tensor, heads H: Int, layer: Int, documents: Tensor?) -> Tensor { causalAttention(qkv, heads: H, documents: documents) }

    package func wanted(_ x: Tensor) -> Tensor { x }
}
