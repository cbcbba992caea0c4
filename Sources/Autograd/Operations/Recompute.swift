import Kernels

extension Tape {
    /// Runs `body(x)` and stores only x for the backward pass, which runs `body` again and records it then (activation recomputation,
    /// PyTorch's `torch.utils.checkpoint`).
    ///
    /// The gradients are bit for bit those of `body(x)` without recomputation. The tape holds `body` until `backward` or `reset`.
    ///
    ///     x = tape.recompute(x) { block($0, on: tape) }
    package func recompute(_ x: Tensor, _ body: @escaping (Tensor) -> Tensor) -> Tensor {
        guard isRecording else { return body(x) }
        let start = dropoutOffset
        let (y, needsGradient) = runWithoutRecording { body(x) }
        return needsGradient ? record(y.detached, RecomputedBlock(x: x, dropoutOffset: start, body: body)) : y
    }
}

private struct RecomputedBlock: Operation {
    let x: Tensor
    let dropoutOffset: UInt64        // before the first pass, so that the second one drops the same elements
    let body: (Tensor) -> Tensor

    func backward(_ dy: Tensor, on tape: Tape) {
        let current = tape.dropoutOffset
        tape.dropoutOffset = dropoutOffset
        tape.replay(gradient: dy) { body(x) }
        tape.dropoutOffset = current
    }
}
