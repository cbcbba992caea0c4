"""Writes unicode_classes.h: which code points are letters, numbers or white space, for pre-tokenization.

    pip install unicodedata2==16.0.0 && python make_unicode.py > unicode_classes.h

tiktoken 0.14 (Rust's regex) and Hugging Face tokenizers 0.23 (Oniguruma) use Unicode 16.0, too, and agree with this table on
every code point. White space is the property White_Space, which is what \\s matches in both.
"""
import unicodedata2 as unicode
from c_arrays import BLOCK, kind_arrays

SPACES = {*range(0x9, 0xE), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}

def kind(c):
    """0 other, 1 letter, 2 number, 3 white space"""
    if c in SPACES: return 3
    return {"L": 1, "N": 2}.get(unicode.category(chr(c))[0], 0)


print(f"// Written by make_unicode.py from Unicode {unicode.unidata_version}: two bits per code point, in blocks of {BLOCK}; equal blocks are stored once.")
print("#pragma once\n#include <stdint.h>\n")
print(kind_arrays("unicode", kind))
