/// Why a model cannot be evaluated on a text.
package enum EvaluationError: Error, Equatable {
    case noTokenizer(checkpoint: String)
    /// No token of the file is a target.
    case noTargets(path: String, scope: LossScope)
    /// The tokens were written with a chat template other than the model's.
    case wrongTemplate(path: String, found: String, expected: String)
    /// A token file that is neither train.bin nor val.bin nor one of their shards.
    case unknownTokens(path: String)
    case strideTooLong(stride: Int, context: Int)
    /// Two models split the same files into different numbers of pieces.
    case differentPieces(Int, Int)
    /// A line of a file of questions.
    case badQuestion(path: String, number: Int, reason: String)
    /// A line of a task.
    case badTask(path: String, number: Int, reason: String)
}

extension EvaluationError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noTokenizer(let checkpoint):
            "\(checkpoint) contains no tokenizer. Import it again with its tokenizer: slm import FILE --tokenizer TOKENIZER"
        case .noTargets(let path, .assistant):
            "\(path): expected assistant messages, found none. Evaluate all tokens: --loss-scope all."
        case .noTargets(let path, .all):
            "\(path): expected at least two tokens. The first token of a text is never a target. Provide more text."
        case .wrongTemplate(let path, let found, let expected):
            "\(path): expected the model's chat template '\(expected)', found '\(found)'. "
                + "Write the tokens again: slm tokenize corpus --chat-template \(expected)"
        case .unknownTokens(let path): 
            "\(path): expected train.bin, val.bin or one of their shards in a folder that slm tokenize corpus wrote."
        case .strideTooLong(let stride, let context):
            "expected a stride of at most \(context) (the model's context), found \(stride) (--stride). A longer stride would skip tokens."
        case .differentPieces(let a, let b):
            "the models split the text into \(a) and \(b) conversations, so they cannot be compared pairwise. "
                + "Use a text that both vocabularies can encode."
        case .badQuestion(let path, let number, let reason):
            "\(path): question \(number): expected {\"text\": \"…\", \"expected\": \"…\"} or plain text: \(reason)"
        case .badTask(let path, let number, let reason):
            "\(path): question \(number): expected {\"question\": \"…\", \"choices\": [\"…\"], \"answer\": INDEX}, or a \"question\" "
                + "with the text of its \"answer\" or a \"pattern\": \(reason)"
        }
    }
}
