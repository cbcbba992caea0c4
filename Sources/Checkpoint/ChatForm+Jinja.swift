package import Tokenize

extension ChatForm {
    /// The form as a chat template, which other programs turn a conversation into text with; it says what `ChatRenderer` does.
    ///
    ///     let template = ChatForm.markers.template(for: vocabulary)
    ///
    /// The tokens are the same where a text is not merged over the border of a label or marker: always with markers; in `human-assistant` with GPT-2's pattern.
    package func template(for vocabulary: Vocabulary) -> String {
        switch self {
        case .markers:
            let hasSystem = vocabulary.special("<|system|>") != nil
            return Self.template(of: ("'<|user|>'", "'<|assistant|>'", hasSystem ? "'<|system|>'" : nil), text: "text", turnEnd: "", end: "<|eos|>", prompt: "<|assistant|>")
        case .humanAssistant:
            let line = "(text | replace('\\r', '\\n')).split('\\n') | select | join(' ')"
            return Self.template(of: ("'Human: '", "'Assistant: '", nil), text: "(\(line))", turnEnd: "\\n", end: "", prompt: "Assistant:")
        }
    }

    private static func template(of labels: (user: String, assistant: String, system: String?), text: String, turnEnd: String, end: String, prompt: String) -> String {
        let say = { (label: String) in "{{- \(label) + \(text) + '\(turnEnd)' -}}" }
        // Without a place of its own, a system's text waits for the next user.
        let system = labels.system.map(say) ?? #"{%- set ns.waiting = ns.waiting + ('\n\n' if ns.waiting else '') + text -%}"#
        let user = labels.system == nil ? #"{%- set text = ns.waiting + ('\n\n' if ns.waiting else '') + text -%}{%- set ns.waiting = '' -%}"# : ""
        return #"{%- set ns = namespace(waiting='') -%}"#
            + #"{%- for message in messages -%}{%- set text = message['content'].strip(' \t\n\r\x0b\x0c') -%}"#
            + "{%- if message['role'] == 'system' -%}\(system)"
            + "{%- elif message['role'] == 'assistant' -%}\(say(labels.assistant))"
            + "{%- else -%}\(user)\(say(labels.user))"
            + "{%- endif -%}{%- endfor -%}"
            + "{%- if ns.waiting -%}{%- set text = ns.waiting -%}\(say(labels.user)){%- endif -%}"
            + "{{- '\(prompt)' if add_generation_prompt else '\(end)' -}}"
    }
}
