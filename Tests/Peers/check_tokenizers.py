"""Compares `slm tokenize` with tiktoken, Hugging Face's tokenizers and SentencePiece, on GPT-2's vocabulary, on ones that slm and the peers
train, and on real ones.

    python Tests/Peers/check_tokenizers.py .build/release/slm [--quick] [--engines]
    python Tests/Peers/check_tokenizers.py .build/release/slm --vocabularies DIR [--texts FILE...]
    python Tests/Peers/check_tokenizers.py --fetch

GPT-2's vocabulary comes from the source package of openai-whisper, which is downloaded once, into the virtual environment. All texts
are generated from seeds, except those of --texts. DIR contains GGUF files (of llama.cpp: models/ggml-vocab-*.gguf), with .inp and .out
files of its tests beside them.
"""
import argparse
import itertools
import json
import os
import pathlib
import random
import subprocess
import sys
import tarfile

import tiktoken
from tiktoken.load import load_tiktoken_bpe
from tiktoken_ext import openai_public
from tokenizers import Regex, Tokenizer, pre_tokenizers

import foreign_tokenizers as foreign
from programs import run, scratch_folder

os.environ["TIKTOKEN_CACHE_DIR"] = ""                  # its cache is keyed by path, and paths are reused here
WHISPER = "openai-whisper==20250625"
R50K = openai_public.r50k_pat_str
CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s")
# The patterns of Sources/Tokenize/PreTokenization/PreTokenizationPattern.swift, which all engines interpret alike.
GPT4_WORDS = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
OURS = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "gpt4": GPT4_WORDS + r"|\s+\z|\s*[\r\n]+|\s+(?!\S)|\s+",
    "llama3": GPT4_WORDS + r"|\s*[\r\n]+|\s+(?!\S)|\s+",
}
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


# The texts -----------------------------------------------------------------------------------------------------------

STEP = 997                                             # of the code points with --quick


def code_points(step=1):
    """Every code point alone, after a letter, after a space and doubled."""
    for code in range(0, 0x110000, step):
        if not 0xD800 <= code < 0xE000 and code != 10:
            c = chr(code)
            yield from (c, "a" + c, " " + c, c + c)


PIECES = ["a", "B", "é", "ſ", "K", "日本", "🙂", "👩‍🚀", "e\u0301", " ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", "\r", "\u00a0", "\u180e", "\u2003", "\u0085",
          "\u2028", "\v", "\f", "0", "12", "345", "²", "٣", "ⅷ", "'", "'s", "'S", "'LL", "'ve", "'Re", "'ſ", "’s", "-", "...", "!", "_", "{", "word", "Ünïcödé",
          "straße", "<|endoftext|>", "the", "ing", "\u200d", "\ufffd", "\x00"]


def mixtures(count, seed):
    """Words, contractions, runs of spaces, digits and punctuation in random order."""
    chance = random.Random(seed)
    for _ in range(count):
        yield "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 24)))


def spaces(count, seed):
    """Mostly spaces and line ends of all kinds, where the patterns differ."""
    chance = random.Random(seed)
    for _ in range(count):
        yield "".join(chance.choice(["  ", " ", "\n", "\r", "\r\n", "\t", "\u00a0", "\u3000", "x", "!", "7", "'s"]) for _ in range(chance.randint(1, 12)))


def unicode_noise(count, seed):
    chance = random.Random(seed)
    for _ in range(count):
        codes = [chance.choice([chance.randrange(0x80), chance.randrange(0x800), chance.randrange(0x3000), chance.randrange(0x110000)]) for _ in range(16)]
        yield "".join(chr(c) for c in codes if not 0xD800 <= c < 0xE000)


STRESS = [letter * count for letter in "a 1!é\t日" for count in (1, 2, 3, 63, 64, 65, 1000, 20_000)] + ["ab" * 5_000, " a" * 5_000, "'s" * 2_000, "don't " * 500]


# slm -----------------------------------------------------------------------------------------------------------------

class SLM:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def run(self, *arguments, text=b""):
        done = subprocess.run([self.program, "tokenize", *map(str, arguments)], input=text, capture_output=True)
        if done.returncode != 0:
            sys.exit(f"slm tokenize {' '.join(map(str, arguments))}: {done.stderr.decode()}")
        return done.stdout

    def encode(self, tokenizer, texts, pattern=None, recognize=False):
        """The token ids of each text: texts of one line in one run, each of the others in a run of its own."""
        more = (["--pattern", pattern] if pattern else []) + (["--recognize-specials"] if recognize else [])
        lines = [i for i, text in enumerate(texts) if is_line(text)]
        output = self.run("encode", tokenizer, *more, "--lines", text="".join(texts[i] + "\n" for i in lines).encode())
        ids = {i: [int(n) for n in line.split()] for i, line in zip(lines, output.decode().split("\n"))}
        for i, text in enumerate(texts):
            if i not in ids:
                ids[i] = [int(n) for n in self.run("encode", tokenizer, *more, text=text.encode()).split()]
        return [ids[i] for i in range(len(texts))]

    def decode(self, tokenizer, ids):
        return self.run("decode", tokenizer, text=" ".join(map(str, ids)).encode())


def compare(name, texts, ours, theirs):
    if len(ours) != len(theirs):
        sys.exit(f"{name}: {len(texts)} texts, but {len(ours)} and {len(theirs)} answers")
    wrong = [i for i in range(len(texts)) if list(ours[i]) != list(theirs[i])]
    for i in wrong[:10]:
        print(f"  {texts[i][:80]!r}\n    slm   {str(ours[i])[:160]}\n    peer  {str(theirs[i])[:160]}")
    print(f"{'ok' if not wrong else 'FAILED'}: {name}: {len(texts)} texts, {len(wrong)} differ", flush=True)
    return len(wrong)


def parts(texts, size=500_000):
    """The texts in batches that fit in memory."""
    texts = iter(texts)
    while part := list(itertools.islice(texts, size)):
        yield part


def is_line(text):
    """Whether slm can encode a text as a line beside others."""
    return "\n" not in text and not text.endswith("\r")


def few_alone(texts, quick):
    """The texts without most of those that slm needs a run of its own for."""
    texts = list(texts)
    return [t for t in texts if is_line(t)] + [t for t in texts if not is_line(t)][:1 if quick else 5]


def one_text(texts):
    """Joins texts by line ends, so that word borders at line ends are checked as well."""
    return ["\n".join(texts[i:i + 20_000]) for i in range(0, len(texts), 20_000)]


# The checks ----------------------------------------------------------------------------------------------------------

def gpt2_file(cache):
    """gpt2.tiktoken from openai-whisper, downloaded without dependencies."""
    path = cache / "gpt2.tiktoken"
    if not path.exists():
        with scratch_folder() as folder:
            run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHISPER)
            with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
                member = next(m for m in archive.getmembers() if m.name.endswith("whisper/assets/gpt2.tiktoken"))
                data = archive.extractfile(member).read()
        cache.mkdir(exist_ok=True)
        path.write_bytes(data)
    return path


def encoding(path, pattern, specials):
    return tiktoken.Encoding("peer", pat_str=pattern, mergeable_ranks=load_tiktoken_bpe(str(path)), special_tokens=specials)


def hugging_face(path):
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.encode_special_tokens = True
    return tokenizer


def hf_ids(tokenizer, texts):
    return [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]


def check_patterns(quick):
    """Compares slm's patterns with the originals in Hugging Face's engine (except {1,3}+, which Oniguruma interprets differently)."""
    texts = list(spaces(2_000 if quick else 60_000, 1)) + list(mixtures(2_000 if quick else 60_000, 2)) + list(unicode_noise(2_000 if quick else 30_000, 3))
    texts += list(code_points(STEP if quick else 1))
    def onig(pattern):
        split = pre_tokenizers.Split(Regex(pattern), "isolated")
        return lambda text: [word for word, _ in split.pre_tokenize_str(text)]

    wrong = 0
    wrong += compare("gpt2 in Hugging Face's engine, ours and its own", texts, *[[f(t) for t in texts] for f in (onig(OURS["gpt2"]), byte_level())])
    wrong += compare("llama3 in Hugging Face's engine, ours and its own", texts, *[[f(t) for t in texts] for f in (onig(OURS["llama3"]), onig(LLAMA3))])
    fixed = CL100K.replace("{1,3}+", "{1,3}")
    wrong += compare("gpt4 in Hugging Face's engine, ours and tiktoken's", texts, *[[f(t) for t in texts] for f in (onig(OURS["gpt4"]), onig(fixed))])
    return wrong


def byte_level():
    """GPT-2's own pre-tokenizer. Its words are in the byte-to-unicode alphabet, so the original text is returned by offsets."""
    step = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return lambda text: [text[a:b] for _, (a, b) in step.pre_tokenize_str(text)]


def check_engines(ranks, quick):
    """Compares slm's patterns with tiktoken's own in tiktoken."""
    texts = list(spaces(2_000 if quick else 200_000, 4)) + list(mixtures(2_000 if quick else 200_000, 5)) + list(code_points(STEP if quick else 3))
    wrong = 0
    for name, theirs in (("gpt2", R50K), ("gpt4", CL100K), ("llama3", LLAMA3)):
        both = [tiktoken.Encoding(name, pat_str=p, mergeable_ranks=ranks, special_tokens={}).encode_ordinary_batch(texts, num_threads=2) for p in (OURS[name], theirs)]
        wrong += compare(f"{name} in tiktoken's engine, ours and its own", texts, *both)
    return wrong


def check_gpt2(slm, path, quick):
    """Compares encodings with GPT-2's vocabulary, from tiktoken's file and from a tokenizer.json that slm converts it to."""
    wrong = 0
    peer = encoding(path, R50K, {"<|endoftext|>": 50256})
    converted = slm.folder / "gpt2.json"
    slm.run("convert", path, "--out", converted)
    face = hugging_face(converted)
    sets = {f"code points, part {i + 1}": part for i, part in enumerate(parts(code_points(STEP if quick else 1)))}
    sets |= {
        "random Unicode": list(unicode_noise(1_000 if quick else 4_000, 6)),
        "mixtures": few_alone((t.replace("\n", "\u2028") for t in mixtures(1_000 if quick else 4_000, 7)), quick),
        "stress": STRESS,
    }
    sets["lines"] = one_text([*mixtures(1_000 if quick else 4_000, 8)]) + one_text([*spaces(1_000 if quick else 4_000, 9)])
    sets["code points in one text"] = one_text(list(code_points(STEP if quick else 41)))
    for name, texts in sets.items():
        ours = slm.encode(path, texts)
        wrong += compare(f"GPT-2, {name}, tiktoken", texts, ours, peer.encode_ordinary_batch(texts, num_threads=2))
        if name.startswith("code points, part") and not quick:
            texts, ours = texts[::7], ours[::7]                # Hugging Face's library is slow
        wrong += compare(f"GPT-2 as tokenizer.json, {name}, Hugging Face", texts, ours, hf_ids(face, texts))
        wrong += compare(f"GPT-2 as tokenizer.json, {name}, slm itself", texts, ours, slm.encode(converted, texts))
    for pattern, regex in (("gpt4", CL100K), ("llama3", LLAMA3)):
        texts = [t.replace("\n", "\r x") for t in mixtures(1_000 if quick else 3_000, 10)] + one_text([*spaces(1_000 if quick else 3_000, 11)])
        texts += list(code_points(STEP if quick else 11))
        peer_too = encoding(path, regex, {})
        wrong += compare(f"GPT-2's vocabulary with the pattern {pattern}, tiktoken", texts, slm.encode(path, texts, pattern), peer_too.encode_ordinary_batch(texts, num_threads=2))
    return wrong


def check_foreign(slm, path, quick):
    """Compares encodings with tokenizer.json files of other programs: GPT-2's vocabulary with other pre-tokenizers."""
    wrong = 0
    file = slm.folder / "foreign.json"
    slm.run("convert", path, "--out", file)
    content = json.loads(file.read_bytes())
    texts = few_alone((t.replace("\n", "\u2028") for t in mixtures(1_000 if quick else 4_000, 17)), quick) + one_text([*spaces(1_000 if quick else 4_000, 18)])
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}

    def split(pattern, behavior="Isolated", invert=False):
        return {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}, level]}

    regexes = (LLAMA3, CL100K, R50K, r"\p{N}{1,3}+", r"\b", r"^\w+|[^\s\w]+$", r"(?=\p{Lu})", r"\h|\v|[[:alpha:]]+")
    cases = {f"Split by {regex}": (None, split({"Regex": regex})) for regex in regexes}
    cases |= {
        "Split by a string": (None, split({"String": " a.+"})),
        "Split, Removed and inverted": (None, split({"Regex": LLAMA3}, "Removed", True)),
        "Digits one by one": (None, {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, level | {"use_regex": True}]}),
        "Digits in runs": (None, {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": False}, level | {"use_regex": True}]}),
        "Digits alone": (None, {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, level]}),
        "prefix space": (None, level | {"use_regex": True, "add_prefix_space": True}),
    }
    for name, (normalizer, pre_tokenizer) in cases.items():
        for whole in (False, True):
            content["normalizer"], content["pre_tokenizer"], content["model"]["ignore_merges"] = normalizer, pre_tokenizer, whole
            file.write_text(json.dumps(content))
            # With ignore_merges, Hugging Face's library encodes a word equal to a special token as that token; slm never does.
            some = [t.replace("<|endoftext|>", "") for t in texts] if whole else texts
            wrong += compare(f"{name}{', ignore_merges' if whole else ''}", some, slm.encode(file, some), hf_ids(hugging_face(file), some))
    return wrong


def check_bytes(slm, path, quick):
    """Checks that arbitrary bytes are decoded to themselves."""
    chance, wrong = random.Random(12), 0
    for size in (1, 2, 3, 1_000, 4_000 if quick else 3_000_000):
        data = chance.randbytes(size)
        ids = [int(n) for n in slm.run("encode", path, text=data).split()]
        wrong += slm.decode(path, ids) != data
    print(f"{'ok' if not wrong else 'FAILED'}: random bytes are decoded to themselves")
    return wrong


def check_trained(slm, quick):
    """Compares encodings with vocabularies that slm trains and writes."""
    wrong = 0
    corpus = slm.folder / "corpus.txt"
    corpus.write_bytes("\n".join(mixtures(20_000, 13)).replace("<|endoftext|>", "").replace("\0", "").encode())
    texts = few_alone((t.replace("\n", "\u2028") for t in mixtures(1_000 if quick else 3_000, 14)), quick) + one_text([*spaces(1_000 if quick else 3_000, 15)])
    texts += list(code_points(STEP if quick else 61))
    for pattern, regex in (("gpt2", R50K), ("gpt4", CL100K), ("llama3", LLAMA3), (r"\s+|\S+?(?=[a-f])", None), ("none", None)):
        trained, ranks = slm.folder / "trained.json", slm.folder / "trained.tiktoken"
        slm.run("train", "--data", corpus, "--format", "text", "--vocab-size", 1_000, "--pattern", pattern, "--out", trained)
        some = texts if pattern != "none" else [t[:2_000] for t in texts]
        ours = slm.encode(trained, some)
        wrong += compare(f"trained with {pattern}, Hugging Face", some, ours, hf_ids(hugging_face(trained), some))
        slm.run("convert", trained, "--out", ranks)
        if regex:
            wrong += compare(f"trained with {pattern}, tiktoken", some, ours, encoding(ranks, regex, {}).encode_ordinary_batch(some, num_threads=2))
        wrong += compare(f"trained with {pattern}, .tiktoken in slm", some, ours, slm.encode(ranks, some, pattern))
        face = hugging_face(trained)
        back = [face.decode(ids, skip_special_tokens=False) for ids in ours[:5_000]]
        wrong += compare(f"trained with {pattern}, decoded by Hugging Face", some[:5_000], [[t] for t in some[:5_000]], [[t] for t in back])
    characters = slm.folder / "characters.json"
    slm.run("train", "--data", corpus, "--format", "text", "--characters", "--out", characters)
    some = [t.replace("<|endoftext|>", "") for t in mixtures(2_000, 16) if "\n" not in t and "\0" not in t and not t.endswith("\r")]
    wrong += compare("characters, Hugging Face", some, slm.encode(characters, some), hf_ids(hugging_face(characters), some))
    return wrong


def check_families(slm, quick):
    """Compares encodings with small tokenizers of other families, with added tokens of every kind, before and after slm converts them."""
    wrong = 0
    corpus = [t.replace("\n", " ") for t in mixtures(4_000, 19)]
    texts = list(foreign.texts_with_added_tokens(700 if quick else 30_000, 21)) + [t.replace("\n", "\u2028") for t in mixtures(500 if quick else 4_000, 22)]
    texts += list(unicode_noise(300 if quick else 4_000, 23)) + list(code_points(3 * STEP if quick else 13))
    texts += [t for t in STRESS if not quick or len(t) < 5_000]
    texts = [t for t in texts if is_line(t)]
    lines = one_text([*mixtures(300, 24)])
    processor, model = foreign.trained_sentence_pieces(corpus, slm.folder)
    pieces = [(processor.id_to_piece(i), processor.get_score(i)) for i in range(processor.get_piece_size())]
    vocab, merges = {piece: i for i, (piece, _) in enumerate(pieces)}, foreign.merges_of_scores(pieces)
    wrong += compare("tokenizer.model, SentencePiece", texts, slm.encode(model, texts), processor.encode(texts))
    cases = [*foreign.trained(corpus), *((name, foreign.sentence_piece(name, vocab, merges, "<unk>")) for name in foreign.SENTENCE_PIECE)]
    cases.append(("SentencePiece without byte fallback", foreign.sentence_piece("Llama 2", vocab, merges, "<unk>", False)))
    for name, tokenizer in cases:
        for count in (0, 1):
            if count:
                tokenizer.add_special_tokens(foreign.SPECIAL)
                tokenizer.add_tokens(foreign.ADDED)
            file, converted = slm.folder / "family.json", slm.folder / "converted.json"
            tokenizer.save(str(file))
            slm.run("convert", file, "--out", converted)
            label = f"{name}{', added tokens' if count else ''}"
            for recognize in (False, True)[:count + 1]:
                tokenizer.encode_special_tokens = not recognize
                theirs, ours = hf_ids(tokenizer, texts + lines), slm.encode(file, texts + lines, recognize=recognize)
                wrong += compare(f"{label}{', special tokens recognized' if recognize else ''}, Hugging Face", texts + lines, ours, theirs)
                wrong += compare(f"{label}, converted, slm", texts, ours[:len(texts)], slm.encode(converted, texts, recognize=recognize))
                # With ignore_merges, Hugging Face's library encodes a word equal to an added token of the file as that token.
                if not (count and name == "llama-bpe"):
                    face = hugging_face(converted)
                    face.encode_special_tokens = not recognize
                    wrong += compare(f"{label}, converted, Hugging Face", texts, ours[:len(texts)], hf_ids(face, texts))
            # Hugging Face's library decodes the text of an added token as the names of bytes, if it consists of such names, and a normalized
            # one of Llama 2's with a space before it.
            some = [i for i in range(0, len(texts), 41) if not set(texts[i]) & set("éï日\u0301\u0308")][:3 if quick else 40]
            decoded = [tokenizer.decode(theirs[i], skip_special_tokens=False) for i in some]
            back = [slm.decode(file, theirs[i]).decode(errors="replace") for i in some]
            wrong += compare(f"{label}, decoded", [texts[i] for i in some], [[t] for t in back], [[t] for t in decoded])
    return wrong


def byte_letter(byte):
    """The character of GPT-2's byte-to-unicode alphabet for a byte."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return chr(byte) if byte in visible else chr(256 + [b for b in range(256) if b not in visible].index(byte))


def check_vocabularies(slm, folder, files, quick):
    """Compares encodings with real vocabularies in GGUF files: llama.cpp's test vectors, and Hugging Face's library on texts."""
    wrong = 0
    texts = [line for file in files for line in pathlib.Path(file).read_bytes().decode(errors="replace").split("\n") if not line.endswith("\r")]
    generated = [t.replace("\n", "\u2028") for t in mixtures(4_000, 25)] + list(unicode_noise(1_000 if quick else 20_000, 26)) + STRESS
    for path in sorted(pathlib.Path(folder).glob("*.gguf")):
        converted, name = slm.folder / "real.json", path.stem.removeprefix("ggml-vocab-")
        slm.run("convert", path, "--out", converted)
        if pathlib.Path(f"{path}.inp").exists():
            pairs = foreign.vectors(path)
            wrong += compare(f"{name}, llama.cpp's vectors", [t for t, _ in pairs], slm.encode(path, [t for t, _ in pairs]), [ids for _, ids in pairs])
        face, again = foreign.from_gguf(path), hugging_face(converted)
        face.encode_special_tokens = True
        # StarCoder's has no token for some bytes: an error in slm, and nothing in Hugging Face's library.
        vocab = face.get_vocab()
        missing = {byte for byte in range(256) if "<0x00>" not in vocab and byte_letter(byte) not in vocab}
        encodable = lambda texts: [t for t in texts if not missing & set(t.encode())]
        for label, some in (("random texts", encodable(generated)), ("texts", encodable(texts))):
            if not some: continue
            for start in range(0, len(some), 100_000):
                part = some[start:start + 100_000]
                ours = slm.encode(path, part)
                wrong += compare(f"{name}, {label}, Hugging Face", part, ours, hf_ids(face, part))
            wrong += compare(f"{name}, {label}, converted", part[:20_000], ours[:20_000], slm.encode(converted, part[:20_000]))
            if face.pre_tokenizer is None or name != "llama-bpe":
                wrong += compare(f"{name}, {label}, converted, Hugging Face", part[:5_000], ours[:5_000], hf_ids(again, part[:5_000]))
        points = encodable(code_points(STEP if quick else 1))
        for number, part in enumerate(parts(points)):
            wrong += compare(f"{name}, code points, part {number + 1}, Hugging Face", part, slm.encode(path, part), hf_ids(face, part))
        if files:
            whole = [pathlib.Path(files[0]).read_text()]
            wrong += compare(f"{name}, {files[0]} as one text, Hugging Face", whole, slm.encode(path, whole), hf_ids(face, whole))
    return wrong


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("slm", nargs="?", default=".build/release/slm")
    arguments.add_argument("--fetch", action="store_true", help="download GPT-2's vocabulary and exit")
    arguments.add_argument("--engines", action="store_true", help="also compare the patterns with the originals in the peers' engines (takes minutes)")
    arguments.add_argument("--quick", action="store_true", help="use only a few texts of each kind")
    arguments.add_argument("--vocabularies", metavar="DIR", help="compare only real vocabularies: the GGUF files of a folder")
    arguments.add_argument("--texts", metavar="FILE", nargs="*", default=[], help="with --vocabularies, also compare the lines of these files")
    options = arguments.parse_args()
    if options.vocabularies:
        with scratch_folder() as folder:
            wrong = check_vocabularies(SLM(options.slm, folder), options.vocabularies, options.texts, options.quick)
        sys.exit(f"{wrong} differences" if wrong else 0)
    path = gpt2_file(pathlib.Path(sys.prefix) / "cache")
    if options.fetch: return
    with scratch_folder() as folder:
        slm = SLM(options.slm, folder)
        wrong = check_patterns(options.quick) + check_engines(load_tiktoken_bpe(str(path)), options.quick) if options.engines else 0
        wrong += check_foreign(slm, path, options.quick) + check_gpt2(slm, path, options.quick) + check_bytes(slm, path, options.quick) + check_trained(slm, options.quick)
        wrong += check_families(slm, options.quick)
    sys.exit(f"{wrong} differences" if wrong else 0)


if __name__ == "__main__":
    main()
