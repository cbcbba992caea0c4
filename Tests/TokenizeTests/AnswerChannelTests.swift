import TestSupport
import Testing
import Tokenize

/// Answers in the channels of gpt-oss.
@Suite struct AnswerChannelTests {
    private static let specialTokens = ["<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>", "<|call|>"]
    /// What the template of gpt-oss does with users' messages and answers.
    private static let template = """
        {%- for m in messages -%}
        {%- if m.role == 'assistant' -%}
        {%- if '<|channel|>analysis<|message|>' in m.content or '<think>' in m.content %}{{ raise_exception('tags') }}{% endif -%}
        {%- if loop.last and not add_generation_prompt -%}
        {%- if 'thinking' in m %}{{ '<|start|>assistant<|channel|>analysis<|message|>' + m.thinking + '<|end|>' }}{% endif -%}
        {{ '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|return|>' }}
        {%- else -%}{{ '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|end|>' }}{%- endif -%}
        {%- else -%}{{ '<|start|>' + m.role + '<|message|>' + m.content + '<|end|>' }}{%- endif -%}
        {%- endfor -%}
        {%- if add_generation_prompt -%}<|start|>assistant{%- endif -%}
        """

    private static func renderer(_ template: String = template) throws -> (ChatRenderer, Tokenizer) {
        let tokenizer = try Tokenizer(.ofBytes(specialTokens: specialTokens))
        return (try ChatRenderer(.jinja(JinjaChatTemplate(template)), for: tokenizer), tokenizer)
    }

    private static func answer(_ text: String) throws -> (text: String, isFinished: Bool) {
        let (renderer, tokenizer) = try renderer()
        var reader = ChannelReader(try #require(renderer.channels)), result = "", rest = text[...]
        while let first = rest.first {
            let mark = specialTokens.first { rest.hasPrefix($0) }, part = mark ?? String(first)
            let id = mark.flatMap { tokenizer.vocabulary.specialTokenID($0) } ?? TokenID(part.utf8.first ?? 0)
            result += reader.text(of: id, part)
            rest = rest.dropFirst(part.count)
        }
        return (result, reader.isFinished)
    }

    @Test(arguments: [
        ("<|channel|>analysis<|message|>Easy.<|end|><|start|>assistant<|channel|>final<|message|>4.", "<think>Easy.</think>4.", false),
        ("<|channel|>final<|message|>Four.", "Four.", false),
        ("<|channel|>final<|message|>Four.<|end|>", "Four.", true),
        ("<|channel|>analysis<|message|>A<|end|><|start|>assistant<|channel|>commentary<|message|>B<|end|><|start|>assistant"
            + "<|channel|>final json<|message|>{}", "<think>A\n\nB</think>{}", false),
        ("<|channel|>analysis<|message|>cut", "<think>cut", false),
        ("no channels", "no channels", false),
    ])
    func `what is not in the final channel is a thought`(answer: String, expected: String, isFinished: Bool) throws {
        let found = try Self.answer(answer)
        #expect(found == (expected, isFinished))
    }

    @Test func `a template gets thoughts in a variable of their own`() throws {
        let (renderer, tokenizer) = try Self.renderer()
        var encoder = try Encoder(tokenizer), chat = ChatTokens()
        let thought = "<think>Easy.</think>Four."
        try renderer.append(
            promptOf: [.init(.user, "2+2?"), .init(.assistant, thought), .init(.user, "Sure?")], with: &encoder, to: &chat)
        #expect(String(decoding: tokenizer.bytes(of: chat.ids[...]), as: UTF8.self)
            == "<|start|>user<|message|>2+2?<|end|><|start|>assistant<|channel|>final<|message|>Four.<|end|>"
            + "<|start|>user<|message|>Sure?<|end|><|start|>assistant")
        chat = ChatTokens()
        try renderer.append(Conversation([.init(.user, "2+2?"), .init(.assistant, thought)]), with: &encoder, to: &chat)
        #expect(String(decoding: tokenizer.bytes(of: chat.ids[...]), as: UTF8.self)
            == "<|start|>user<|message|>2+2?<|end|><|start|>assistant<|channel|>analysis<|message|>Easy.<|end|>"
            + "<|start|>assistant<|channel|>final<|message|>Four.<|return|>")
        #expect(renderer.thoughtMarks == .think)
        #expect(try Self.renderer("{% for m in messages %}{{ m.content }}{% endfor %}").0.channels == nil)
    }
}
