package import Checkpoint
import Tokenize

/// A model that generates one fixed sentence: it starts after `<|assistant|>`, and continues after any byte of the sentence.
///
/// The bytes of the sentence must be distinct, since the model is a table from a token to the next one. Other tokens are very unlikely,
/// but possible.
package enum OneSentenceModel {
    package static let sentence = "Hi, you!é日"

    package static func checkpoint(saying text: String = sentence, context: Int = 64) throws -> Checkpoint {
        let vocabulary = SampleCheckpoint.vocabulary, V = vocabulary.count
        guard let eos = vocabulary.specialTokenID("<|eos|>"), let assistant = vocabulary.specialTokenID("<|assistant|>") else {
            preconditionFailure("expected the special tokens <|eos|> and <|assistant|>")
        }
        var next = [Int](repeating: Int(eos), count: V)
        let row = [Int(assistant)] + text.utf8.map { Int($0) } + [Int(eos)]
        precondition(Set(row).count == row.count, "expected distinct bytes, found a repeated one in '\(text)'")
        for (id, following) in zip(row, row.dropFirst()) { next[id] = following }
        var checkpoint = try NextTokenModel.checkpoint(next, vocabulary, context: context)
        checkpoint.chatTemplate = .specialTokens
        return checkpoint
    }
}
