extension ChatForm {
    /// The form as a Jinja template, for programs that know no other way to say it: Hugging Face's `chat_template` and GGUF's.
    ///
    ///     ChatForm.markers.template(hasSystem: vocabulary.special("<|system|>") != nil)
    ///
    /// - Parameter hasSystem: Whether the form has a place for a system's text; else it stands before the next user's.
    package func template(hasSystem: Bool) -> String {
        let (open, between, close) = parts
        let holdsSystem = self == .markers && hasSystem
        let waiting = holdsSystem ? "{%- if true -%}" : """
            {%- if message['role'] == 'system' -%}\
            {%- set state.waiting = state.waiting + ('\\n\\n' if state.waiting else '') + text -%}\
            {%- else -%}\
            {%- if message['role'] == 'user' and state.waiting -%}\
            {%- set text = state.waiting + '\\n\\n' + text -%}{%- set state.waiting = '' -%}\
            {%- endif -%}
            """
        let rest = holdsSystem ? "" : "{%- if state.waiting -%}{%- set role = 'user' -%}{%- set text = state.waiting -%}\(open)\(between){%- endif -%}"
        return "{%- set state = namespace(waiting='') -%}{%- for message in messages -%}"
            + "{%- set role = message['role'] -%}{%- set text = message['content'] | trim -%}"
            + waiting + open + between + "{%- endif -%}{%- endfor -%}" + rest + close
    }

    /// What stands before a text, the text itself, and what stands at the end.
    private var parts: (open: String, text: String, close: String) {
        switch self {
        case .markers:
            ("{{- '<|' + role + '|>' -}}", "{{- text -}}", "{{- '<|assistant|>' if add_generation_prompt else '<|eos|>' -}}")
        case .humanAssistant:
            ("{{- 'Assistant:' if role == 'assistant' else 'Human:' -}}",
             // A line end would end the turn: the lines of a text, each behind a space.
             "{%- for line in text.replace('\\r', '\\n').split('\\n') -%}{%- if line or not text -%}{{- ' ' + line -}}{%- endif -%}{%- endfor -%}{{- '\\n' -}}",
             "{{- 'Assistant:' if add_generation_prompt else '' -}}")
        }
    }

    /// The form that a template is, if it is one of ours.
    package init?(template: String) {
        for form in Self.allCases where [true, false].contains(where: { form.template(hasSystem: $0) == template }) {
            self = form
            return
        }
        return nil
    }
}
