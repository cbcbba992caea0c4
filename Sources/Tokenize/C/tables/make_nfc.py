"""Writes nfc_*.bin: what Unicode normalization form C needs to know about each code point.

    python make_nfc.py

Decompositions and combining classes of assigned characters never change, so Python's version does not matter. Hugging Face's library
(tokenizers 0.23) has the tables of Unicode 9 and leaves what was assigned later alone: so do these tables.
"""
import unicodedata as unicode
from tokenizers import normalizers
from tables import write, write_blocks

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


def code_points(text, count):
    """Three bytes for each of `count` code points, the highest first; 0 after the last one."""
    return b"".join(ord(c).to_bytes(3, "big") for c in text.ljust(count, "\0"))


write_blocks("nfc", [kind(c) for c in range(0x30000)], bits=8)
write("nfc_decompositions", b"".join(code_points(chr(c) + decomposed[c], 5) for c in sorted(decomposed)))
write("nfc_pairs", b"".join(code_points(chr(a) + chr(b) + chr(pairs[a, b]), 3) for a, b in sorted(pairs)))
