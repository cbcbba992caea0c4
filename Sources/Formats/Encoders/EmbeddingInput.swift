package import Tokenize

/// How an embedding model or a reranker takes texts: its tokenizer, its longest text, and its prefixes.
///
///     folder.input.tokens(of: "how do I reset the pump", as: .query)
package struct EmbeddingInput: Sendable {
    /// What a text is, for models that distinguish by a prefix.
    package enum Role: String, Sendable, CaseIterable {
        case query, passage
        /// A text as it is.
        case plain
    }

    package let tokenizer: any EncoderTokenizer
    /// The most tokens of a text.
    package var context: Int
    /// What questions, and passages, have to begin with; empty for most models.
    package let queryPrefix, passagePrefix: String
    /// Whether the tokenizer's special tokens stand around a text. Static models have none.
    var hasSpecials = true

    /// The tokens of a text in a role.
    ///
    /// - Parameter limit: The end of a longer text is left out.
    package func tokens(of text: String, as role: Role, limit: Int = .max) -> [TokenID] {
        let prefix = switch role {
        case .query: queryPrefix
        case .passage: passagePrefix
        case .plain: ""
        }
        return hasSpecials ? tokenizer.ids(of: prefix + text, limit: limit) : tokenizer.textIDs(of: prefix + text, limit: limit)
    }

    /// What ends a question, before the passage that follows it.
    package var separator: TokenID? { tokenizer.specials.suffix.first }

    /// The tokens of a question and a passage, which a reranker reads together. The ends of texts that are too long are left out.
    package func tokens(of question: String, with passage: String) -> [TokenID] {
        tokenizer.ids(of: question, with: passage, limit: context)
    }
}
