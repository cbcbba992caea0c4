/// The Jinja templates of other models' families that can be chosen by name.
///
///     KnownChatTemplate.chatml.specialTokens                               // <|im_start|>, <|im_end|>
package enum KnownChatTemplate: String, Sendable, CaseIterable {
    case chatml, gemma, mistral, zephyr
    case llama3 = "llama-3"

    /// The special tokens that the template writes, besides `bos_token` and `eos_token`.
    package var specialTokens: [String] {
        switch self {
        case .chatml: ["<|im_start|>", "<|im_end|>"]
        case .gemma: ["<start_of_turn>", "<end_of_turn>"]
        case .llama3: ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
        case .mistral, .zephyr: []
        }
    }

    /// The variables that the template cannot do without.
    var variables: [String] {
        switch self {
        case .chatml, .gemma, .llama3: []
        case .mistral, .zephyr: ["eos_token"]
        }
    }

    /// As in the tokenizer_config.json of the first models of the family. System messages of `gemma` and `mistral` are errors, so that
    /// they become a part of the next user message.
    package var source: String {
        let loop = "{% for message in messages %}"
        switch self {
        case .chatml:
            return loop + #"{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"#
                + #"{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"#
        case .gemma:
            return "{{ bos_token }}" + loop
                + "{% if message['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
                + "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
                + #"{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"#
                + #"{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"#
        case .llama3:
            return "{{ bos_token }}" + loop
                + #"{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}"#
                + #"{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"#
        case .mistral:
            return "{{ bos_token }}" + loop
                + "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
                + "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}"
                + "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
        case .zephyr:
            return loop + #"{{ '<|' + message['role'] + '|>\n' + message['content'] + eos_token + '\n' }}{% endfor %}"#
                + #"{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"#
        }
    }
}
