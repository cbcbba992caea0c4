package import Autograd
import Kernels
package import Model

/// The GPT of Tests/Golden/make_golden.py with its initial weights, and PyTorch's results for it.
package struct GoldenGPT {
    package enum Variant: String, Sendable, CaseIterable {
        case untied
        /// The output projection is tied to the token embedding; rows contain several documents.
        case tied
        /// Options that GPT-2 does not have: rotary embedding, QK-norm, RMS norm, squared ReLU, no biases; with documents.
        case rotary
        /// The same with experts, which have gates, and a load-balancing loss.
        case experts
    }

    package let golden: GoldenTensors
    package let variant: Variant
    package let model: GPT
    package let parameters: Parameters
    package let tape: Tape

    package init(_ variant: Variant, _ kernels: KernelVariant) throws {
        let golden = try GoldenTensors.golden("gpt"), processor = try kernels.processor()
        var configuration = GPTConfiguration(layers: 2, heads: 4, width: 32, context: 24, vocabulary: 61)
        configuration.isTied = variant == .tied
        if variant == .rotary || variant == .experts {
            configuration.positions = .rotary
            configuration.qkNorm = .unit
            configuration.norm = .rms
            configuration.activation = .reluSquared
            configuration.hasBias = false
        }
        if variant == .experts {
            configuration.experts = Experts(count: 4, active: 2)
            configuration.experts?.balance = 0.02
            configuration.hiddenWidth = 16
            configuration.isGated = true
            configuration.activation = .silu
        }
        var list = ParameterList()
        var model = GPT(configuration, in: &list)
        model.restartsPositions = false                                  // as in make_golden.py
        self.model = model
        parameters = Parameters(list, on: processor)
        for parameter in parameters.list {
            let weights = golden.floats("weights/\(parameter.name)")
            precondition(
                golden.shape("weights/\(parameter.name)") == parameter.shape, "\(parameter.name) has a different shape in PyTorch")
            parameters.values[parameter.range].write { span in for i in span.indices { span[i] = weights[i] } }
        }
        tape = Tape(processor, parameters: parameters, precision: kernels.activations)
        self.golden = golden
        self.variant = variant
    }

    package var ids: Tensor { tape.ids(golden.ids("batch/ids"), golden.shape("batch/ids")) }
    package var targets: Tensor { tape.ids(golden.ids("batch/targets"), golden.shape("batch/targets")) }
    package var documentStarts: Tensor? {
        variant == .untied ? nil : tape.ids(golden.ids("batch/documents"), golden.shape("batch/documents"))
    }

    package func loss() -> Tensor { model.loss(of: ids, predicting: targets, documentStarts: documentStarts, on: tape) }

    /// PyTorch's values: "logits", "losses", "gradient/…", "trained/…".
    package func expected(_ name: String) -> [Float] { golden.floats("\(variant.rawValue)/\(name)") }
}
