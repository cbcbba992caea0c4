/// What can be wrong with a vocabulary, or with a text for it.
///
///     do { ids = try tokenizer.ids(of: text) } catch TokenizeError.noToken(let piece, let offset) { … }
package enum TokenizeError: Error, Equatable {
    /// A file that is not what it should be. `place` is a line or a key, where there is one.
    case malformed(path: String, place: String?, expected: String, found: String)
    /// A file that is right, and asks for something that is not here.
    case unsupported(path: String, what: String, advice: String)
    case unreadable(path: String, reason: String)
    case notWritten(path: String, reason: String)
    /// A piece of text that no token stands for.
    case noToken(for: String, at: Int)
    /// A chat form that needs a token, which the vocabulary has not.
    case missingSpecialToken(String, form: String)
    case badPattern(String, at: Int, reason: String)
    /// A pattern that takes too long, or too much memory, for the text from this byte on.
    case patternGaveUp(String, at: Int, reason: String)
    /// The file's format cannot hold this vocabulary.
    case notExpressible(format: String, reason: String)
}

extension TokenizeError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .malformed(let path, let place, let expected, let found):
            "\(path)\(place.map { ":\($0)" } ?? ""): expected \(expected), found \(found)."
        case .unsupported(let path, let what, let advice): "\(path): \(what). \(advice)"
        case .unreadable(let path, let reason): "\(path): cannot be read: \(reason)."
        case .notWritten(let path, let reason): "\(path): cannot be written: \(reason)."
        case .noToken(let piece, let offset):
            "No token stands for '\(piece)' at byte \(offset): the vocabulary was learned from a text without it."
        case .missingSpecialToken(let marker, let form):
            "The chat form '\(form)' needs the token \(marker), which this vocabulary does not have."
        case .badPattern(let pattern, let offset, let reason):
            "The pattern '\(Self.beginning(of: pattern))' is wrong at \(offset): \(reason)."
        case .patternGaveUp(let pattern, let offset, let reason):
            "The pattern '\(Self.beginning(of: pattern))' takes too long at byte \(offset) of the text: \(reason). Repetitions inside repetitions are the usual cause."
        case .notExpressible(let format, let reason): "\(format) cannot hold this vocabulary: \(reason)."
        }
    }

    /// A pattern from a file may be as long as the file.
    private static func beginning(of pattern: String) -> String { pattern.count > 80 ? pattern.prefix(80) + "…" : pattern }
}
