package import Checkpoint
package import Tokenize
import Autograd
import Kernels
import Model

/// A model without layers that is a table from a token to the next one. Other tokens are very unlikely, but possible.
package enum NextTokenModel {
    /// - Parameter next: The id of the token that follows each token.
    package static func checkpoint(_ next: [Int], _ vocabulary: Vocabulary, context: Int) throws -> Checkpoint {
        let processor = try Processor(threads: 1), V = vocabulary.count
        var configuration = GPTConfiguration(layers: 0, heads: 1, width: V, context: context, vocabulary: V)
        configuration.positions = .none
        var list = ParameterList()
        _ = GPT(configuration, in: &list)
        let parameters = Parameters(list, on: processor)
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
        return checkpoint
    }
}
