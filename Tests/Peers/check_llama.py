"""Our GGUF files in llama.cpp: the same logits, the same greedy tokens, the same ids for hard texts, and it knows which tokens are control tokens.

    make test-llama          or:  python Tests/Peers/check_llama.py .build/release/slm .build/release/Logits

A small model that slm trained here on data/sample.txt goes out in every format. llama.cpp loads each; what it computes is held against slm's f32 arithmetic
on the same file imported back, so that both have the same weights. What is left is how llama.cpp rounds: its GELU is a table of f16, in all formats;
and what the weights are multiplied with is rounded to f16, to bf16, or to 8 bits in blocks of 32 (Q8_0 and Q4_0). `LIMITS` has what that may do to a logit, as
a share of the logits' spread: some three times what was seen (7e-4, 7e-4, 6e-3, 2.1e-2, 2.1e-2). A control shows that a model with other weights is told from
each: a Q4_0's logits are 2.4e-1 from everyone else's.
"""
import argparse
import contextlib
import ctypes
import json
import os
import pathlib
import subprocess
import tempfile

import llama_cpp as llama
import numpy as np
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from texts import TALK, TEXTS, WRITTEN

ROOT = pathlib.Path(__file__).parent.parent.parent
LIMITS = {"f32": 2e-3, "f16": 2e-3, "bf16": 2e-2, "q8_0": 6e-2, "q4_0": 6e-2}
CONTEXT, GREEDY, ANSWERS = 128, 64, 4                        # tokens a prompt, and prompts that are answered
QUIET = llama.llama_log_callback(lambda level, text, user: None)


def run(*arguments, text=None):
    done = subprocess.run([str(a) for a in arguments], input=text, capture_output=True, text=True)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


class Ours:
    """The Logits program, which answers a row of ids with a row of scores for each."""
    def __init__(self, program, checkpoint, vocabulary):
        self.process = subprocess.Popen([program, checkpoint], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.vocabulary = vocabulary

    def logits(self, ids):
        self.process.stdin.write((" ".join(map(str, ids)) + "\n").encode())
        self.process.stdin.flush()
        return np.frombuffer(self.process.stdout.read(4 * len(ids) * self.vocabulary), "<f4").reshape(len(ids), self.vocabulary)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Theirs:
    """llama.cpp, whose cache is told to be as precise as the sums are."""
    def __init__(self, path):
        self.model = llama.llama_model_load_from_file(str(path).encode(), llama.llama_model_default_params())
        assert self.model, f"llama.cpp does not load {path}"
        parameters = llama.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = CONTEXT
        parameters.n_threads = parameters.n_threads_batch = 2
        parameters.type_k = parameters.type_v = llama.GGML_TYPE_F32
        self.context = llama.llama_init_from_model(self.model, parameters)
        self.vocab = llama.llama_model_get_vocab(self.model)
        self.size = llama.llama_vocab_n_tokens(self.vocab)

    def logits(self, ids, start=0):
        """Of each of the ids; what came before `start` is in the cache."""
        if start == 0:
            llama.llama_memory_clear(llama.llama_get_memory(self.context), True)
        batch = llama.llama_batch_init(len(ids), 0, 1)
        batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, start + i, 1, 1
            batch.seq_id[i][0] = 0
        assert llama.llama_decode(self.context, batch) == 0
        result = np.ctypeslib.as_array(llama.llama_get_logits(self.context), (len(ids), self.size)).copy()
        llama.llama_batch_free(batch)
        return result

    def ids(self, text, special=False):
        data = text.encode()
        buffer = (llama.llama_token * (len(data) + 8))()
        count = llama.llama_tokenize(self.vocab, data, len(data), buffer, len(buffer), False, special)
        assert count >= 0
        return list(buffer[:count])

    def text(self, ids):
        """Piece by piece, as a server sends an answer: llama_detokenize takes spaces away before apostrophes."""
        buffer, pieces = ctypes.create_string_buffer(1_000), []
        for token in ids:
            count = llama.llama_token_to_piece(self.vocab, token, buffer, len(buffer), 0, True)
            assert count >= 0, token
            pieces.append(buffer.raw[:count])
        return b"".join(pieces)

    def close(self):
        llama.llama_free(self.context)
        llama.llama_model_free(self.model)


def train(slm, folder, form):
    out = folder / form
    run(slm, "tokenize", "--data", ROOT / "data/sample.txt", "--vocab-size", "1200", "--form", form, "--out", out / "tokenizer.json", "--tokens", out / "data")
    run(slm, "train", "--data", out / "data", "--out", out / "run", "--layers", "2", "--width", "64", "--heads", "4", "--context", str(CONTEXT), "--batch", "8",
        "--max-steps", "80", "--lr", "0.01")
    return out / "run" / "last.h5", out / "tokenizer.json"


def prompts(slm, tokenizer):
    lines = (ROOT / "data/sample-val.txt").read_text().splitlines()[:10]
    told = [[int(word) for word in run(slm, "tokenize", "--encode", "--tokenizer", tokenizer, text=line.replace("[INST]", "").replace("[/INST]", "")).split()] for line in lines]
    return [row[:CONTEXT - GREEDY] for row in told]


def greedy(logits, prompt):
    """The likeliest token again and again, and how far ahead of the next each was."""
    ids, margins = list(prompt), []
    scores = logits(ids, 0)[-1]
    while True:
        ids.append(int(np.argmax(scores)))
        second, first = np.sort(scores)[-2:]
        margins.append(float(first - second))
        if len(ids) == len(prompt) + GREEDY:
            return ids[len(prompt):], margins
        scores = logits(ids[-1:], len(ids) - 1)[-1]


def check_numbers(kind, ours, theirs, rows, spread):
    """The worst difference of a logit, as a share of the spread; and the tokens that both say."""
    worst = max(np.abs(ours.logits(row) - theirs.logits(row)).max() for row in rows) / spread
    assert worst < LIMITS[kind], f"{kind}: logits differ by {worst:.1e} of their spread"
    same = 0
    for row in rows[:ANSWERS]:
        said, margins = greedy(theirs.logits, row)
        history = []

        def again(ids, start):
            history[start:] = ids
            return ours.logits(history)

        answer, _ = greedy(again, row)
        place = next((i for i in range(GREEDY) if said[i] != answer[i]), None)
        # From where two tokens are as good as equal, each may go its own way.
        assert place is None or margins[place] < 2 * LIMITS[kind] * spread, f"{kind}: token {place} after {row} is {said[place]} there and {answer[place]} here, {margins[place]:.3f} ahead"
        same += place is None
    assert same == ANSWERS if kind == "f32" else same > 0, f"{kind}: {same} of {ANSWERS} greedy continuations are the same"
    return worst, same


def check_vocabulary(slm, theirs, tokenizer, form):
    specials = {token["content"]: token["id"] for token in json.loads(tokenizer.read_text())["added_tokens"]}
    control = {i for i in range(theirs.size) if llama.llama_vocab_is_control(theirs.vocab, i)}
    assert control == set(specials.values()), f"{form}: control tokens {control}, and ours {specials}"
    line_end = theirs.ids("\n")
    end, turn = (specials["<|eos|>"], specials["<|user|>"]) if form == "markers" else (specials.get("<|endoftext|>", specials.get("<|eos|>", line_end[0])), line_end[0])
    assert (llama.llama_vocab_bos(theirs.vocab), llama.llama_vocab_eos(theirs.vocab), llama.llama_vocab_eot(theirs.vocab)) == (end, end, turn), form
    assert {i for i in range(theirs.size) if llama.llama_vocab_is_eog(theirs.vocab, i)} == {end, turn}, f"{form}: what ends an answer"
    assert not llama.llama_vocab_get_add_bos(theirs.vocab)
    if "<|pad|>" in specials:
        assert llama.llama_vocab_pad(theirs.vocab) == specials["<|pad|>"]
    for text in TEXTS + list(specials):
        told = [int(word) for word in run(slm, "tokenize", "--encode", "--tokenizer", tokenizer, text=text).split()]
        assert theirs.ids(text) == told, f"{form}: {text!r} is {theirs.ids(text)} there and {told} here"
        assert theirs.text(told) == text.encode(), f"{form}: {text!r} comes back as {theirs.text(told)!r}"
    for text, number in specials.items():
        assert theirs.ids(f"a{text}b", special=True)[1:-1] == [number], text


def check_template(theirs, form):
    template = llama.llama_model_chat_template(theirs.model, None).decode()
    for (talk, goes_on), expected in zip(TALK, WRITTEN[form]):
        said = Jinja2ChatFormatter(template, "", "", add_generation_prompt=goes_on)(messages=[dict(role=role, content=text) for role, text in talk]).prompt
        assert said == expected, f"{form}: {said!r} instead of {expected!r}"


@contextlib.contextmanager
def both(program, checkpoint, path):
    theirs = Theirs(path)
    ours = Ours(program, checkpoint, theirs.size)
    try:
        yield ours, theirs
    finally:
        ours.close()
        theirs.close()


def check_format(slm, logits, folder, kind, checkpoint, rows, others):
    path, back = folder / f"{kind}.gguf", folder / f"{kind}.h5"
    run(slm, "export", checkpoint, "--to", path, "--dtype", kind)
    run(slm, "import", path, "--out", back)
    run(slm, "export", back, "--to", folder / "again.gguf", "--dtype", kind)
    with both(logits, back, path) as (ours, theirs):
        spread = float(np.std(np.concatenate([ours.logits(row) for row in rows])))
        worst, same = check_numbers(kind, ours, theirs, rows, spread)
        others[kind] = [theirs.logits(row) for row in rows]
    told = f"{kind} {worst:.1e} ({same} of {ANSWERS} the same {GREEDY} tokens)"
    if kind == "q4_0":                                        # the control: its weights are others than everyone's
        for other, theirs in others.items():
            if other != kind:
                apart = max(np.abs(a - b).max() for a, b in zip(theirs, others[kind])) / spread
                assert apart > 2 * LIMITS[other], f"the limit of {other} would let a Q4_0 through: {apart:.1e}"
    return told


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("slm")
    arguments.add_argument("logits")
    options = arguments.parse_args()
    slm, logits = os.path.abspath(options.slm), os.path.abspath(options.logits)
    llama.llama_log_set(QUIET, ctypes.c_void_p(0))
    llama.llama_backend_init()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for form in WRITTEN:
            checkpoint, tokenizer = train(slm, folder, form)
            if form == "markers":
                rows, others = prompts(slm, tokenizer), {}
                told = [check_format(slm, logits, folder, kind, checkpoint, rows, others) for kind in LIMITS]
            run(slm, "export", checkpoint, "--to", folder / "form.gguf")
            theirs = Theirs(folder / "form.gguf")
            check_vocabulary(slm, theirs, tokenizer, form)
            check_template(theirs, form)
            theirs.close()
    print(f"llama: llama.cpp ({llama.__version__} of llama-cpp-python) has our logits within, as a share of their spread: {', '.join(told)}; ids, control tokens and chats are ours")


if __name__ == "__main__":
    main()
