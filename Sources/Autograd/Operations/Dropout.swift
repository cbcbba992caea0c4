import Kernels

extension Tape {
    /// Each element is 0 with probability p, and 1/(1 − p) times as large otherwise. Does nothing in evaluation.
    ///
    /// Which elements are dropped follows from the tape's seed and how many numbers were drawn before, so the way
    /// back draws the same again instead of remembering.
    package func dropout(_ x: Tensor, _ p: Float) -> Tensor {
        require(p >= 0 && p < 1, "dropout: with probability \(p)")
        guard p > 0, isTraining else { return x }
        let x = contiguous(x), start = drawn, seed = seed
        drawn += UInt64(x.count)
        let y = empty(x.shape, x.type)
        processor.dropout(x.elements, into: y.elements, p: p, seed: seed, start: start)
        return record(y, from: [Slot(x)]) { Dropout(x: Slot(x), p: p, seed: seed, start: start) }
    }
}

/// The same factors:   dx += dy·(0 or 1/(1 − p))
private struct Dropout: Operation {
    let x: Slot
    let p: Float
    let seed, start: UInt64

    func backward(_ dy: Tensor, on tape: Tape) {
        tape.addGradient(to: x) { dx, adding in
            tape.processor.dropout(dy.elements, into: dx, p: p, seed: seed, start: start, adding: adding)
        }
    }
}
