package import Autograd
package import Kernels
import Model
import Tokenize

extension Checkpoint {
    /// Adds special tokens to the vocabulary of a whole model. Their rows of the embedding and of the head start as the mean of the rows of
    /// all other tokens. Texts that are special or added tokens already keep their IDs and rows.
    ///
    ///     try base.add(specialTokens: ["<|im_start|>", "<|im_end|>"], on: processor)
    ///
    /// The two matrices become f32. They get more rows unless the model has unused ones.
    package mutating func add(specialTokens texts: [String], on processor: Processor) throws {
        var vocabulary = try vocabulary()
        let first = vocabulary.count
        try vocabulary.include(specialTokens: texts)
        tokenizer = StoredTokenizer(read: vocabulary)
        let added = first..<vocabulary.count, before = configuration.vocabulary
        if added.isEmpty { return }
        configuration.vocabulary = max(before, vocabulary.count)
        for name in GPT.vocabularyLayers.map({ $0 + ".weight" }) {
            let C = configuration.width, values = processor.zeros(configuration.vocabulary * C), kept = values[0..<before * C]
            if let matrix = quantized[name] {
                processor.dequantize(matrix, into: kept)
                quantized[name] = nil
            } else if let array = weights[name] {
                kept.copy(from: array.values)
            } else {
                // The head is the embedding.
                continue
            }
            values.write { span in
                var sums = [Double](repeating: 0, count: C)
                for row in 0..<first { for c in 0..<C { sums[c] += Double(span[row * C + c]) } }
                for row in added { for c in 0..<C { span[row * C + c] = Float(sums[c] / Double(first)) } }
            }
            weights[name] = FloatArray(values, shape: [configuration.vocabulary, C])
        }
    }

    /// The shape of an adapter of `base`, which trains the rows of the tokens that this model has in addition.
    package func adapterShape(_ shape: LoRAConfiguration, of base: Checkpoint) throws(CheckpointError) -> LoRAConfiguration {
        let first = try base.vocabulary().count
        guard try vocabulary().count > first else { return shape }
        var shape = shape
        shape.wholeLayers = configuration.isTied ? [GPT.embedding] : GPT.vocabularyLayers
        shape.addedTokens = AddedTokens(baseRows: base.configuration.vocabulary, firstTrained: first, layers: GPT.vocabularyLayers)
        return shape
    }
}
