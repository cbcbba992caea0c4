"""Writes bert_classes.h: what BERT's tokenizer does to each code point, by Hugging Face's library.

    pip install tokenizers && python make_bert.py > bert_classes.h

tokenizers 0.23 has the general categories of several Unicode versions from 7 to 9. So the library itself is asked about every code point.
"""
from tokenizers import normalizers, pre_tokenizers
from c_arrays import BLOCK, kind_arrays

OFF = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
CLEAN = normalizers.BertNormalizer(**{**OFF, "clean_text": True}).normalize_str
STRIP = normalizers.BertNormalizer(**{**OFF, "strip_accents": True}).normalize_str
SPLIT = pre_tokenizers.BertPreTokenizer().pre_tokenize_str


def kind(c):
    """0 other, 1 removed as a control character, 2 punctuation, 3 removed as an accent"""
    if 0xD800 <= c < 0xE000: return 0
    text = f"a{chr(c)}b"
    if CLEAN(text) == "ab": return 1
    if len(SPLIT(text)) == 3: return 2
    return 3 if STRIP(text) == "ab" else 0


print(f"// Written by make_bert.py: two bits per code point, in blocks of {BLOCK}; equal blocks are stored once.")
print("#pragma once\n#include <stdint.h>\n")
print(kind_arrays("bert", kind))
