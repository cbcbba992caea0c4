/// An error in a vocabulary, or in a text that is encoded with it.
///
///     do { ids = try tokenizer.ids(of: text) } catch TokenizeError.noToken(let piece, let offset) { … }
package enum TokenizeError: Error, Equatable {
    /// A malformed file. `location` is a line or a key, if known.
    case malformed(path: String, location: String?, expected: String, found: String)
    /// A valid file that uses an unsupported feature.
    case unsupported(path: String, what: String, advice: String)
    case unreadable(path: String, reason: String)
    case notWritten(path: String, reason: String)
    /// A piece of text for which the vocabulary has no token.
    case noToken(for: String, at: Int)
    /// A chat template that needs a token which the vocabulary lacks.
    case missingSpecialToken(String, template: String)
    /// A Jinja template that cannot be parsed, or that rejects a conversation.
    case chatTemplate(String)
    case badPattern(String, at: Int, reason: String)
    /// A pattern that needs too much time or memory for the text at a byte offset.
    case patternGaveUp(String, at: Int, reason: String)
    /// A vocabulary that a file format cannot represent.
    case notExpressible(format: String, reason: String)
}

extension TokenizeError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .malformed(let path, let location, let expected, let found):
            "\(path)\(location.map { ":\($0)" } ?? ""): expected \(expected), found \(found)."
        case .unsupported(let path, let what, let advice): "\(path): \(what). \(advice)"
        case .unreadable(let path, let reason): "\(path): cannot be read: \(reason)."
        case .notWritten(let path, let reason): "\(path): cannot be written: \(reason)."
        case .noToken(let piece, let offset):
            "no token for '\(piece)' at byte \(offset): the vocabulary was built from text without it."
        case .missingSpecialToken(let token, let template):
            "the chat template '\(template)' needs the token \(token), which this vocabulary does not have. Choose another: "
                + "--chat-template NAME or a Jinja file. --add-tokens of slm finetune and slm import adds the token."
        case .chatTemplate(let reason): "the chat template: \(reason)."
        case .badPattern(let pattern, let offset, let reason):
            "the pattern '\(Self.excerpt(pattern))' is invalid at character \(offset): \(reason)."
        case .patternGaveUp(let pattern, let offset, let reason):
            "the pattern '\(Self.excerpt(pattern))' takes too long at byte \(offset) of the text: \(reason). "
                + "Usually caused by nested quantifiers, such as (a+)+."
        case .notExpressible(let format, let reason): "\(format) cannot hold this vocabulary: \(reason)."
        }
    }

    /// A pattern from a file may be as long as the file.
    private static func excerpt(_ pattern: String) -> String { pattern.count > 80 ? pattern.prefix(80) + "…" : pattern }
}
