package import Checkpoint
import Autograd
import Kernels
import Model
import Tokenize

/// A model that generates one fixed sentence: it starts after `<|assistant|>`, and continues after any byte of the sentence.
///
/// The bytes of the sentence must be distinct, since the model is a table from a token to the next one. Other tokens are very unlikely,
/// but possible.
package enum OneSentenceModel {
    package static let sentence = "Hi, you!é日"

    package static func checkpoint(saying text: String = sentence, context: Int = 64) throws -> Checkpoint {
        let processor = try Processor(threads: 1), vocabulary = SampleCheckpoint.vocabulary, V = vocabulary.count
        guard let eos = vocabulary.specialTokenID("<|eos|>"), let assistant = vocabulary.specialTokenID("<|assistant|>") else {
            preconditionFailure("expected the special tokens <|eos|> and <|assistant|>")
        }
        var configuration = GPTConfiguration(layers: 0, heads: 1, width: V, context: context, vocabulary: V)
        configuration.positions = .none
        var list = ParameterList()
        _ = GPT(configuration, in: &list)
        let parameters = Parameters(list, on: processor)
        var next = [Int](repeating: Int(eos), count: V)
        let row = [Int(assistant)] + text.utf8.map { Int($0) } + [Int(eos)]
        precondition(Set(row).count == row.count, "expected distinct bytes, found a repeated one in '\(text)'")
        for (id, following) in zip(row, row.dropFirst()) { next[id] = following }
        for parameter in parameters.list where parameter.shape.rank == 2 {
            let isHead = parameter.name.hasPrefix("head")
            parameters.values[parameter.range].write { span in
                for i in span.indices { span[i] = 0 }
                // The embedding of a token is one-hot at its id; the head has a 1 there in the row of the next token.
                for id in 0..<V { span[(isHead ? next[id] : id) * V + id] = 1 }
            }
        }
        var checkpoint = Checkpoint(configuration, weights: OrderedDictionary(parameters.values, of: parameters.list))
        checkpoint.tokenizer = try StoredTokenizer(vocabulary)
        checkpoint.chatTemplate = .specialTokens
        return checkpoint
    }
}
