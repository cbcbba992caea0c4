import Autograd
import Checkpoint
import Kernels
import Model
import TestSupport
import Tokenize

extension SampleCheckpoint {
    /// A model with random weights, whose logits differ clearly: its text is meaningless but depends on everything in the context.
    static func random(_ configuration: GPTConfiguration, on processor: Processor, weightScale: Float = 4) throws -> Checkpoint {
        var list = ParameterList()
        _ = GPT(configuration, in: &list)
        let parameters = Parameters(list, on: processor, seed: 5)
        parameters.values.write { span in for i in span.indices { span[i] *= weightScale } }
        var checkpoint = Checkpoint(configuration, weights: OrderedDictionary(parameters.values, of: parameters.list))
        checkpoint.tokenizer = try StoredTokenizer(vocabulary)
        return checkpoint
    }

    /// Of two layers and a width of 64, with a chat template.
    static func randomChat(context: Int, weightScale: Float = 4) throws -> Checkpoint {
        let configuration = GPTConfiguration(layers: 2, heads: 2, width: 64, context: context, vocabulary: vocabulary.count)
        var checkpoint = try random(configuration, on: Processor(threads: 1), weightScale: weightScale)
        checkpoint.chatTemplate = .specialTokens
        return checkpoint
    }
}
