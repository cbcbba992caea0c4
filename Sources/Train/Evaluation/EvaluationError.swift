/// Why a model cannot be asked about a text.
package enum EvaluationError: Error, Equatable {
    case noVocabulary(checkpoint: String)
    /// Not a token of the file is one that counts.
    case nothingCounts(path: String, learned: LossScope)
    /// Tokens of chats in another form than the model's.
    case otherForm(path: String, found: String, expected: String)
    /// A file of tokens of which nothing is known.
    case unknownTokens(path: String)
    case strideTooLong(stride: Int, context: Int)
    /// Two models have made different pieces of the same files.
    case notPaired(Int, Int)
}

extension EvaluationError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noVocabulary(let checkpoint):
            "\(checkpoint) has no vocabulary in it, so nobody knows what its tokens mean. Give it one where it came from: slm import FILE --tokenizer TOKENIZER"
        case .nothingCounts(let path, .assistant): "\(path): the assistant says nothing in it that could be counted. Leave --learn-from away to count all tokens."
        case .nothingCounts(let path, .all): "\(path): fewer than two tokens, and the first is predicted by nothing. Bring more text."
        case .otherForm(let path, let found, let expected):
            "\(path) holds chats in the form '\(found)', and the model knows '\(expected)'. Write the tokens again: slm tokenize --form \(expected)"
        case .unknownTokens(let path): "\(path): expected train.bin or val.bin of a folder that slm tokenize --tokens wrote."
        case .strideTooLong(let stride, let context): "--stride \(stride): expected at most \(context), the model's context, or tokens would be left out."
        case .notPaired(let a, let b): "\(a) conversations for one model and \(b) for the other: they cannot be compared one by one. Bring texts that both vocabularies can write."
        }
    }
}
