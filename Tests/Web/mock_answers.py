"""The answers of the mock server."""
import re

import hostile

PLAIN = ("That is a good question. A small model like me learns which word tends to follow which, and after enough chats it can hold "
         "a simple conversation. It does not know much about the world, but it is quick, and it is yours.")
SHORT = "Hello! I am glad that you are here. What would you like to talk about?"
CITING = "Hold the button [1]. Then the valve [2, 9], **twice [1]**.\n\nNot in `a[1]`."
MARKDOWN = """# Bread for beginners

Good bread needs **four things**: flour, water, salt and *time*. With a `hydration` of 70 % the dough is easy to handle.

## What to do

1. Mix everything and let it rest for half an hour.
2. Fold the dough:
   - from each side once,
   - then turn it over.
3. Bake it at 240 °C.

> The longer it rests, the better it tastes.

```python
def water(flour: float, hydration: float = 0.7) -> float:
    return flour * hydration   # grams
```

| Flour | Water | Salt |
|---|---|---|
| 500 g | 350 g | 10 g |
| 1,000 g | 700 g | 20 g |

More at [the bakers' handbook](https://example.org/bread).
"""
RIGHT_TO_LEFT = """שלום! אני מודל קטן, ואני עונה בעברית.

- **פריט ראשון** עם הדגשה
- פריט שני עם `code` בפנים

مرحبا، هذه فقرة بالعربية مع رقم 42.

And a paragraph in English.
"""
THOUGHT = "The user asks for **bread**.\n\nFlour comes first."
CALL = '{"name": "weather", "arguments": {"city": "Rome"}}'
NAMED = {
    "/nothing": "",
    "/think": f"<think>\n{THOUGHT}\n</think>\n\nTake flour.\n\n<tool_call>\n{CALL}\n</tool_call>",
    "/reason": "Take flour.",
    "/markdown": MARKDOWN,
    "How do I bake a good loaf of bread?": MARKDOWN.partition("| Flour")[0].strip(),
    "/long": "\n\n".join(f"Paragraph {n}. {PLAIN}" for n in range(1, 13)),
    "/rtl": RIGHT_TO_LEFT,
    "/code": MARKDOWN.split("\n\n")[5],
}


def answer(prompt):
    if prompt.startswith("/hostile "):
        return hostile.ANSWERS[int(prompt.split()[1])]
    if prompt.startswith("/cite"):
        return CITING
    if prompt.startswith("/say "):
        return prompt[5:]
    return NAMED.get(prompt.strip(), SHORT if len(prompt) < 12 else PLAIN)


def pieces(prompt):
    """Splits the answer into tokens of at most 20 characters with leading space, so that Markdown delimiters may be split."""
    text = answer(prompt)
    if len(text) > 4000:
        return [text[at:at + 4000] for at in range(0, len(text), 4000)]
    return re.findall(r"\s*\S{1,20}|\s+", text)


def count(text):
    return len(re.findall(r"\w+|[^\w\s]", text))
