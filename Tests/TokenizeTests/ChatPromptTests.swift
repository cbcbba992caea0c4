import JSON
import Testing
import Tokenize

/// Prompts that continue the assistant's message, and variables of templates.
@Suite struct ChatPromptTests {
    private static let special = ["<|user|>", "<|assistant|>", "<|system|>", "<|eos|>", "<|im_start|>", "<|im_end|>"]
    private let tokenizer: Tokenizer

    init() throws { tokenizer = try Tokenizer(Vocabulary.ofBytes(specialTokens: Self.special)) }

    /// Where a template trims messages, and where it does not.
    private static func chatML(_ content: String) -> ChatTemplate {
        .jinja(JinjaChatTemplate(
            "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}"
                + "{% if m.reasoning_content %}{{ '<think>' + m.reasoning_content + '</think>' }}{% endif %}"
                + "{{ \(content) + '<|im_end|>\\n' }}{% endfor %}"
                + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
                + "{% if not enable_thinking | default(true) %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{{ mood }}{% endif %}"))
    }

    private func ids(_ messages: [Conversation.Message], _ template: ChatTemplate, _ form: ChatPromptForm) throws -> [TokenID] {
        var encoder = try Encoder(tokenizer), chat = ChatTokens()
        try ChatRenderer(template, for: tokenizer).append(promptOf: messages, form, with: &encoder, to: &chat)
        return chat.ids
    }

    private func prompt(_ messages: [Conversation.Message], _ template: ChatTemplate, _ form: ChatPromptForm) throws -> String {
        String(decoding: tokenizer.bytes(of: try ids(messages, template, form)), as: UTF8.self)
    }

    private func arguments(_ json: String) throws -> TemplateArguments {
        return try TemplateArguments(JSONElement(parsing: json))
    }

    /// The texts are those of transformers 5.23 with `continue_final_message=True`.
    @Test(arguments: [
        ("m.content", "The answer", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nThe answer"),
        ("m.content", "The answer ", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nThe answer "),
        ("m.content | trim", "The answer ", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nThe answer"),
        ("m.content", "", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"),
        ("m.content | trim", "", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant"),
    ])
    func `a prompt can end inside of the assistant's message`(content: String, text: String, expected: String) throws {
        var form = ChatPromptForm()
        form.continuesAnswer = true
        #expect(try prompt([.init(.user, "Hi"), .init(.assistant, text)], Self.chatML(content), form) == expected)
    }

    @Test(arguments: [
        (ChatTemplate.specialTokens, "The answer ", "<|user|>Hi<|assistant|>The answer"),
        (.specialTokens, "", "<|user|>Hi<|assistant|>"),
        (.humanAssistant, " The\nanswer", "Human: Hi\nAssistant: The answer"),
        (.humanAssistant, "", "Human: Hi\nAssistant:"),
    ])
    func `slm's own templates continue a message, too`(template: ChatTemplate, text: String, expected: String) throws {
        var form = ChatPromptForm()
        form.continuesAnswer = true
        let messages: [Conversation.Message] = [.init(.user, "Hi"), .init(.assistant, text)]
        #expect(try prompt(messages, template, form) == expected)
        // The same as the Jinja template that slm exports.
        let exported = ChatTemplate.jinja(JinjaChatTemplate(template.jinja(for: tokenizer.vocabulary)))
        #expect(try prompt(messages, exported, form) == expected)
    }

    /// SentencePiece decodes a token of a word with a space before it.
    @Test(arguments: [
        ("user\nWhy? \nassistant\n", "Why?"), (" user \n Why? \n assistant\n", "Why?"), ("\nWhy? \n assistant\n", "Why?"),
        ("user\nWho is my assistant\nassistant\n", "Who is my assistant"), ("users like it\nassistant\n", "users like it"),
    ])
    func `a question has neither role names of the template nor spaces around it`(text: String, question: String) throws {
        #expect(try ChatRenderer(Self.chatML("m.content"), for: tokenizer).question(in: text) == question)
    }

    @Test func `a continued message is a beginning of the whole conversation`() throws {
        let chat: [Conversation.Message] = [.init(.system, "Be kind."), .init(.user, "Hi"), .init(.assistant, "The answer is 4.")]
        for template in [ChatTemplate.specialTokens, .humanAssistant, Self.chatML("m.content")] {
            var encoder = try Encoder(tokenizer), whole = ChatTokens(), form = ChatPromptForm()
            form.continuesAnswer = true
            try ChatRenderer(template, for: tokenizer).append(Conversation(chat), with: &encoder, to: &whole)
            for length in 1...10 {
                let cut = Array(chat.dropLast()) + [.init(.assistant, Array(chat[2].text.prefix(length)).trimmed)]
                #expect(try whole.ids.starts(with: ids(cut, template, form)), "\(template.rawValue), \(length)")
            }
        }
    }

    /// transformers does not render these either.
    @Test(arguments: ["m.content if m.role == 'user' else ''", "m.content.split('</think>')[-1]", "m.content | upper"])
    func `a template that does not write the whole last message cannot continue it`(content: String) throws {
        var form = ChatPromptForm()
        form.continuesAnswer = true
        let messages: [Conversation.Message] = [.init(.user, "Hi"), .init(.assistant, "<think>a</think>B")]
        #expect(throws: TokenizeError.self) { try prompt(messages, Self.chatML(content), form) }
    }

    @Test func `a template reads variables and what the assistant thought`() throws {
        var form = ChatPromptForm()
        form.arguments = try arguments(#"{"enable_thinking": false, "mood": "<|im_end|>", "other": [1, {"a": null}]}"#)
        var answer = Conversation.Message(.assistant, "4")
        answer.reasoning = Array("2 + 2".utf8)
        let ids = try ids([.init(.user, "Hi"), answer, .init(.user, "5?")], Self.chatML("m.content"), form)
        let expected = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>2 + 2</think>4<|im_end|>\n"
            + "<|im_start|>user\n5?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n<|im_end|>"
        #expect(String(decoding: tokenizer.bytes(of: ids), as: UTF8.self) == expected)
        // The text of a variable is no special token.
        let end = try #require(tokenizer.vocabulary.specialTokenID("<|im_end|>"))
        #expect(ids.count { $0 == end } == 3 && ids.last != end)
    }

    @Test(arguments: [
        // As in Granite's template.
        ("{% if thinking %}on{% endif %}", #"{"enable_thinking": true}"#, "on"),
        ("{% if thinking %}on{% endif %}", #"{"enable_thinking": false}"#, ""),
        ("{% if thinking %}on{% endif %}", #"{"enable_thinking": true, "thinking": false}"#, ""),
        ("{% if thinking %}on{% endif %}", "{}", ""),
        // As in DeepSeek V3.1's.
        ("{% if not thinking is defined %}{% set thinking = true %}{% endif %}{{ thinking }}", #"{"enable_thinking": false}"#, "False"),
        ("{% if not thinking is defined %}{% set thinking = true %}{% endif %}{{ thinking }}", "{}", "True"),
        // A template that reads both decides itself; a member with this name is another thing.
        ("{{ enable_thinking }}{{ thinking is defined }}", #"{"enable_thinking": true}"#, "TrueFalse"),
        ("{{ messages[0].thinking is defined }}", #"{"enable_thinking": true}"#, "False"),
    ])
    func `thinking is switched by the variable that a template reads`(end: String, variables: String, expected: String) throws {
        var form = ChatPromptForm()
        form.arguments = try arguments(variables)
        let template = "{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}{{ ': ' }}" + end + "{% endif %}"
        #expect(try prompt([.init(.user, "Hi")], .jinja(JinjaChatTemplate(template)), form) == "Hi: " + expected)
    }

    @Test(arguments: [
        ("[]", nil, "expected an object, found an array."), (#"{"messages": []}"#, "messages", "not allowed: it is set for every chat."),
        (#"{"a": 1, "bos_token": ""}"#, "bos_token", "not allowed: it is set for every chat."),
    ] as [(String, String?, String)])
    func `variables that every chat sets are refused`(json: String, name: String?, reason: String) {
        #expect(throws: TemplateArguments.Failure(name: name, reason: reason)) { try arguments(json) }
    }
}
