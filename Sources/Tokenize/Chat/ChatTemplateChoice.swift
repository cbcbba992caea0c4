import Files
import Jinja

/// A chat template that a user chooses: one by its name, or a file with a Jinja template.
///
///     let template = try ChatTemplateChoice("chatml").template(for: tokenizer)
package enum ChatTemplateChoice: Sendable, Equatable {
    case own(ChatTemplate)
    case known(KnownChatTemplate)
    case file(String)

    package static let names = ChatTemplate.allCases.map(\.rawValue) + KnownChatTemplate.allCases.map(\.rawValue).sorted()

    package init(_ text: String) {
        if let template = ChatTemplate(rawValue: text) {
            self = .own(template)
        } else if let template = KnownChatTemplate(rawValue: text) {
            self = .known(template)
        } else {
            self = .file(text)
        }
    }

    package var text: String {
        switch self {
        case .own(let template): template.rawValue
        case .known(let template): template.rawValue
        case .file(let path): path
        }
    }

    /// The special tokens of a new vocabulary for the template.
    package var specialTokens: [String] {
        switch self {
        case .own: ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"]
        case .known(let template): template.specialTokens + ["<|eos|>", "<|pad|>"]
        case .file: ["<|eos|>", "<|pad|>"]
        }
    }

    /// The template for a vocabulary. Throws if the vocabulary lacks a special token of a Jinja template, or if nothing would end an
    /// answer. Those of slm's own templates are looked for when a chat is rendered, because data without chats does not need them.
    ///
    /// - Parameter other: The model's own template, which may name special tokens such as `bos_token`.
    package func template(for tokenizer: Tokenizer, replacing other: ChatTemplate? = nil) throws(TokenizeError) -> ChatTemplate {
        let vocabulary = tokenizer.vocabulary
        switch self {
        case .own(let template): return template
        case .known(let known):
            var template = JinjaChatTemplate(known.source)
            template.tokens = Self.tokens(of: vocabulary, other)
            let missing = known.specialTokens.first { vocabulary.specialTokenID($0) == nil }
                ?? known.variables.first { template.tokens[$0] == nil }
            if let missing { throw .missingSpecialToken(missing, template: known.rawValue) }
            return .jinja(template)
        case .file(let path):
            let source: String
            do throws(FileError) { source = String(decoding: try InputFile.contents(of: path), as: UTF8.self) } catch {
                let names = Self.names.joined(separator: ", ")
                throw .unsupported(
                    path: path, what: "no such chat template, and no file that can be read",
                    advice: "Choose one of \(names), or a file with a Jinja template.")
            }
            if let own = ChatTemplate(jinja: source) { return try Self.own(own).template(for: tokenizer) }
            var template = JinjaChatTemplate(source)
            template.tokens = Self.tokens(of: vocabulary, other)
            let renderer: JinjaChatRenderer
            do throws(TokenizeError) { renderer = try JinjaChatRenderer(template, for: tokenizer, clock: { .now }) } catch {
                throw .unsupported(path: path, what: "the template cannot be used", advice: error.description)
            }
            if let text = renderer.textAfterAnswers {
                throw .malformed(
                    path: path, location: nil,
                    expected: "a special token of the vocabulary after an answer, such as {{ eos_token }}, which ends it",
                    found: text.isEmpty ? "nothing" : "'\(text.replacing("\n", with: "\\n"))'")
            }
            return .jinja(template)
        }
    }

    /// The variables of special tokens: as the model's own template has them, else by their common names.
    private static func tokens(of vocabulary: Vocabulary, _ other: ChatTemplate?) -> [String: String] {
        func text(_ id: TokenID?) -> String? { vocabulary.specialTokens.first { $0.id == id }?.text }
        var tokens: [String: String] = [:]
        tokens["bos_token"] = text(vocabulary.textPrefix.first ?? vocabulary.beginOfTextToken)
        tokens["eos_token"] = text(vocabulary.textSuffix.first ?? vocabulary.endOfTextToken)
        tokens["unk_token"] = text(vocabulary.unknownToken)
        tokens["pad_token"] = text(vocabulary.paddingToken)
        guard case .jinja(let template)? = other else { return tokens }
        return tokens.merging(template.tokens) { $1 }
    }
}
