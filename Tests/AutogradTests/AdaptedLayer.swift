import Autograd
import Kernels
import TestSupport

/// An adapted layer with random weights.   x [N, I], plus [N, O]
struct AdaptedLayer {
    static let (N, I, O, R) = (5, 17, 9, 3)

    let layer: Linear
    let parameters: Parameters
    let tape: Tape
    let x, plus: Tensor

    /// - Parameter isTrained: Whether A and B are random numbers too, instead of those of a new adapter.
    init(
        _ variant: KernelVariant = KernelVariant.standard[0], alpha: Float = 6, isTrained: Bool = true,
        _ change: (inout LoRAConfiguration) -> Void = { _ in }
    ) throws {
        let (N, I, O, R) = (Self.N, Self.I, Self.O, Self.R), processor = try variant.processor()
        var shape = LoRAConfiguration(rank: R, alpha: alpha, targets: ["layer"]), noise = TestRandom(3)
        change(&shape)
        var list = ParameterList(lora: shape)
        layer = Linear(from: I, to: O, named: "some.layer", in: &list)
        let frozen = processor.zeros(list.frozen.count)
        for parameter in list.frozen.parameters {
            frozen[parameter.range].write { span in for i in span.indices { span[i] = noise.number() } }
        }
        parameters = Parameters(list, over: frozen, on: processor, seed: 1)
        if isTrained { parameters.values.write { span in for i in span.indices { span[i] = noise.number() } } }
        tape = Tape(processor, parameters: parameters, precision: variant.activations)
        x = tape.constant(noise.numbers(N * I), [N, I])
        plus = tape.constant(noise.numbers(N * O), [N, O])
    }

    func result(then f: UnaryFunction, adds: Bool) -> Tensor {
        tape.cast(layer(x, on: tape, then: f, plus: adds ? plus : nil), to: .float32)
    }
}
