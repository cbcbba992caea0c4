/// The special tokens that a user adds to the vocabulary of a model.
///
///     try AddedTokenChoice.ofTemplate.texts(for: .known(.chatml))          // <|im_start|>, <|im_end|>
package enum AddedTokenChoice: Sendable, Equatable {
    /// Those that the chosen chat template writes.
    case ofTemplate
    case texts([String])

    /// - Parameter template: The chat template that the user has chosen.
    package func texts(for template: ChatTemplateChoice?) throws(TokenizeError) -> [String] {
        switch (self, template) {
        case (.texts(let texts), _): return texts
        case (.ofTemplate, .own(.specialTokens)?): return ["<|user|>", "<|assistant|>", "<|eos|>"]
        case (.ofTemplate, .own?): return []
        case (.ofTemplate, .known(let known)?): return known.specialTokens
        case (.ofTemplate, .file?), (.ofTemplate, nil):
            throw .unsupported(
                path: "--add-tokens", what: "expected the tokens to add, or --chat-template with the name of a template that needs them",
                advice: "Name them, separated by commas: --add-tokens '<|user|>,<|end|>'.")
        }
    }
}
