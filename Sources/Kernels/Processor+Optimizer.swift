internal import CKernels
import Glibc

/// The hyperparameters of one AdamW step: `rate` is the learning rate, `decay` the weight decay.
package struct AdamWStep {
    package var rate: Float, beta1: Float, beta2: Float, epsilon: Float, decay: Float
    /// The number of the step, from 1 on.
    package var number: Int
    /// The factor that gradient clipping applies to all gradients.
    package var gradientScale: Float

    package init(rate: Float, beta1: Float, beta2: Float, epsilon: Float, decay: Float, number: Int, gradientScale: Float = 1) {
        require(number >= 1, "AdamW's first step is 1, not \(number)")
        self.rate = rate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.decay = decay
        self.number = number
        self.gradientScale = gradientScale
    }
}

extension Processor {
    /// Σ x², in f64; on a device, parts of 4,096 numbers in f32. The bits do not depend on the number of threads.
    package func sumOfSquares(_ x: Buffer) -> Double { sumsOfSquares(x, block: 1 << 16).reduce(0, +) }

    /// Σ x² of each block of so many elements.
    package func sumsOfSquares(_ x: Buffer, block: Int) -> [Double] {
        let blocks = (x.count + block - 1) / block
        var parts = [Double](repeating: 0, count: blocks)
        measured("clip", bytes: x.count * 4) {
            if let sums = gpu?.sumsOfSquares(x, block: block, on: self) {
                parts = sums
                return
            }
            parts.withUnsafeMutableBufferPointer { parts in
                let parts = UnsafeMutableBufferPointer(rebasing: parts[...])       // each block writes only its own element
                split(blocks, atLeast: 4) { range in
                    for i in range { parts[i] = table.sum_of_squares(x.floats + i * block, min(block, x.count - i * block)) }
                }
            }
        }
        return parts
    }

    /// Updates parameters with AdamW (Loshchilov & Hutter 2019, algorithm 2).
    package func adamW(_ step: AdamWStep, weights w: Buffer, gradients g: Buffer, first m: Buffer, second v: Buffer) {
        require(g.count == w.count && m.count == w.count && v.count == w.count, "AdamW: \(w.count) weights with \(g.count) gradients")
        let correction = { (beta: Float) in Float(1 - pow(Double(beta), Double(step.number))) }
        let parameters = slm_adamw(
            rate: step.rate, beta1: step.beta1, beta2: step.beta2, epsilon: step.epsilon, decay: step.decay,
            correction1: correction(step.beta1), correction2: correction(step.beta2), gradient_scale: step.gradientScale)
        withUnsafePointer(to: parameters) { parameters in
            measured("AdamW", bytes: w.count * 28) {
                let corrections = (parameters.pointee.correction1, parameters.pointee.correction2)
                if let gpu, gpu.adamW(step, corrections: corrections, weights: w, gradients: g, first: m, second: v, on: self) { return }
                split(w.count, atLeast: 1 << 12, multipleOf: vectorWidth) { r in
                    let i = r.lowerBound
                    table.adamw(parameters, w.floats + i, g.floats + i, m.floats + i, v.floats + i, r.count)
                }
            }
        }
    }
}
