package import Checkpoint
import Autograd
import Kernels
package import Model
import Tokenize
import Formats

/// A small model that a GGUF file can hold, with nonzero weights.
package struct SampleGGUF {
    package let checkpoint: Checkpoint

    package init(tied: Bool = false, _ change: (inout GPTConfiguration) -> Void = { _ in }) throws {
        var configuration = GPTConfiguration(layers: 2, heads: 2, width: 64, context: 96, vocabulary: 260)
        configuration.isTied = tied
        change(&configuration)
        let processor = try Processor(threads: 1)
        let list = ParameterList(of: configuration)
        let values = processor.zeros(list.count)
        processor.normal(into: values, seed: 11)
        var checkpoint = Checkpoint(configuration, weights: OrderedDictionary(values, of: list.parameters))
        checkpoint.tokenizer = try StoredTokenizer(SampleCheckpoint.vocabulary)
        checkpoint.chatTemplate = .specialTokens
        self.checkpoint = checkpoint
    }
}
