import Kernels

extension Tape {
    /// y = (x − mean)/√(variance + ε)·w + b along the last axis, stored in the tape's ``precision``.   w, b [C]
    package func layerNorm(_ x: Tensor, scale w: Tensor, shift b: Tensor? = nil, epsilon: Float = 1e-5) -> Tensor {
        norm(x, scale: w, shift: b, epsilon: epsilon, isCentered: true, "layerNorm")
    }

    /// y = x/√(⟨x²⟩ + ε)·w along the last axis.
    package func rmsNorm(_ x: Tensor, scale w: Tensor, epsilon: Float = 1e-5) -> Tensor {
        norm(x, scale: w, shift: nil, epsilon: epsilon, isCentered: false, "rmsNorm")
    }

    private func norm(_ x: Tensor, scale w: Tensor, shift b: Tensor?, epsilon: Float, isCentered: Bool, _ name: StaticString) -> Tensor {
        let x = contiguous(x)
        let w = contiguous(w)
        let b = b.map(contiguous)
        let (N, C) = x.shape.rows
        require(C > 0 && w.shape == [C], "\(name): a scale \(w.shape) for \(x.shape)")
        require(b.map { $0.shape == [C] } ?? true, "\(name): a shift \(b?.shape ?? []) for \(x.shape)")
        let y = empty(x.shape, precision)
        let mean = isCentered ? processor.buffer(of: N, .float32) : nil
        let rstd = processor.buffer(of: N, .float32)
        processor.norm(
            x.elements, N: N, C: C, scale: w.elements, shift: b?.elements, into: y.elements, mean: mean, rstd: rstd, epsilon: epsilon
        )
        let inputs = [GradientTarget(x), GradientTarget(w)] + (b.map { [GradientTarget($0)] } ?? [])
        return record(y, from: inputs) { NormOperation(x: x, w: w, b: b.map { GradientTarget($0) }, mean: mean, rstd: rstd) }
    }
}

/// With x̂ = (x − mean)·rstd and g = dy·w:
///     dx += rstd·(g − ⟨g⟩ − x̂·⟨g·x̂⟩),   dw += Σₙ dy·x̂,   db += Σₙ dy        ⟨·⟩ is the mean along C; RMS norm has no ⟨g⟩
private struct NormOperation: Operation {
    let x, w: Tensor                                   // [N, C], [C]
    let b: GradientTarget?
    let mean: Buffer?                                  // [N], stored with rstd: cheaper than a second pass over x
    let rstd: Buffer

    func backward(_ dy: Tensor, on tape: Tape) {
        let (N, C) = x.shape.rows
        func withParameterGradient(of parameter: GradientTarget?, _ body: (Buffer?) -> Void) {
            guard let parameter, parameter.needsGradient else { return body(nil) }
            tape.addGradient(to: parameter) { target, adding in
                if !adding { tape.processor.clear(target) }
                body(target)
            }
        }
        withParameterGradient(of: GradientTarget(w)) { dw in
            withParameterGradient(of: b) { db in
                func run(_ dx: Buffer?, _ adding: Bool) {
                    tape.processor.normGradient(
                        dy: dy.elements, x: x.elements, N: N, C: C, scale: w.elements, mean: mean, rstd: rstd, dx: dx, adding: adding,
                        dw: dw, db: db
                    )
                }
                if GradientTarget(x).needsGradient { tape.addGradient(to: GradientTarget(x)) { run($0, $1) } } else { run(nil, false) }
            }
        }
    }
}
