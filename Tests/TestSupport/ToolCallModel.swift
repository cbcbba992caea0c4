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

    private static let call = "\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n"

    package static let vocabulary = Vocabulary.ofBytes(
        specialTokens: ["<|im_start|>", "<|im_end|>", "<|endoftext|>"],
        addedTokens: ["<tool_call>", "</tool_call>", thought, answer, plain, call])

    package static func checkpoint(context: Int = 2_048) throws -> Checkpoint {
        try NextTokenModel.chat(
            [
                ("\t", thought), (thought, "<tool_call>"), ("<tool_call>", call), (call, "</tool_call>"), ("\r", answer), ("\n", plain),
            ], vocabulary, template: template, context: context)
    }
}
