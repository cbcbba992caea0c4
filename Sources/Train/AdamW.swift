package import Autograd
package import Kernels

/// Adam with the decay of weights kept apart (Loshchilov & Hutter 2019). Only matrices decay.
///
///     let optimizer = AdamW(for: parameters, on: processor)
///     tape.backward(from: loss)
///     optimizer.update(rate: 3e-4, clippingTo: 1)
package final class AdamW {
    package var beta1: Float = 0.9
    package var beta2: Float = 0.95
    package var epsilon: Float = 1e-8
    package var decay: Float = 0.1
    /// What each parameter takes of the rate: less where it begins with more than chance.
    package var learningRateScale: (Parameter) -> Float = { _ in 1 }
    /// Updates so far.
    package var steps = 0
    private let parameters: Parameters
    private let processor: Processor
    /// The moments: means of the gradients and of their squares, laid out like the parameters.
    package let first, second: Buffer

    package init(for parameters: Parameters, on processor: Processor) {
        self.parameters = parameters
        self.processor = processor
        first = processor.zeros(parameters.values.count)
        second = processor.zeros(parameters.values.count)
    }

    /// Moves the weights against their gradients and begins a new sum of gradients. Returns the gradient's length before clipping.
    ///
    /// A length that is not finite leaves weights and moments as they are.
    @discardableResult
    package func update(rate: Float, clippingTo limit: Float = .infinity) -> Float {
        let gradients = parameters.allGradients()
        let length = Float(processor.sumOfSquares(gradients).squareRoot())
        parameters.zeroGradients()
        guard length.isFinite else { return length }
        steps += 1
        var step = AdamWStep(rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, decay: 0, number: steps,
                             gradientScale: length > limit ? limit / (length + 1e-6) : 1)
        for (range, decays, share) in stretches {
            step.rate = rate * share
            step.decay = decays ? decay : 0
            processor.adamW(
                step, weights: parameters.values[range], gradients: gradients[range], first: first[range], second: second[range])
        }
        return length
    }

    /// Neighbours that are treated alike, as one pass over memory.
    private var stretches: [(range: Range<Int>, decays: Bool, share: Float)] {
        var result: [(range: Range<Int>, decays: Bool, share: Float)] = []
        for parameter in parameters.list {
            let decays = parameter.shape.rank >= 2, share = learningRateScale(parameter)
            if let last = result.last, last.decays == decays, last.share == share, parameter.start - last.range.upperBound < 16 {
                result[result.count - 1].range = last.range.lowerBound..<parameter.range.upperBound
            } else {
                result.append((parameter.range, decays, share))
            }
        }
        return result
    }
}
