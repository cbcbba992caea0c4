import Autograd
import Checkpoint
import Kernels
import Model
import TestSupport
import Tokenize

extension SampleCheckpoint {
    /// A model with random weights, whose logits differ clearly: its text is meaningless but depends on everything in the context.
    static func random(
        _ configuration: GPTConfiguration, on processor: Processor, weightScale: Float = 4, seed: UInt64 = 5
    ) throws -> Checkpoint {
        let parameters = Parameters(ParameterList(of: configuration), on: processor, seed: seed)
        parameters.values.write { span in for i in span.indices { span[i] *= weightScale } }
        return try Checkpoint(configuration, parameters, vocabulary)
    }

    /// A model of two layers and a width of 64, with a chat template.
    static func randomChat(context: Int, weightScale: Float = 4, seed: UInt64 = 5) throws -> Checkpoint {
        let configuration = GPTConfiguration(layers: 2, heads: 2, width: 64, context: context, vocabulary: vocabulary.count)
        var checkpoint = try random(configuration, on: Processor(threads: 1), weightScale: weightScale, seed: seed)
        checkpoint.chatTemplate = .specialTokens
        return checkpoint
    }
}
