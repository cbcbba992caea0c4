import Kernels

extension Tape {
    /// What `body` makes of x, without keeping anything for the way back but x: there `body` runs again, and records.
    /// The gradients are the same bits as without. The tape holds `body` until `backward` or `reset`.
    ///
    ///     x = tape.checkpoint(x) { block($0, on: tape) }
    package func checkpoint(_ x: Tensor, _ body: @escaping (Tensor) -> Tensor) -> Tensor {
        guard isRecording else { return body(x) }
        let start = drawn, (y, isWanted) = rehearse { body(x) }
        return isWanted ? record(y.detached, Checkpoint(x: x, drawn: start, body: body)) : y
    }
}

private struct Checkpoint: Operation {
    let x: Tensor
    let drawn: UInt64                // where dropout's numbers began
    let body: (Tensor) -> Tensor

    func backward(_ dy: Tensor, on tape: Tape) {
        let drawnNow = tape.drawn
        tape.drawn = drawn
        tape.replay(gradient: dy) { body(x) }
        tape.drawn = drawnNow
    }
}
