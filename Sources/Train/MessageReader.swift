import Corpus
import Tokenize

/// Decodes messages of a token file to text.
///
///     let reader = MessageReader(validation, .specialTokens, tokenizer)
///     let question = try reader.text(of: exchange.question)
struct MessageReader {
    private let tokens: TokenFile
    private let template: ChatTemplate?
    private let tokenizer: Tokenizer
    private let specialTokens: Set<TokenID>
    /// Renders the chats of a model with a Jinja template.
    private let renderer: ChatRenderer?

    /// - Parameter template: nil if the data is plain text.
    init(_ tokens: TokenFile, _ template: ChatTemplate?, _ tokenizer: Tokenizer) {
        self.tokens = tokens
        self.template = template
        self.tokenizer = tokenizer
        specialTokens = Set(tokenizer.vocabulary.specialTokens.map(\.id))
        renderer = if case .jinja? = template { template.flatMap { try? ChatRenderer($0, for: tokenizer) } } else { nil }
    }

    func ids(of range: Range<Int>) throws(CorpusError) -> [TokenID] {
        var ids: [TokenID] = []
        try tokens.read(range, into: &ids)
        return ids
    }

    /// The text of a user's message before an answer.
    func question(of range: Range<Int>) throws(CorpusError) -> String {
        let text = try text(of: range)
        return renderer?.question(in: text) ?? text
    }

    /// The text of a message, without special tokens.
    func text(of range: Range<Int>) throws(CorpusError) -> String {
        let text = tokenizer.text(of: try ids(of: range).filter { !specialTokens.contains($0) })
        // In the human-assistant template a turn ends with its line, and the label of the next turn follows.
        return template == .humanAssistant ? String(text.drop { $0 == " " }.prefix { $0 != "\n" }) : text
    }
}
