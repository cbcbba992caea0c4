// For Documentation/Learn/Autograd.md: the GPT uses `linearCrossEntropy`, which does not need all logits at once.

import Kernels

extension Tape {
    /// The mean over all targets that count of −log softmax(x)[target]; 0 if none counts.
    /// x [.., V], targets [..], negative where they are ignored
    ///
    /// - Parameter count: The divisor of the sum when this is only part of a larger batch; by default the number of targets that count.
    package func crossEntropy(_ x: Tensor, targets: Tensor, count: Int? = nil) -> Tensor {
        require(targets.isTarget(of: x), "crossEntropy: targets \(targets.shape) for logits \(x.shape)")
        let x = contiguous(x)
        let (N, V) = x.shape.rows
        let losses = processor.buffer(of: N, .float32)
        let scale = targets.meanFactor(of: count)
        processor.crossEntropy(x.elements, N: N, V: V, targets: targets.elements, losses: losses, gradient: nil, scale: 0)
        return record(total(losses, scale: scale), from: [GradientTarget(x)]) { CrossEntropy(x: x, targets: targets, scale: scale) }
    }
}

/// dx += dy·scale·(softmax(x) − one-hot(target))
private struct CrossEntropy: Operation {
    let x, targets: Tensor
    let scale: Float

    func backward(_ dy: Tensor, on tape: Tape) {
        let (N, V) = x.shape.rows
        tape.writeGradient(to: GradientTarget(x)) { dx in
            tape.processor.crossEntropy(
                x.elements, N: N, V: V, targets: targets.elements, losses: nil, gradient: dx, scale: dy.scalar * scale
            )
        }
    }
}
