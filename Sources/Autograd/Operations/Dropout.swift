import Kernels

extension Tape {
    /// Sets each element to 0 with probability p, and scales it by 1/(1 − p) otherwise. Does nothing in evaluation.
    ///
    /// The dropped elements follow from the tape's seed and `dropoutOffset`, so the backward pass computes the mask again instead of
    /// storing it.
    package func dropout(_ x: Tensor, _ p: Float) -> Tensor {
        require(p >= 0 && p < 1, "dropout: expected a probability in 0..<1, found \(p)")
        guard p > 0, isTraining else { return x }
        let x = contiguous(x)
        let start = dropoutOffset
        let seed = seed
        dropoutOffset += UInt64(x.count)
        let y = empty(x.shape, x.type)
        processor.dropout(x.elements, into: y.elements, p: p, seed: seed, start: start)
        return record(y, from: [GradientTarget(x)]) { Dropout(x: GradientTarget(x), p: p, seed: seed, start: start) }
    }

    /// x plus noise that is uniform in ±limit, from the random stream of dropout. Does nothing in evaluation.
    package func addNoise(_ x: Tensor, limit: Float) -> Tensor {
        guard limit > 0, isTraining else { return x }
        let noise = empty(x.shape)
        processor.uniform(into: noise.elements, seed: seed, start: dropoutOffset)
        dropoutOffset += UInt64(x.count)
        return add(x, add(scale(noise, by: 2 * limit), constant([-limit], [])))
    }
}

/// The same mask:   dx += dy·(0 or 1/(1 − p))
private struct Dropout: Operation {
    let x: GradientTarget
    let p: Float
    let seed, start: UInt64

    func backward(_ dy: Tensor, on tape: Tape) {
        tape.addGradient(to: x) { dx, adding in
            tape.processor.dropout(dy.elements, into: dx, p: p, seed: seed, start: start, adding: adding)
        }
    }
}
