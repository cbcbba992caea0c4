extension ChatTemplate {
    /// The form as a Jinja template, for programs that know no other way to say it: Hugging Face's `chat_template` and GGUF's. It says what
    /// `ChatRenderer` does, in as much of Jinja as both Python's and llama.cpp's read.
    ///
    ///     let template = ChatTemplate.markers.template(for: vocabulary)
    ///
    /// The tokens are the same where a text is not merged over the border of a label or marker: always with markers; in `human-assistant`
    /// with GPT-2's pattern.
    package func template(for vocabulary: Vocabulary) -> String { template(hasSystem: vocabulary.specialTokenID("<|system|>") != nil) }

    /// The form that a template is, if it is one of ours.
    package init?(template: String) {
        for form in Self.allCases where [true, false].contains(where: { form.template(hasSystem: $0) == template }) {
            self = form
            return
        }
        return nil
    }

    /// - Parameter hasSystem: Whether there is a marker for a system's text; without a place of its own it waits for the next user's.
    private func template(hasSystem: Bool) -> String {
        let (user, assistant, close) = turns, hasPlace = self == .specialTokens && hasSystem
        let system =
            hasPlace ? "{{- '<|system|>' + text -}}" : #"{%- set ns.waiting = ns.waiting + ('\n\n' if ns.waiting else '') + text -%}"#
        let join =
            hasPlace ? "" : #"{%- if ns.waiting -%}{%- set text = ns.waiting + '\n\n' + text -%}{%- set ns.waiting = '' -%}{%- endif -%}"#
        // A space to strip is one of ASCII's.
        return #"{%- set ns = namespace(waiting='') -%}"#
            + #"{%- for message in messages -%}{%- set text = message['content'].strip(' \t\n\r\v\f') -%}"#
            + "{%- if message['role'] == 'system' -%}\(system)"
            + "{%- elif message['role'] == 'assistant' -%}\(assistant)"
            + "{%- else -%}\(join)\(user)"
            + "{%- endif -%}{%- endfor -%}"
            + (hasPlace ? "" : "{%- if ns.waiting -%}{%- set text = ns.waiting -%}\(user){%- endif -%}")
            + close
    }

    /// What the user and the assistant say, and what stands at the end.
    private var turns: (user: String, assistant: String, close: String) {
        switch self {
        case .specialTokens:
            return (
                "{{- '<|user|>' + text -}}", "{{- '<|assistant|>' + text -}}",
                "{{- '<|assistant|>' if add_generation_prompt else '<|eos|>' -}}"
            )
        case .humanAssistant:
            // A line end would end the turn: the lines of a text, each behind a space.
            let lines =
                #"{%- for line in text.replace('\r', '\n').split('\n') -%}{%- if line or not text -%}{{- ' ' + line -}}{%- endif -%}{%- endfor -%}{{- '\n' -}}"#
            return ("{{- 'Human:' -}}" + lines, "{{- 'Assistant:' -}}" + lines, "{{- 'Assistant:' if add_generation_prompt else '' -}}")
        }
    }
}
