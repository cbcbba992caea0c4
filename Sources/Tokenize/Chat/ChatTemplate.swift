/// How a conversation is rendered as one sequence of tokens. It is applied by ``ChatRenderer``. A checkpoint stores the template it was
/// trained with.
///
/// markers:          `<|user|>` Hi `<|assistant|>` Hello! `<|eos|>`. The role tokens are special tokens, which no user text encodes to.
/// human-assistant:  `Human: Hi\nAssistant: Hello!\n`, all of it plain text, for models fine-tuned from GPT-2. A line end ends the turn, so
///                   a run of line ends inside a message becomes a space.
/// jinja:            the Jinja template of another program's model.
package enum ChatTemplate: Sendable {
    case specialTokens
    case humanAssistant
    case jinja(JinjaChatTemplate)
}

extension ChatTemplate: RawRepresentable, CaseIterable {
    /// slm's own templates.
    package static let allCases: [ChatTemplate] = [.specialTokens, .humanAssistant]
    static let jinjaName = "jinja"

    /// One of slm's own templates by its name.
    package init?(rawValue: String) {
        guard let template = Self.allCases.first(where: { $0.rawValue == rawValue }) else { return nil }
        self = template
    }

    package var rawValue: String {
        switch self {
        case .specialTokens: "markers"
        case .humanAssistant: "human-assistant"
        case .jinja: Self.jinjaName
        }
    }
}

extension ChatTemplate: Hashable {
    // A raw value alone does not tell two Jinja templates apart.
    package static func == (a: ChatTemplate, b: ChatTemplate) -> Bool {
        switch (a, b) {
        case (.specialTokens, .specialTokens), (.humanAssistant, .humanAssistant): true
        case (.jinja(let a), .jinja(let b)): a == b
        default: false
        }
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(rawValue)
        if case .jinja(let template) = self { hasher.combine(template) }
    }
}
