package import Checkpoint
package import Tokenize

/// A chat model with a Jinja template that calls the function `weather` if it is given tools, and repeats what a function has returned
/// in words: a table from a token to the next one. Its template has the forms of Qwen2.5's.
package enum ToolCallModel {
    package static let tools = """
        [{"type":"function","function":{"name":"weather","description":"Current weather",\
        "parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}]
        """
    package static let arguments = #"{"city":"Rome"}"#
    package static let thought = "Let me look."
    package static let answer = "It is sunny in Rome."
    package static let plain = "I cannot know."

    /// The last character of a prompt decides what the model says.
    package static let template = """
        {%- if tools %}{{ '<|im_start|>system\\nTools:\\n' }}{% for tool in tools %}{{ tool | tojson + '\\n' }}{% endfor %}\
        {{ '<|im_end|>\\n' }}{% endif -%}
        {%- for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content }}\
        {%- if m.tool_calls %}{% for c in m.tool_calls %}\
        {{ '\\n<tool_call>\\n{"name": "' + c.function.name + '", "arguments": ' + c.function.arguments | tojson + '}\\n</tool_call>' }}\
        {%- endfor %}{% endif -%}
        {{ '<|im_end|>\\n' }}{% endfor -%}
        {%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}\
        {{- '\\r' if messages[-1].role == 'tool' else '\\t' if tools else '' }}{% endif -%}
        """

    package static let vocabulary: Vocabulary = {
        var vocabulary = Vocabulary.ofBytes(specialTokens: ["<|im_start|>", "<|im_end|>", "<|endoftext|>"])
        let call = "\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n"
        for text in ["<tool_call>", "</tool_call>", thought, answer, plain, call] {
            vocabulary.addedTokens.append(.init(id: TokenID(vocabulary.tokens.count), text: text))
            vocabulary.tokens.append(Array(text.utf8))
        }
        return vocabulary
    }()

    package static func checkpoint(context: Int = 2_048) throws -> Checkpoint {
        let V = vocabulary.count
        func id(_ text: String) -> Int {
            Int(vocabulary.specialTokenID(text) ?? vocabulary.addedTokens.first { $0.text == text }?.id ?? 0)
        }
        func byte(_ character: String) -> Int {
            vocabulary.tokens.indices.first { vocabulary.tokens[$0].elementsEqual(character.utf8) } ?? 0
        }
        let end = id("<|im_end|>"), call = vocabulary.count - 1
        var next = [Int](repeating: end, count: V)
        for (from, to) in [
            (byte("\t"), id(thought)), (id(thought), id("<tool_call>")), (id("<tool_call>"), call), (call, id("</tool_call>")),
            (byte("\r"), id(answer)), (byte("\n"), id(plain)),
        ] { next[from] = to }
        var checkpoint = try NextTokenModel.checkpoint(next, vocabulary, context: context)
        var jinja = JinjaChatTemplate(template)
        jinja.tokens = ["eos_token": "<|im_end|>"]
        checkpoint.chatTemplate = .jinja(jinja)
        return checkpoint
    }
}
