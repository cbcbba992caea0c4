package import Checkpoint
import Autograd
import Kernels
import Model
import Tokenize

/// A model that knows one sentence: it says it when it is the assistant's turn, and goes on with it from any of its bytes.
///
/// Each byte of the sentence must be another, since the model is a table of which token follows which. Other tokens are far less likely,
/// but not impossible.
package enum OneSentenceModel {
    package static let sentence = "Hi, you!é日"

    package static func checkpoint(saying text: String = sentence, context: Int = 64) throws -> Checkpoint {
        let processor = try Processor(threads: 1), vocabulary = SampleCheckpoint.vocabulary, V = vocabulary.count
        guard let eos = vocabulary.specialTokenID("<|eos|>"), let assistant = vocabulary.specialTokenID("<|assistant|>") else {
            preconditionFailure("no markers")
        }
        var configuration = GPTConfiguration(layers: 0, heads: 1, width: V, context: context, vocabulary: V)
        configuration.positions = .none
        var list = ParameterList()
        _ = GPT(configuration, in: &list)
        let parameters = Parameters(list, on: processor)
        var following = [Int](repeating: Int(eos), count: V)
        let row = [Int(assistant)] + text.utf8.map { Int($0) } + [Int(eos)]
        precondition(Set(row).count == row.count, "a byte twice in '\(text)'")
        for (id, next) in zip(row, row.dropFirst()) { following[id] = next }
        for parameter in parameters.list where parameter.shape.rank == 2 {
            let isHead = parameter.name.hasPrefix("head")
            parameters.values[parameter.range].write { span in
                for i in span.indices { span[i] = 0 }
                // The embedding of a token is 1 at its own place; the head has 1 there in the row of what follows it.
                for id in 0..<V { span[(isHead ? following[id] : id) * V + id] = 1 }
            }
        }
        var checkpoint = Checkpoint(configuration, weights: OrderedDictionary(parameters.values, of: parameters.list))
        checkpoint.tokenizer = try StoredTokenizer(vocabulary)
        checkpoint.chatTemplate = .specialTokens
        return checkpoint
    }
}
