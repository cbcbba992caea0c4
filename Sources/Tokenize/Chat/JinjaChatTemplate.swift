import JSON

/// The Jinja template of a model, with the tokens that its variables name.
///
///     var template = JinjaChatTemplate("{% for m in messages %}…{% endfor %}")
///     template.tokens = ["bos_token": "<s>", "eos_token": "</s>"]
///     checkpoint.chatTemplate = .jinja(template)
package struct JinjaChatTemplate: Sendable, Hashable {
    package let source: String
    /// The texts of special tokens by the names of their variables: `bos_token`, `eos_token` and so on.
    package var tokens: [String: String] = [:]
    /// Further tokens that end an answer, from `eos_token_id` of the model's generation settings.
    package var stopTokens: [TokenID] = []

    /// Whether it writes the thoughts of an answer into a channel of their own.
    let dividesThoughts: Bool

    package init(_ source: String) {
        self.source = source
        dividesThoughts = source.contains(AnswerChannels.thoughtOpening)
    }

    /// The variables that Hugging Face's tokenizer_config.json has as keys.
    package static let tokenNames = ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"]
}

extension ChatTemplate {
    /// The template with a name that a file gives; `jinja` has further fields.
    ///
    /// - Parameter settings: a JSON text that `settingsJSON` wrote.
    package init?(rawValue: String, source: String?, settings: String?) {
        guard rawValue == Self.jinjaName else {
            self.init(rawValue: rawValue)
            return
        }
        guard let source, let settings, let root = try? JSONElement(parsing: settings) else { return nil }
        var template = JinjaChatTemplate(source)
        for name in JinjaChatTemplate.tokenNames { template.tokens[name] = root[name]?.string }
        template.stopTokens = root["stop_token_ids"]?.elements?.compactMap { $0.integer.flatMap { TokenID(exactly: $0) } } ?? []
        self = .jinja(template)
    }
}

extension ChatTemplate {
    /// A text that tells templates apart.
    package var identity: String {
        guard case .jinja(let template) = self else { return rawValue }
        return "\(rawValue) \(template.settingsJSON) \(template.source)"
    }

    /// The special token that a variable of a Jinja template names.
    package func tokenID(_ name: String, in vocabulary: Vocabulary) -> TokenID? {
        guard case .jinja(let template) = self, let text = template.tokens[name] else { return nil }
        return vocabulary.specialTokenID(text)
    }
}

extension JinjaChatTemplate {
    /// The special tokens and stop tokens as JSON, for files that store the template.
    package var settingsJSON: String {
        return JSONWriter.text { object in
            for name in Self.tokenNames {
                guard let text = tokens[name] else { continue }
                object[name] = text
            }
            object.array("stop_token_ids") { for id in stopTokens { $0.integer(id) } }
        }
    }
}
