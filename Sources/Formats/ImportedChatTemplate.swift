import Checkpoint
import JSON
import Tokenize

/// The chat template of another program's model.
///
///     var imported = ImportedChatTemplate(jinja)
///     imported.template.tokens["eos_token"] = "</s>"
///     imported.add(to: &checkpoint, vocabulary)
struct ImportedChatTemplate {
    var template: JinjaChatTemplate
    /// Set if slm wrote the template itself.
    private let own: ChatTemplate?

    init(_ source: String) {
        own = ChatTemplate(jinja: source)
        template = JinjaChatTemplate(source)
    }

    /// Adds the template if it renders a conversation, otherwise the reason why it does not.
    func add(to checkpoint: inout Checkpoint, _ vocabulary: Vocabulary) {
        let result = own ?? .jinja(template)
        do throws(TokenizeError) {
            _ = try ChatRenderer(result, for: try Tokenizer(vocabulary))
            checkpoint.chatTemplate = result
        } catch { checkpoint.chatTemplateError = "\(error)" }
    }

    /// Adds the special tokens of a tokenizer_config.json: strings, or objects with the string as `content`.
    mutating func addTokens(from settings: JSONElement) {
        for name in JinjaChatTemplate.tokenNames {
            template.tokens[name] = settings[name]?.string ?? settings[name]?["content"]?.string ?? template.tokens[name]
        }
    }

}

/// The tokens that a model's files name as the end of a text.
///
///     var ends = EndTokens(vocabulary)
///     ends.add([128_009], of: "generation_config.json")
///     ends.set(in: &checkpoint)
struct EndTokens {
    private let vocabulary: Vocabulary
    private(set) var ids: [TokenID] = []
    private var notes: [String] = []

    init(_ vocabulary: Vocabulary) { self.vocabulary = vocabulary }

    /// Adds tokens. Ids without a token, such as those of another model's settings, are left out with a note; -1 is none.
    ///
    /// - Parameter field: The file or key that names them, for the note.
    mutating func add(_ numbers: [Int], of field: String) {
        for number in numbers where number >= 0 {
            guard let id = TokenID(exactly: number), vocabulary.contains(id) else {
                notes.append("\(field) names token \(number) as the end of a text, which the vocabulary of \(vocabulary.count) tokens does "
                    + "not have: it is ignored")
                continue
            }
            if !ids.contains(id) { ids.append(id) }
        }
    }

    /// Stores those that neither their names nor one of slm's own chat templates tells.
    func set(in checkpoint: inout Checkpoint) {
        var known = Set(vocabulary.endTokens)
        if let template = checkpoint.chatTemplate, ChatTemplate.allCases.contains(template), let tokenizer = try? Tokenizer(vocabulary) {
            known.formUnion((try? ChatRenderer(template, for: tokenizer))?.stopTokens ?? [])
        }
        checkpoint.servingDefaults.endTokens = ids.filter { !known.contains($0) }
        checkpoint.importNotes += notes
    }
}

extension JSONElement {
    /// `eos_token_id` of a config.json or a generation_config.json: a number or several.
    var endTokenIDs: [Int] {
        guard let value = self["eos_token_id"] else { return [] }
        return value.elements.map { $0.compactMap(\.integer) } ?? [value.integer].compactMap { $0 }
    }

    /// `chat_template` of a tokenizer_config.json: a string, or a list of named ones, of which `default` is for chats.
    var chatTemplateSource: String? {
        if let text = string { return text }
        let named = elements?.map { ($0["name"]?.string, $0["template"]?.string) } ?? []
        return named.first { $0.0 == "default" }?.1 ?? named.first?.1
    }
}

extension GGUFFile {
    /// The template of `tokenizer.chat_template`, with the tokens that other keys name by their ids.
    func chatTemplate(in bytes: Span<UInt8>, _ vocabulary: Vocabulary) throws(CheckpointError) -> ImportedChatTemplate {
        var imported = ImportedChatTemplate(try text("tokenizer.chat_template", in: bytes))
        func id(_ role: String) -> TokenID? {
            guard case .unsigned(let id)? = metadata["tokenizer.ggml.\(role)_token_id"] else { return nil }
            return TokenID(exactly: id)
        }
        for (role, name) in [("bos", "bos_token"), ("eos", "eos_token"), ("unknown", "unk_token"), ("padding", "pad_token")] {
            guard let id = id(role), let token = vocabulary.specialTokens.first(where: { $0.id == id }) else { continue }
            imported.template.tokens[name] = token.text
        }
        return imported
    }
}
