"""Writes unicode_classes.h: which code points are letters, numbers or white space, for cutting text into words.

    pip install unicodedata2==16.0.0 && python make_unicode.py > unicode_classes.h

Unicode 16.0 is what tiktoken 0.14 (Rust's regex) and Hugging Face tokenizers 0.23 (Oniguruma) know: all three agree on
every code point. White space is the property White_Space, which is what \\s means to them.
"""
import unicodedata2 as unicode

BLOCK = 128   # code points a block; two bits each
SPACES = {*range(0x9, 0xE), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}

def kind(c):
    """0 something else, 1 a letter, 2 a number, 3 white space"""
    if c in SPACES: return 3
    return {"L": 1, "N": 2}.get(unicode.category(chr(c))[0], 0)

def written(name, type, values, comment):
    lines, line = [], ""
    for value in values:
        if len(line) + len(value) > 146: lines.append(line); line = ""
        line += value + ","
    return f"/// {comment}\nstatic const {type} {name}[] = {{\n" + "\n".join("    " + l for l in lines + [line]) + "\n};"

places, blocks, index = {}, [], []
for start in range(0, 0x110000, BLOCK):
    kinds = [kind(c) for c in range(start, start + BLOCK)]
    words = tuple(sum(k << 2 * i for i, k in enumerate(kinds[j:j + 16])) for j in range(0, BLOCK, 16))
    if words not in places: places[words] = len(places); blocks += words
    index.append(places[words])
assert len(places) <= 256

print(f"// Written by make_unicode.py from Unicode {unicode.unidata_version}: two bits a code point, in blocks of {BLOCK} of which equal ones are kept once.")
print("#pragma once\n#include <stdint.h>\n")
print(written("unicode_block", "uint8_t", map(str, index), f"The block that a code point's class is in, by code point / {BLOCK}."))
print(written("unicode_kinds", "uint32_t", (hex(b) for b in blocks), "Sixteen classes a word, the lowest code point in the lowest bits."))
