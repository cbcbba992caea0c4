"""Tokenizers of other families of models for check_tokenizers.py: small ones that are trained here, and real ones from GGUF vocabularies.

Each is built in Hugging Face's library from the parts that the family's own tokenizer.json has.
"""
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
DEEPSEEK = [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-\ud7ff]+"]
DEEPSEEK_V3 = [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
               r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"]
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
          r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def level(use_regex):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


# The normalizer, the pre-tokenizer and whether merges are ignored, by llama.cpp's name (tokenizer.ggml.pre).
BYTE_LEVEL = {
    "gpt-2": (None, level(True), False),
    "gpt-neox": (normalizers.NFC(), level(True), False),
    "llama-bpe": (None, pre_tokenizers.Sequence([split(LLAMA3), level(False)]), True),
    "qwen2": (normalizers.NFC(), pre_tokenizers.Sequence([split(QWEN2), level(False)]), False),
    "smollm": (None, pre_tokenizers.Sequence([pre_tokenizers.Digits(True), level(True)]), False),
    "starcoder": (None, pre_tokenizers.Sequence([pre_tokenizers.Digits(True), level(True)]), False),
    "deepseek-coder": (None, pre_tokenizers.Sequence([*map(split, DEEPSEEK), pre_tokenizers.Digits(True), level(False)]), False),
    "deepseek-v3": (None, pre_tokenizers.Sequence([*map(split, DEEPSEEK_V3), level(False)]), False),
    "tekken": (None, pre_tokenizers.Sequence([split(TEKKEN), level(False)]), True),
    "glm4": (None, pre_tokenizers.Sequence([split(LLAMA3), level(False)]), True),
    # llama.cpp's own.
    "default": (None, pre_tokenizers.Sequence([split(r"[\p{P}$+<=>^~|]+"), split(GPT2), split(r"\p{N}+"), split("[0-9][0-9][0-9]"), level(False)]), False),
}
MARK = "\u2581"
REPLACE = normalizers.Replace(" ", MARK)


def metaspace(scheme, split):
    return pre_tokenizers.Metaspace(replacement=MARK, prepend_scheme=scheme, split=split)


# The normalizer, the pre-tokenizer and whether decoding drops a space, of SentencePiece's tokenizers.
SENTENCE_PIECE = {
    "Llama 2": (normalizers.Sequence([normalizers.Prepend(MARK), REPLACE]), None, True),
    "Gemma": (REPLACE, pre_tokenizers.Split(" ", "merged_with_previous"), False),
    "Metaspace first": (None, metaspace("first", False), True),
    "Metaspace always": (None, metaspace("always", False), True),
    "Metaspace never, split": (None, metaspace("never", True), False),
    "Metaspace first, split": (normalizers.NFC(), metaspace("first", True), True),
    "Metaspace always, split": (None, metaspace("always", True), True),
}


def sentence_piece(name, vocab, merges, unknown, byte_fallback=True):
    normalizer, pre_tokenizer, drops = SENTENCE_PIECE[name]
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token=unknown, fuse_unk=True, byte_fallback=byte_fallback))
    if normalizer: tokenizer.normalizer = normalizer
    if pre_tokenizer: tokenizer.pre_tokenizer = pre_tokenizer
    steps = [decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence(steps + ([decoders.Strip(" ", 1, 0)] if drops else []))
    return tokenizer


def merges_of_scores(pieces):
    """The merges that transformers makes of a SentencePiece model's scores (convert_slow_tokenizer.generate_merges)."""
    ids, merges = {piece: i for i, (piece, _) in enumerate(pieces)}, []
    for piece, score in pieces:
        halves = [(piece[:i], piece[i:]) for i in range(1, len(piece)) if piece[:i] in ids and piece[i:] in ids]
        merges += [(*pair, score) for pair in sorted(halves, key=lambda pair: (ids[pair[0]], ids[pair[1]]))]
    return [m[:2] for m in sorted(merges, key=lambda m: (m[2], len(m[0]), len(m[1])), reverse=True)]


def byte_level(name, model):
    normalizer, pre_tokenizer, ignores = BYTE_LEVEL[name]
    model.ignore_merges = ignores
    tokenizer = Tokenizer(model)
    if normalizer: tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizer, decoders.ByteLevel()
    return tokenizer


def from_gguf(path):
    """The tokenizer of a GGUF file."""
    from gguf import GGUFReader
    fields = GGUFReader(path).fields
    value = lambda key, default=None: fields["tokenizer.ggml." + key].contents() if "tokenizer.ggml." + key in fields else default
    tokens, types, kind = value("tokens"), value("token_type"), value("model")
    keep = [i for i, (token, type) in enumerate(zip(tokens, types)) if not (type == 4 and token == f"[PAD{i}]")]
    vocab = {tokens[i]: i for i in keep}
    if kind == "gpt2":
        architecture = fields["general.architecture"].contents()
        name = value("pre", "gpt-neox" if architecture == "gptneox" else "gpt-2")
        # Special and added tokens are not in the vocabulary proper: otherwise ignore_merges would make them of words.
        merges = [tuple(m.split(" ")) for m in value("merges")]
        tokenizer = byte_level(name, models.BPE(vocab, merges))
    elif kind == "gemma4":
        merges = [tuple(m.split(" ")) for m in value("merges")]
        tokenizer = sentence_piece("Gemma", vocab, merges, tokens[value("unknown_token_id")])
    else:
        merges = merges_of_scores([(t, s) for t, s, type in zip(tokens, value("scores"), types)])
        tokenizer = sentence_piece("Llama 2", vocab, merges, tokens[value("unknown_token_id")])
    for i in keep:
        if types[i] in (2, 3): tokenizer.add_special_tokens([AddedToken(tokens[i], normalized=False, special=True)])
        if types[i] == 4: tokenizer.add_tokens([AddedToken(tokens[i], normalized=False)])
    return tokenizer


def vectors(path):
    """llama.cpp's test vectors beside a vocabulary: texts and their ids."""
    texts = open(f"{path}.inp", newline="", encoding="utf-8").read().split("\n__ggml_vocab_test__\n")
    lines = open(f"{path}.out").read().split("\n")
    return list(zip(texts, [[int(n) for n in line.split()] for line in lines]))


ADDED = [
    AddedToken("<think>", normalized=False), AddedToken("word", single_word=True, normalized=False), AddedToken("<l>", lstrip=True, normalized=False),
    AddedToken("<r>", rstrip=True, normalized=False), AddedToken("<lr>", lstrip=True, rstrip=True, normalized=False), AddedToken("   ", normalized=True),
    AddedToken("naïve", normalized=True, single_word=True), AddedToken("e\u0301", normalized=True), AddedToken("<a><b>", normalized=False),
    AddedToken("<a>", normalized=False), AddedToken("日", normalized=True, lstrip=True),
]
SPECIAL = [
    AddedToken("<|user|>", special=True, normalized=False), AddedToken("<|eos|>", special=True, normalized=False, rstrip=True),
    AddedToken("<|mask|>", special=True, normalized=False, lstrip=True), AddedToken("<|norm|>", special=True, normalized=True),
]


def texts_with_added_tokens(count, seed):
    chance = random.Random(seed)
    pieces = [t.content for t in ADDED + SPECIAL] + ["a", "word", "words", "1", "_", " ", "  ", "    ", "\t", "\u3000", "é", "e", "\u0301", "\u0323", "naïve",
              "nai\u0308ve", "Ünï", "日本", "<", "|", ">", "<|", "<a", MARK, "don't", "한국", "\u1112\u1161\u11ab", "🙂", "\u2581the", "the"]
    for _ in range(count):
        yield "".join(chance.choice(pieces) for _ in range(chance.randint(1, 16)))


def trained(corpus):
    """Small tokenizers of each family, trained on lines of text: a name and a tokenizer each."""
    for name in BYTE_LEVEL:
        tokenizer = byte_level(name, models.BPE())
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=700, initial_alphabet=alphabet, show_progress=False))
        if name == "llama-bpe": begin_with(tokenizer, "<|begin_of_text|>")
        yield name, tokenizer


def begin_with(tokenizer, text):
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False)])
    template = processors.TemplateProcessing(single=f"{text} $A", pair=f"{text} $A {text} $B", special_tokens=[(text, tokenizer.token_to_id(text))])
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])


def trained_sentence_pieces(corpus, folder):
    """A SentencePiece model trained on lines of text: its processor and its file."""
    import sentencepiece
    (folder / "lines.txt").write_text("\n".join(corpus))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "lines.txt"), model_prefix=str(folder / "tokenizer"), model_type="bpe", vocab_size=800, byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True, allow_whitespace_only_pieces=True,
        character_coverage=0.995, num_threads=1, minloglevel=2, max_sentence_length=100_000)
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model")), folder / "tokenizer.model"
