package import Autograd
package import Kernels

/// AdamW (Loshchilov & Hutter 2019), and on request ``Muon`` for the weights of linear layers. Weight decay applies to matrices only, not
/// to norms and biases. AdamW's formula is the kernel `adamw` (Kernels/C/bodies/elementwise.h).
///
///     let optimizer = Optimizer(for: parameters, on: processor)
///     tape.backward(from: loss)
///     optimizer.update(rate: 3e-4, clippingTo: 1)
package final class Optimizer {
    package var beta1: Float = 0.9
    package var beta2: Float = 0.95
    package var epsilon: Float = 1e-8
    package var decay: Float = 0.1
    /// Updates the weights of linear layers instead of AdamW.
    package var muon: Muon?
    /// Whether AdamW decays matrices beside ``muon``: embeddings and the head.
    package var decaysEmbeddings = true
    /// The factor of the learning rate for each parameter.
    package var learningRateScale: (Parameter) -> Float = { _ in 1 }
    /// The number of updates so far.
    package var steps = 0
    private let parameters: Parameters
    private let processor: Processor
    /// The first and second moments, laid out like the parameters. Muon has a first one only.
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

    /// The factor of the learning rate beside Muon: 4 for the embedding of tokens, unless it is also the head. A row of it has a gradient
    /// only if its token occurs in the batch (Documentation/decisions/rate.md).
    package static func scaleBesideMuon(of parameter: Parameter, isTied: Bool) -> Float {
        parameter.name == "tokens.weight" && !isTied ? 4 : 1
    }

    /// Updates the weights and resets the gradients to zero.
    ///
    /// A gradient norm that is not finite leaves weights and moments unchanged.
    ///
    /// - Parameter limit: The maximum norm of all gradients together, beyond which they are scaled down.
    /// - Returns: The gradient norm before clipping.
    @discardableResult
    package func update(rate: Float, clippingTo limit: Float = .infinity) -> Float {
        let norm = gradientNorm()
        update(rate: rate, clippingTo: limit, norm: norm)
        return norm
    }

    /// The norm of all gradients together.
    func gradientNorm() -> Float { Float(processor.sumOfSquares(parameters.allGradients()).squareRoot()) }

    /// Updates some of the weights, after `allGradients()` has filled the gradients that were not written.
    ///
    /// - Parameters:
    ///   - norm: That of all gradients.
    ///   - groups: The ranks whose gradients these are; nil without ranks.
    func update(rate: Float, clippingTo limit: Float, norm: Float, _ groups: GradientGroups? = nil) {
        let gradients = parameters.gradients
        parameters.zeroGradients()
        guard norm.isFinite else { return }
        steps += 1
        var step = AdamWStep(
            rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, decay: 0, number: steps,
            gradientScale: norm > limit ? limit / (norm + 1e-6) : 1
        )
        let shard = groups?.shard
        func own(_ range: Range<Int>) -> [Range<Int>] {
            shard.map { $0.map { $0.clamped(to: range) }.filter { !$0.isEmpty } } ?? [range]
        }
        for group in adamWGroups {
            step.rate = rate * group.scale
            step.decay = group.decays ? decay : 0
            for range in own(group.range) {
                processor.adamW(
                    step, weights: parameters.values[range], gradients: gradients[range], first: first[range], second: second[range]
                )
            }
        }
        if let muon { update(with: muon, rate: rate, gradients, scale: step.gradientScale, own, groups) }
    }

    private func update(
        with muon: Muon, rate: Float, _ gradients: Buffer, scale: Float, _ own: (Range<Int>) -> [Range<Int>], _ groups: GradientGroups?
    ) {
        let linear = parameters.list.filter(isForMuon)
        for parameter in linear {
            for range in own(parameter.range) { muon.accumulate(gradients[range], scale: scale, into: first[range], on: processor) }
        }
        // A matrix has to be whole. Each rank then computes the same weights.
        groups?.gather(gradients, linear.map(\.range))
        for parameter in linear {
            muon.update(
                parameter, weights: parameters.values[parameter.range], directions: gradients[parameter.range],
                rate: muon.rateRatio * rate * learningRateScale(parameter), decay: decay * rate * learningRateScale(parameter),
                on: processor)
        }
    }

    /// Computes Muon's directions of the gradients and drops them, so that their time can be measured.
    func rehearseMuon() {
        guard let muon else { return }
        for parameter in parameters.list where isForMuon(parameter) {
            muon.forEachDirection(of: parameter, parameters.gradients[parameter.range], on: processor) { _, _ in }
        }
    }

    private func isForMuon(_ parameter: Parameter) -> Bool { if muon != nil, case .linear = parameter.kind { true } else { false } }

    /// The parameters that have a second moment.
    package var withSecondMoment: [Parameter] { parameters.list.filter { !isForMuon($0) } }

    /// Adjacent parameters with the same settings, so that each group is one pass over memory.
    private var adamWGroups: [(range: Range<Int>, decays: Bool, scale: Float)] {
        var result: [(range: Range<Int>, decays: Bool, scale: Float)] = []
        for parameter in withSecondMoment {
            let decays = parameter.kind.isMatrix && (decaysEmbeddings || muon == nil)
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
