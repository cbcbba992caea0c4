"""Texts that are difficult for tokenizers, and conversations that are difficult for chat templates."""

TEXTS = ["Hello there", " the  quick\tbrown fox's 12345 jumps!\n\nOver", "Ünïcödé 日本 🙂👩‍🚀 e\u0301", "don't DON'T we'll", "   ", "\r\n x", "\u00a0a\u2003b", "a" * 200, "…—“”",
         "{\"a\": [1, 2]}", "1234567890 3.14 1e-9 ١٢٣ ½²", "a\u0000b\u007f", "  leading and trailing  ", "\n\n\n a\n \n", "tab\there\t\tthere", "שלום עולם مرحبا привет",
         "I'M you'Re it'S 'tis 'ss''", "👨‍👩‍👧‍👦🏳️‍🌈🇩🇪", "<|user|>", "<|eos|><|assistant|> [INST] </s> <s>", "\u200b\ufeff\u2028x\u0085y", "ﬁﬂ ǆ Ω≈ç√", "a\u3000b\u1680c", "x" + " " * 50 + "y"]

# Messages (role, content), and whether a generation prompt is added.
CONVERSATIONS = [
    ([("system", " Be kind. "), ("user", "Hi\nthere, what's 2+2?  "), ("assistant", " It is 4.\r\n\nYes. "), ("system", "Now rhyme."), ("user", "Go on")], True),
    ([("user", "Hi\nthere, what's 2+2?  "), ("assistant", " It is 4.\r\n\nYes. ")], False),
    ([("system", "One."), ("system", "Two."), ("assistant", "Three.")], False),
    ([("user", "\u00a0x\u00a0\v\f"), ("assistant", "")], True),
]

# The rendered conversations, for vocabularies without a system token.
RENDERED = {
    "markers": [
        "<|user|>Be kind.\n\nHi\nthere, what's 2+2?<|assistant|>It is 4.\r\n\nYes.<|user|>Now rhyme.\n\nGo on<|assistant|>",
        "<|user|>Hi\nthere, what's 2+2?<|assistant|>It is 4.\r\n\nYes.<|eos|>",
        "<|assistant|>Three.<|user|>One.\n\nTwo.<|eos|>",
        "<|user|>\u00a0x\u00a0<|assistant|><|assistant|>",
    ],
    "human-assistant": [
        "Human: Be kind. Hi there, what's 2+2?\nAssistant: It is 4. Yes.\nHuman: Now rhyme. Go on\nAssistant:",
        "Human: Hi there, what's 2+2?\nAssistant: It is 4. Yes.\n",
        "Assistant: Three.\nHuman: One. Two.\n",
        "Human: \u00a0x\u00a0\nAssistant: \nAssistant:",
    ],
}
