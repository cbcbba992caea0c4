"""Writes nfc_tables.h: what Unicode normalization form C needs to know about each code point.

    python make_nfc.py > nfc_tables.h

Decompositions and combining classes of assigned characters never change, so Python's version does not matter. Hugging Face's library
(tokenizers 0.23) has the tables of Unicode 9 and leaves what was assigned later alone: so do these tables.
"""
import unicodedata as unicode
from tokenizers import normalizers
from c_arrays import c_array

BLOCK = 128
THEIRS = normalizers.NFC().normalize_str
CODES = [c for c in range(0x30000) if not 0xD800 <= c < 0xE000 and not 0xAC00 <= c < 0xD7A4]
MARKS = "\u0334\u093c\u0f39\u3099\u0327\u0301\u0345\u0323"


def is_known(c):
    """Whether Hugging Face's library normalizes the character as Python does, with the marks of other combining classes around it."""
    texts = [f for m in MARKS for f in ("a" + chr(c) + m, "a" + m + chr(c))] + [unicode.normalize("NFD", chr(c)), chr(c)]
    return all(THEIRS(t) == unicode.normalize("NFC", t) for t in texts)




decomposed = {c: unicode.normalize("NFD", chr(c)) for c in CODES if unicode.normalize("NFD", chr(c)) != chr(c)}
classes = {c: unicode.combining(chr(c)) for c in CODES if unicode.combining(chr(c))}
unknown = {c for c in (*decomposed, *classes) if not is_known(c)}
decomposed = {c: d for c, d in decomposed.items() if c not in unknown}
classes = {c: k for c, k in classes.items() if c not in unknown}
# A composite and its first decomposition, of two characters, if composing the two gives it back.
pairs = {}
for c in decomposed:
    parts = [int(p, 16) for p in unicode.decomposition(chr(c)).split()]
    if len(parts) == 2 and unicode.normalize("NFC", "".join(map(chr, parts))) == chr(c): pairs[tuple(parts)] = c
seconds = {b for _, b in pairs}
order = sorted(set(classes.values()))
assert len(order) < 127
hangul = {*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}


def kind(c):
    """The place of its combining class in ascending order, plus 128 if composing or decomposing may change it."""
    changes = c in seconds or c in hangul or (c in decomposed and unicode.normalize("NFC", chr(c)) != chr(c))
    return (order.index(classes[c]) + 1 if c in classes else 0) + (128 if changes else 0)


offsets, blocks, index = {}, [], []
for start in range(0, 0x30000, BLOCK):
    kinds = tuple(kind(c) for c in range(start, start + BLOCK))
    if kinds not in offsets: offsets[kinds] = len(offsets); blocks += kinds
    index.append(offsets[kinds])
assert len(offsets) <= 256

points = [ord(x) for c in sorted(decomposed) for x in decomposed[c]]
ends = [sum(len(decomposed[d]) for d in sorted(decomposed)[:i + 1]) for i in range(len(decomposed))]
print("// Written by make_nfc.py from the characters that Unicode 9 assigns.")
print("#pragma once\n#include <stdint.h>\n")
print(c_array("nfc_block", "uint8_t", map(str, index), f"The index of a code point's block, by code point / {BLOCK}; from U+30000 on, all characters are stable.") + "\n")
print(c_array("nfc_kinds", "uint8_t", map(str, blocks), "By block and code point: 0 for a stable starter; else its combining class's place in order, plus 128 if it may change.") + "\n")
print(c_array("nfc_composites", "uint32_t", (hex(c) for c in sorted(decomposed)), "Characters with a decomposition, ascending.") + "\n")
print(c_array("nfc_ends", "uint16_t", map(str, ends), "Where the full decomposition of each of them ends in nfc_decompositions.") + "\n")
print(c_array("nfc_decompositions", "uint32_t", map(hex, points), "Their full decompositions, one after another.") + "\n")
print(c_array("nfc_pairs", "uint64_t", (hex(a << 32 | b) for a, b in sorted(pairs)), "Pairs of characters that compose, ascending: the first in the upper 32 bits.") + "\n")
print(c_array("nfc_composed", "uint32_t", (hex(pairs[p]) for p in sorted(pairs)), "What each of them composes to.") + "\n")
