import JSON
import Tokenize

/// The chat template of another program's model.
///
///     var imported = ImportedChatTemplate(jinja)
///     imported.template.tokens["eos_token"] = "</s>"
///     checkpoint.chatTemplate = try imported.checked(for: vocabulary)
struct ImportedChatTemplate {
    var template: JinjaChatTemplate
    /// Set if slm wrote the template itself.
    private let own: ChatTemplate?

    init(_ source: String) {
        own = ChatTemplate(jinja: source)
        template = JinjaChatTemplate(source)
    }

    /// The template, after it has rendered a conversation.
    func checked(for vocabulary: Vocabulary) throws(TokenizeError) -> ChatTemplate {
        let result = own ?? .jinja(template)
        _ = try ChatRenderer(result, for: try Tokenizer(vocabulary))
        return result
    }

    /// Adds the special tokens of a tokenizer_config.json: strings, or objects with the string as `content`.
    mutating func addTokens(from settings: JSONElement) {
        for name in JinjaChatTemplate.tokenNames {
            template.tokens[name] = settings[name]?.string ?? settings[name]?["content"]?.string ?? template.tokens[name]
        }
    }

    /// Adds the stop tokens of a generation_config.json: a number or several.
    mutating func addStopTokens(from settings: JSONElement) {
        guard let value = settings["eos_token_id"] else { return }
        let ids = value.elements.map { $0.compactMap(\.integer) } ?? [value.integer].compactMap { $0 }
        template.stopTokens += ids.compactMap { TokenID(exactly: $0) }.filter { !template.stopTokens.contains($0) }
    }
}

extension JSONElement {
    /// `chat_template` of a tokenizer_config.json: a string, or a list of named ones, of which `default` is for chats.
    var chatTemplateSource: String? {
        if let text = string { return text }
        let named = elements?.map { ($0["name"]?.string, $0["template"]?.string) } ?? []
        return named.first { $0.0 == "default" }?.1 ?? named.first?.1
    }
}

extension GGUFFile {
    /// The template of `tokenizer.chat_template`, with the tokens that other keys name by their ids.
    func chatTemplate(in bytes: Span<UInt8>, _ vocabulary: Vocabulary) throws(GGUFError) -> ChatTemplate {
        var imported = ImportedChatTemplate(try text("tokenizer.chat_template", in: bytes))
        func id(_ role: String) -> TokenID? {
            guard case .unsigned(let id)? = metadata["tokenizer.ggml.\(role)_token_id"] else { return nil }
            return TokenID(exactly: id)
        }
        for (role, name) in [("bos", "bos_token"), ("eos", "eos_token"), ("unknown", "unk_token"), ("padding", "pad_token")] {
            guard let id = id(role), let token = vocabulary.specialTokens.first(where: { $0.id == id }) else { continue }
            imported.template.tokens[name] = token.text
        }
        for id in [id("eos"), id("eot"), id("eom")].compactMap({ $0 }) where !imported.template.stopTokens.contains(id) {
            imported.template.stopTokens.append(id)
        }
        do throws(TokenizeError) { return try imported.checked(for: vocabulary) } catch {
            throw .mismatch(path: path, name: "tokenizer.chat_template", expected: "a chat template that slm can render", found: "\(error)")
        }
    }
}
