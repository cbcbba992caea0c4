"""Writes unicode_classes.h: which code points are letters, numbers or white space, for pre-tokenization.

    pip install unicodedata2==16.0.0 && python make_unicode.py > unicode_classes.h

tiktoken 0.14 (Rust's regex) and Hugging Face tokenizers 0.23 (Oniguruma) use Unicode 16.0, too, and agree with this table on
every code point. White space is the property White_Space, which is what \\s matches in both.
"""
import unicodedata2 as unicode
from c_arrays import c_array

BLOCK = 128   # code points per block, two bits each
SPACES = {*range(0x9, 0xE), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}

def kind(c):
    """0 other, 1 letter, 2 number, 3 white space"""
    if c in SPACES: return 3
    return {"L": 1, "N": 2}.get(unicode.category(chr(c))[0], 0)


offsets, blocks, index = {}, [], []
for start in range(0, 0x110000, BLOCK):
    kinds = [kind(c) for c in range(start, start + BLOCK)]
    words = tuple(sum(k << 2 * i for i, k in enumerate(kinds[j:j + 16])) for j in range(0, BLOCK, 16))
    if words not in offsets: offsets[words] = len(offsets); blocks += words
    index.append(offsets[words])
assert len(offsets) <= 256

print(f"// Written by make_unicode.py from Unicode {unicode.unidata_version}: two bits per code point, in blocks of {BLOCK}; equal blocks are stored once.")
print("#pragma once\n#include <stdint.h>\n")
print(c_array("unicode_block", "uint8_t", map(str, index), f"The index of a code point's block, by code point / {BLOCK}."))
print(c_array("unicode_kinds", "uint32_t", (hex(b) for b in blocks), "Sixteen code points per element, the lowest code point in the lowest bits."))
