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
        let parameters = Parameters(ParameterList(of: configuration), on: processor)
        for parameter in parameters.list where parameter.shape.rank == 2 {
            let isHead = parameter.name.hasPrefix("head")
            parameters.values[parameter.range].write { span in
                for i in span.indices { span[i] = 0 }
                // The embedding of a token is one-hot at its id; the head has a 1 there in the row of the next token.
                for id in 0..<V { span[(isHead ? next[id] : id) * V + id] = 1 }
            }
        }
        return try Checkpoint(configuration, parameters, vocabulary)
    }

    /// A chat model with a Jinja template, which ends its turn after all other tokens than those of `pairs`.
    ///
    /// - Parameter pairs: The texts of tokens, and of those that follow them.
    package static func chat(
        _ pairs: [(token: String, next: String)], _ vocabulary: Vocabulary, template: String, context: Int
    ) throws -> Checkpoint {
        func id(_ text: String) -> Int { vocabulary.tokens.indices.first { vocabulary.tokens[$0].elementsEqual(text.utf8) } ?? 0 }
        var next = [Int](repeating: id("<|im_end|>"), count: vocabulary.count)
        for pair in pairs { next[id(pair.token)] = id(pair.next) }
        var checkpoint = try checkpoint(next, vocabulary, context: context)
        var jinja = JinjaChatTemplate(template)
        jinja.tokens = ["eos_token": "<|im_end|>"]
        checkpoint.chatTemplate = .jinja(jinja)
        return checkpoint
    }
}

extension Vocabulary {
    /// All bytes, special tokens, and tokens that are not special.
    static func ofBytes(specialTokens: [String], addedTokens: [String]) -> Vocabulary {
        var vocabulary = ofBytes(specialTokens: specialTokens)
        for text in addedTokens {
            vocabulary.addedTokens.append(.init(id: TokenID(vocabulary.tokens.count), text: text))
            vocabulary.tokens.append(Array(text.utf8))
        }
        return vocabulary
    }
}
