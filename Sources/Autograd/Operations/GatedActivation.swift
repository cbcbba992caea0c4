package import Kernels

extension Tape {
    /// y = f(g)·u, where x [.., 2F] holds the gates g, then the values u (gated linear units, Shazeer 2020: SwiGLU with SiLU, GeGLU with
    /// GELU).   y [.., F]
    package func gatedActivation(_ x: Tensor, by f: UnaryFunction) -> Tensor {
        require(x.shape.rank >= 1 && x.shape[-1] % 2 == 0, "gatedActivation: expected an even number of channels, found \(x.shape)")
        let x = contiguous(x)
        let (N, C) = x.shape.rows
        let y = empty(x.shape.replacing(-1, with: C / 2), x.type)
        processor.gatedActivation(f, x.elements, N: N, F: C / 2, into: y.elements)
        return record(y, from: [GradientTarget(x)]) { GatedActivation(f: f, x: x) }
    }
}

/// dg += dy·u·f'(g),   du += dy·f(g)
private struct GatedActivation: Operation {
    let f: UnaryFunction
    let x: Tensor

    func backward(_ dy: Tensor, on tape: Tape) {
        let (N, C) = x.shape.rows
        tape.writeGradient(to: GradientTarget(x)) { dx in
            tape.processor.gatedActivationGradient(f, dy: dy.elements, x: x.elements, N: N, F: C / 2, into: dx)
        }
    }
}
