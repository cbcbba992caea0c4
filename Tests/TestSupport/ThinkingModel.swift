package import Checkpoint
package import Tokenize

/// A chat model with a Jinja template that thinks before it answers: a table from a token to the next one. Its template has variables:
/// `enable_thinking`, as in Qwen 3's, and `open`, which begins the thought in the prompt as DeepSeek R1's does.
package enum ThinkingModel {
    package static let thought = "Two and two."
    package static let answer = "Four."
    package static let quick = "Just four."
    package static let rest = " is 4."

    /// The last character of a prompt decides what the model says.
    package static let template = """
        {%- for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}\
        {%- if m.reasoning_content %}{{ '[' + m.reasoning_content + ']' }}{% endif %}{{ m.content + '<|im_end|>\\n' }}{% endfor -%}
        {%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}\
        {%- if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\t' }}\
        {%- elif open %}{{ '<think>\\n' }}{% endif %}{% endif -%}
        """

    /// One of the marks is a special token, as in some vocabularies.
    package static let vocabulary = Vocabulary.ofBytes(
        specialTokens: ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<think>"],
        addedTokens: ["</think>", thought, "\n\n" + answer, quick, rest])

    package static func checkpoint(context: Int = 1_024) throws -> Checkpoint {
        try NextTokenModel.chat(
            [
                ("\n", "<think>"), ("<think>", thought), (thought, "</think>"), ("</think>", "\n\n" + answer), ("\t", quick), ("r", rest),
            ], vocabulary, template: template, context: context)
    }
}
