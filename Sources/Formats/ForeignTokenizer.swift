import Checkpoint
import Model
package import Tokenize

/// What the tokens of another program's model are taken from.
package enum ForeignTokenizer {
    /// What it brings itself.
    case own
    /// What somebody has for it, whatever it brings.
    case other(Vocabulary)
    case none
}

extension Checkpoint {
    /// What messages call the tokenizer that a foreign model brings.
    static let foreignTokenizer = "its tokenizer"

    /// Makes a vocabulary the model's.
    mutating func take(_ vocabulary: Vocabulary, of path: String) throws(CheckpointError) {
        let file = ForeignFile(path)
        guard vocabulary.count <= configuration.vocabulary else {
            throw file.wrong(Self.foreignTokenizer, "at most \(configuration.vocabulary) tokens, which the model knows", "\(vocabulary.count)")
        }
        do { tokenizer = try StoredTokenizer(vocabulary) } catch { throw file.wrong(Self.foreignTokenizer, "one that slm can keep", "\(error)") }
    }
}

extension ChatTemplate {
    /// The forms that a vocabulary has the tokens for: markers where there are some; text, where it has a line end to end a turn with.
    static func forms(of vocabulary: Vocabulary) -> [ChatTemplate] {
        guard let tokenizer = try? Tokenizer(vocabulary) else { return [] }
        return allCases.filter { (try? ChatRenderer($0, for: tokenizer)) != nil }
    }
}

/// Whether the model may be sound, and only its tokens cannot be read.
extension GGUFError {
    var isOfTokenizer: Bool {
        switch self {
        case .tokenizer: true
        case .mismatch(_, let name, _, _): name.hasPrefix("tokenizer.")
        default: false
        }
    }
}

extension CheckpointError {
    var isOfTokenizer: Bool {
        if case .mismatch(_, Checkpoint.foreignTokenizer, _, _) = self { true } else { false }
    }
}
