package import Autograd
package import Kernels

/// AdamW (Loshchilov & Hutter 2019). Weight decay applies to matrices only, not to norms and biases.
///
///     let optimizer = AdamW(for: parameters, on: processor)
///     tape.backward(from: loss)
///     optimizer.update(rate: 3e-4, clippingTo: 1)
package final class AdamW {
    package var beta1: Float = 0.9
    package var beta2: Float = 0.95
    package var epsilon: Float = 1e-8
    package var decay: Float = 0.1
    /// The factor of the learning rate for each parameter.
    package var learningRateScale: (Parameter) -> Float = { _ in 1 }
    /// The number of updates so far.
    package var steps = 0
    private let parameters: Parameters
    private let processor: Processor
    /// The first and second moments, laid out like the parameters.
    package let first, second: Buffer

    package init(for parameters: Parameters, on processor: Processor) {
        self.parameters = parameters
        self.processor = processor
        first = processor.zeros(parameters.values.count)
        second = processor.zeros(parameters.values.count)
    }

    /// The factor of the learning rate with LoRA+: `ratio` for B and the magnitudes of DoRA, as in PEFT; 1 for A, and for the matrices of
    /// an embedding.
    package static func loraPlusScale(of parameter: Parameter, ratio: Float) -> Float {
        let isFast = parameter.name.hasSuffix(".lora_B") || parameter.name.hasSuffix(".lora_magnitude")
        return isFast && !parameter.name.hasPrefix("tokens.") ? ratio : 1
    }

    /// Updates the weights and resets the gradients to zero.
    ///
    /// A gradient norm that is not finite leaves weights and moments unchanged.
    ///
    /// - Parameter limit: The maximum norm of all gradients together, beyond which they are scaled down.
    /// - Returns: The gradient norm before clipping.
    @discardableResult
    package func update(rate: Float, clippingTo limit: Float = .infinity) -> Float {
        let norm = Float(processor.sumOfSquares(parameters.allGradients()).squareRoot())
        update(rate: rate, clippingTo: limit, norm: norm)
        return norm
    }

    /// Updates some of the weights, after `allGradients()` has filled the gradients that were not written.
    ///
    /// - Parameters:
    ///   - norm: That of all gradients.
    ///   - shard: The elements to update, in ascending order; nil for all.
    func update(rate: Float, clippingTo limit: Float, norm: Float, shard: [Range<Int>]? = nil) {
        let gradients = parameters.gradients
        parameters.zeroGradients()
        guard norm.isFinite else { return }
        steps += 1
        var step = AdamWStep(
            rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, decay: 0, number: steps,
            gradientScale: norm > limit ? limit / (norm + 1e-6) : 1
        )
        for group in groups {
            step.rate = rate * group.scale
            step.decay = group.decays ? decay : 0
            for range in shard.map({ $0.map { $0.clamped(to: group.range) } }) ?? [group.range] where !range.isEmpty {
                processor.adamW(
                    step, weights: parameters.values[range], gradients: gradients[range], first: first[range], second: second[range]
                )
            }
        }
    }

    /// Adjacent parameters with the same settings, so that each group is one pass over memory.
    private var groups: [(range: Range<Int>, decays: Bool, scale: Float)] {
        var result: [(range: Range<Int>, decays: Bool, scale: Float)] = []
        for parameter in parameters.list {
            let decays = parameter.kind == .matrix
            let scale = learningRateScale(parameter)
            if let last = result.last, last.decays == decays, last.scale == scale, parameter.start - last.range.upperBound < 16 {
                result[result.count - 1].range = last.range.lowerBound..<parameter.range.upperBound
            } else {
                result.append((parameter.range, decays, scale))
            }
        }
        return result
    }
}
