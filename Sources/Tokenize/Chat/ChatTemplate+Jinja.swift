extension ChatTemplate {
    /// The Jinja template that renders what `ChatRenderer` does: Hugging Face's `chat_template`, also stored in GGUF files. It uses only
    /// features that both Jinja2 and llama.cpp support.
    ///
    ///     let template = ChatTemplate.specialTokens.jinja(for: vocabulary)
    ///
    /// The tokens are the same unless a merge crosses the border of a role token or label: never with role tokens, nor in `human-assistant`
    /// with GPT-2's pre-tokenization pattern.
    package func jinja(for vocabulary: Vocabulary) -> String {
        if case .jinja(let template) = self { return template.source }
        return jinja(hasSystemRole: vocabulary.specialTokenID("<|system|>") != nil)
    }

    /// The template that a Jinja template was written for, if slm wrote it.
    package init?(jinja: String) {
        for template in Self.allCases where [true, false].contains(where: { template.jinja(hasSystemRole: $0) == jinja }) {
            self = template
            return
        }
        return nil
    }

    /// - Parameter hasSystemRole: whether the vocabulary has `<|system|>`. Otherwise a system message is prepended to the next user
    ///   message.
    private func jinja(hasSystemRole: Bool) -> String {
        let (user, assistant, end) = renderedTurns
        let hasSystem = self == .specialTokens && hasSystemRole
        let system = hasSystem
            ? "{{- '<|system|>' + text -}}"
            : #"{%- set ns.waiting = ns.waiting + ('\n\n' if ns.waiting else '') + text -%}"#
        let prepend = hasSystem
            ? ""
            : #"{%- if ns.waiting -%}{%- set text = ns.waiting + '\n\n' + text -%}{%- set ns.waiting = '' -%}{%- endif -%}"#
        // Strips ASCII white space only, like `trimmed`.
        return #"{%- set ns = namespace(waiting='') -%}"#
            + #"{%- for message in messages -%}{%- set text = message['content'].strip(' \t\n\r\v\f') -%}"#
            + "{%- if message['role'] == 'system' -%}\(system)"
            + "{%- elif message['role'] == 'assistant' -%}\(assistant)"
            + "{%- else -%}\(prepend)\(user)"
            + "{%- endif -%}{%- endfor -%}"
            + (hasSystem ? "" : "{%- if ns.waiting -%}{%- set text = ns.waiting -%}\(user){%- endif -%}")
            + end
    }

    /// The Jinja expressions for a user and an assistant message, and for the end of the conversation.
    private var renderedTurns: (user: String, assistant: String, end: String) {
        switch self {
        case .specialTokens:
            return (
                "{{- '<|user|>' + text -}}",
                "{{- '<|assistant|>' + text -}}",
                "{{- '<|assistant|>' if add_generation_prompt else '<|eos|>' -}}"
            )
        case .humanAssistant:
            // A line end would end the turn, so the lines of a message are joined by spaces.
            let lines = #"{%- for line in text.replace('\r', '\n').split('\n') -%}"#
                + #"{%- if line or not text -%}{{- ' ' + line -}}{%- endif -%}{%- endfor -%}{{- '\n' -}}"#
            return ("{{- 'Human:' -}}" + lines, "{{- 'Assistant:' -}}" + lines, "{{- 'Assistant:' if add_generation_prompt else '' -}}")
        case .jinja(let template): return (template.source, "", "")
        }
    }
}
