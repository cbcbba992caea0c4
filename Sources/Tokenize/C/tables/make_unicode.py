"""Writes unicode_*.bin: which code points are letters, numbers or white space, for pre-tokenization.

    pip install unicodedata2==16.0.0 && python make_unicode.py

tiktoken 0.14 (Rust's regex) and Hugging Face tokenizers 0.23 (Oniguruma) use Unicode 16.0, too, and agree with this table on
every code point. White space is the property White_Space, which is what \\s matches in both.
"""
import unicodedata2 as unicode
from tables import write_blocks

SPACES = {*range(0x9, 0xE), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}


def kind(c):
    """0 other, 1 letter, 2 number, 3 white space"""
    if c in SPACES: return 3
    return {"L": 1, "N": 2}.get(unicode.category(chr(c))[0], 0)


write_blocks("unicode", [kind(c) for c in range(0x110000)], bits=2)
