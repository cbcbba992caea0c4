import Tokenize

/// Trims the whitespace around another server's streamed answer. ``TextStreamer`` does the same for models on this machine.
///
///     var trimmed = TrimmedPieces()
///     trimmed.add(TextPiece(" Hi "))                         // "Hi": the space is held back until text follows
///     trimmed.add(TextPiece("you\n"))                        // " you"
///     trimmed.finish()                                       // the tokens of "\n", without text
struct TrimmedPieces {
    /// Whitespace that is returned once text follows.
    private var held: [UInt8] = []
    /// Tokens whose text was not returned yet.
    private var pending: [GeneratedToken] = []
    private var hasBegun = false

    mutating func add(_ piece: TextPiece) -> TextPiece? {
        // Tokens of whole characters without text, such as the marks of thoughts, are no part of the text that follows.
        if !hasBegun, pending.isEmpty, piece.text.isEmpty, piece.tokens.allSatisfy(\.isWholeText) { return piece }
        held += piece.text.utf8
        pending += piece.tokens
        let range = held.trimmed(held.indices)
        guard !range.isEmpty else { return nil }
        let text = held[(hasBegun ? 0 : range.lowerBound)..<range.upperBound]
        defer {
            held = Array(held[range.upperBound...])
            pending = []
            hasBegun = true
        }
        return TextPiece(String(decoding: text, as: UTF8.self), pending)
    }

    /// Ends the answer, and returns the tokens that were held back.
    mutating func finish() -> TextPiece? {
        defer { pending = [] }
        return pending.isEmpty ? nil : TextPiece("", pending)
    }
}

extension GeneratedToken {
    fileprivate var isWholeText: Bool { String(validating: bytes, as: UTF8.self) != nil }
}
