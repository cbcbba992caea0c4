package import Checkpoint
package import Tokenize

/// A chat model with the channels of gpt-oss: a table from a token to the next one. Its answers are calls of the function `weather`, or
/// thoughts that do not end.
package enum HarmonyModel {
    package static let specialTokens = [
        "<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>", "<|call|>", "<|constrain|>",
    ]

    /// What gpt-oss' template does with messages, calls, results and tools. It writes only the first call of a message, and fails where
    /// that one does.
    package static let template = """
        {%- if tools -%}
        {{ '<|start|>developer<|message|># Tools\\n\\nnamespace functions {\\n' }}
        {%- for t in tools %}{{ '// ' + t.function.description + '\\ntype ' + t.function.name + ' = (_: ' }}
        {{- t.function.parameters | default({}) | tojson + ') => any;\\n' }}{% endfor -%}
        {{ '}<|end|>' }}
        {%- endif -%}
        {%- set last = namespace(name=none) -%}
        {%- for m in messages -%}
        {%- if m.role == 'assistant' -%}
        {%- if '<|channel|>analysis<|message|>' in m.content or '<think>' in m.content %}{{ raise_exception('tags') }}{% endif -%}
        {%- if m.tool_calls -%}
        {%- if m.content and m.thinking %}{{ raise_exception('both content and thinking') }}{% endif -%}
        {%- if m.content or m.thinking -%}
        {{ '<|start|>assistant<|channel|>analysis<|message|>' + (m.content or m.thinking) + '<|end|>' }}
        {%- endif -%}
        {%- set last.name = m.tool_calls[0].function.name -%}
        {{ '<|start|>assistant to=functions.' + last.name + '<|channel|>commentary json<|message|>' }}
        {{- m.tool_calls[0].function.arguments | tojson + '<|call|>' }}
        {%- elif loop.last and not add_generation_prompt -%}
        {%- if 'thinking' in m %}{{ '<|start|>assistant<|channel|>analysis<|message|>' + m.thinking + '<|end|>' }}{% endif -%}
        {{ '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|return|>' }}
        {%- else -%}{{ '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|end|>' }}{%- endif -%}
        {%- elif m.role == 'tool' -%}
        {%- if not last.name %}{{ raise_exception('no call') }}{% endif -%}
        {{ '<|start|>functions.' + last.name + ' to=assistant<|channel|>commentary<|message|>' + m.content | tojson + '<|end|>' }}
        {%- else -%}{{ '<|start|>' + m.role + '<|message|>' + m.content + '<|end|>' }}{%- endif -%}
        {%- endfor -%}
        {%- if add_generation_prompt -%}<|start|>assistant{%- endif -%}
        """

    package static let thought = "Let me look."
    private static let recipient = " to=functions.weather", type = "commentary json", call = #"{"city": "Rome"}"#
    package static let arguments = #"{"city":"Rome"}"#

    package static let vocabulary = Vocabulary.ofBytes(
        specialTokens: specialTokens, addedTokens: [recipient, type, call, "analysis", thought])

    package static func renderer(_ template: String = template) throws -> ChatRenderer {
        try ChatRenderer(.jinja(JinjaChatTemplate(template)), for: Tokenizer(vocabulary))
    }

    /// - Parameter thinks: Whether answers are thoughts.
    package static func checkpoint(thinks: Bool) throws -> Checkpoint {
        let pairs = thinks
            ? [
                ("t", "<|channel|>"), ("<|channel|>", "analysis"), ("analysis", "<|message|>"), ("<|message|>", thought),
                (thought, "<|end|>"),
            ]
            : [
                ("t", recipient), (recipient, "<|channel|>"), ("<|channel|>", type), (type, "<|message|>"), ("<|message|>", call),
                (call, "<|call|>"),
            ]
        func id(_ text: String) -> Int { vocabulary.tokens.indices.first { vocabulary.tokens[$0].elementsEqual(text.utf8) } ?? 0 }
        var next = [Int](repeating: id("<|return|>"), count: vocabulary.count)
        for (token, following) in pairs { next[id(token)] = id(following) }
        var checkpoint = try NextTokenModel.checkpoint(next, vocabulary, context: 2_048)
        checkpoint.chatTemplate = .jinja(JinjaChatTemplate(template))
        return checkpoint
    }
}
