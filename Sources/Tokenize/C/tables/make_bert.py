"""Writes bert_*.bin: what BERT's tokenizer does to each code point, by Hugging Face's library.

    pip install tokenizers && python make_bert.py

tokenizers 0.23 has the general categories of several Unicode versions from 7 to 9. So the library itself is asked about every code point.
"""
from tokenizers import normalizers, pre_tokenizers
from tables import write_blocks

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


write_blocks("bert", [kind(c) for c in range(0x110000)], bits=2)
