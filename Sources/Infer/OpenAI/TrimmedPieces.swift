import Tokenize

/// The pieces of another program's answer without the white space around it: in a chat, answers of this machine come so.
///
///     var trimmed = TrimmedPieces()
///     trimmed.add(AnswerPiece(" Hi "))                         // "Hi": the space waits for what comes behind it
///     trimmed.add(AnswerPiece("you\n"))                        // " you"
struct TrimmedPieces {
    /// White space that is shown if a word follows.
    private var held: [UInt8] = []
    /// Tokens without text that is shown.
    private var waiting: [GeneratedToken] = []
    private var hasBegun = false

    mutating func add(_ piece: AnswerPiece) -> AnswerPiece? {
        held += piece.text.utf8
        waiting += piece.tokens
        let word = held.trimmed(held.indices)
        guard !word.isEmpty else { return nil }
        let shown = held[(hasBegun ? 0 : word.lowerBound)..<word.upperBound]
        defer { (held, waiting, hasBegun) = (Array(held[word.upperBound...]), [], true) }
        return AnswerPiece(String(decoding: shown, as: UTF8.self), waiting)
    }
}
