package import Checkpoint
package import Kernels
import Model
package import Tokenize

/// Where an imported model's tokenizer comes from.
package enum TokenizerSource {
    /// The model's own files.
    case included
    /// A given vocabulary, which replaces the model's own.
    case vocabulary(Vocabulary)
    /// No tokenizer.
    case none
}

extension Checkpoint {
    /// The field name of an imported model's tokenizer in error messages.
    static let importedTokenizerField = "tokenizer"

    /// Throws if the vocabulary has more tokens than the model.
    func check(_ vocabulary: Vocabulary, ofModelAt path: String) throws(CheckpointError) {
        guard vocabulary.count <= configuration.vocabulary else {
            let expected = "at most \(configuration.vocabulary) tokens, the model's vocabulary size"
            throw ImportedFile(path).mismatch(Self.importedTokenizerField, expected, "\(vocabulary.count)")
        }
    }

    mutating func setVocabulary(_ vocabulary: Vocabulary, ofModelAt path: String) throws(CheckpointError) {
        try check(vocabulary, ofModelAt: path)
        do { tokenizer = try StoredTokenizer(vocabulary) } catch {
            throw ImportedFile(path).mismatch(Self.importedTokenizerField, "one that slm can store", "\(error)")
        }
    }
}

extension ChatTemplate {
    /// The chat templates that a vocabulary has the tokens for: role tokens if it has them, and plain text if a line break is a token.
    static func supported(by vocabulary: Vocabulary) -> [ChatTemplate] {
        guard let tokenizer = try? Tokenizer(vocabulary) else { return [] }
        return allCases.filter { (try? ChatRenderer($0, for: tokenizer)) != nil }
    }
}

extension Checkpoint {
    /// Sets the first of slm's own chat templates that the vocabulary has the tokens for. Role tokens show that the model was trained with
    /// theirs.
    mutating func assumeChatTemplate(for vocabulary: Vocabulary) {
        chatTemplate = ChatTemplate.supported(by: vocabulary).first
        isChatTemplateAssumed = chatTemplate == .humanAssistant
    }

    /// Adds special tokens to a whole model, and replaces its chat template, as a user has chosen.
    package mutating func prepare(_ template: ChatTemplateChoice?, adding tokens: AddedTokenChoice?, on processor: Processor) throws {
        if let tokens, adapter == nil { try add(specialTokens: tokens.texts(for: template), on: processor) }
        if let template { try replaceChatTemplate(by: template) }
    }

    /// Replaces the chat template by one that a user has chosen.
    package mutating func replaceChatTemplate(by choice: ChatTemplateChoice) throws {
        let tokenizer = try Tokenizer(vocabulary()), template = try choice.template(for: tokenizer, replacing: chatTemplate)
        _ = try ChatRenderer(template, for: tokenizer)
        chatTemplate = template
        chatTemplateError = nil
        isChatTemplateAssumed = false
    }
}

extension CheckpointError {
    /// Whether it concerns only the tokenizer: the model can be imported without it.
    var isTokenizerError: Bool {
        switch self {
        case .tokenizer: true
        case .mismatch(_, let name, _, _): name == Checkpoint.importedTokenizerField || name.hasPrefix("tokenizer.")
        default: false
        }
    }
}
