"""Runs GGUF files of slm in llama.cpp and compares logits, greedy tokens, token ids of difficult texts, and special tokens.

    make test-llama          or:  python Tests/Peers/check_llama.py .build/release/slm .build/release/Logits .build/release/CheckpointWriter

A small model, trained here on data/sample.txt, is exported in every format. llama.cpp's logits are compared with slm's f32 logits of the same file imported again, so
that both have the same weights. The remaining difference is llama.cpp's rounding: its GELU is an f16 table in all formats, and the inputs of matmuls are rounded to
f16, to bf16, or to 8 bits in blocks (the other types; rows of this model are too short for K-quants and IQ4_XS, in whose place are Q5_0, Q5_1, Q8_0 and IQ4_NL). `LIMITS` contains the allowed difference of a logit relative to the standard deviation of the logits,
about three times the observed ones (7e-4, 7e-4, 6e-3, 2.1e-2, 2.1e-2). As a control, a model with other weights must exceed the limits: Q4_0's logits differ from
those of the other formats by 2.4e-1.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import subprocess
import tempfile

import gguf
import llama_cpp as llama
import numpy as np
from llama_cpp import _ggml
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from check_gguf import weights
from programs import command_line, run
from texts import CONVERSATIONS, TEXTS, RENDERED

ROOT = pathlib.Path(__file__).parent.parent.parent
LIMITS = {"f32": 2e-3, "f16": 2e-3, "bf16": 2e-2, "q8_0": 6e-2, "q6_k": 6e-2, "q5_k_m": 6e-2, "q4_k_m": 6e-2, "iq4_xs": 6e-2, "q4_0": 6e-2}
CONTEXT, GREEDY, ANSWERS = 128, 64, 4                        # tokens of the context and of an answer; number of answers
QUIET = llama.llama_log_callback(lambda level, text, user: None)


class Ours:
    """The Logits program: reads a line of ids and writes the logits after each."""
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
    """llama.cpp with an f32 KV cache."""
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
        """Returns the logits after each id. Ids before `start` are in the KV cache."""
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
        """Converts token by token, as a server streams an answer, because llama_detokenize removes spaces before apostrophes."""
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
    run(slm, "tokenize", "corpus", "--data", ROOT / "data/sample.txt", "--vocab-size", "1200", "--chat-template", form, "--out", out / "data")
    run(slm, "train", "--data", out / "data", "--out", out / "run", "--preset", "eugpt", "--recipe", "nanogpt", "--layers", "2", "--width", "64", "--heads", "4", "--context", str(CONTEXT), "--batch", "8",
        "--max-steps", "80", "--lr", "0.01")
    return out / "run" / "last.h5", out / "data" / "tokenizer.json"


def prompts(slm, tokenizer):
    lines = (ROOT / "data/sample-val.txt").read_text().splitlines()[:10]
    rows = [[int(word) for word in run(slm, "tokenize", "encode", tokenizer, text=line.replace("[INST]", "").replace("[/INST]", "")).split()] for line in lines]
    return [row[:CONTEXT - GREEDY] for row in rows]


def greedy(logits, prompt):
    """Generates the most likely tokens. Returns them with the margin of each logit over the second largest."""
    ids, margins = list(prompt), []
    last_logits = logits(ids, 0)[-1]
    while True:
        ids.append(int(np.argmax(last_logits)))
        second, first = np.sort(last_logits)[-2:]
        margins.append(float(first - second))
        if len(ids) == len(prompt) + GREEDY:
            return ids[len(prompt):], margins
        last_logits = logits(ids[-1:], len(ids) - 1)[-1]


def greedy_answers(ours, theirs, prompt):
    """The tokens of llama.cpp, their margins, and those of slm."""
    history = []

    def again(ids, start):
        history[start:] = ids
        return ours.logits(history)

    return *greedy(theirs.logits, prompt), greedy(again, prompt)[0]


def check_numbers(kind, ours, theirs, rows, spread):
    """Returns the largest relative difference of a logit, and the number of equal greedy continuations."""
    worst = max(np.abs(ours.logits(row) - theirs.logits(row)).max() for row in rows) / spread
    assert worst < LIMITS[kind], f"{kind}: logits differ by {worst:.1e} standard deviations"
    same = 0
    for row in rows[:ANSWERS]:
        expected, margins, answer = greedy_answers(ours, theirs, row)
        index = next((i for i in range(GREEDY) if expected[i] != answer[i]), None)
        # The continuations may differ from a token on whose margin is within the error.
        assert index is None or margins[index] < 2 * LIMITS[kind] * spread, f"{kind}: token {index} after {row}: expected {expected[index]} with a margin of {margins[index]:.3f}, found {answer[index]}"
        same += index is None
    assert same == ANSWERS if kind == "f32" else same > 0, f"{kind}: {same} of {ANSWERS} greedy continuations are equal"
    return worst, same


def check_vocabulary(slm, theirs, tokenizer, form):
    specials = {token["content"]: token["id"] for token in json.loads(tokenizer.read_text())["added_tokens"]}
    control = {i for i in range(theirs.size) if llama.llama_vocab_is_control(theirs.vocab, i)}
    assert control == set(specials.values()), f"{form}: expected the control tokens {specials}, found {control}"
    line_end = theirs.ids("\n")
    end, turn = (specials["<|eos|>"], specials["<|user|>"]) if form == "markers" else (specials.get("<|endoftext|>", specials.get("<|eos|>", line_end[0])), line_end[0])
    assert (llama.llama_vocab_bos(theirs.vocab), llama.llama_vocab_eos(theirs.vocab), llama.llama_vocab_eot(theirs.vocab)) == (end, end, turn), form
    assert {i for i in range(theirs.size) if llama.llama_vocab_is_eog(theirs.vocab, i)} == {end, turn}, f"{form}: end-of-generation tokens differ"
    assert not llama.llama_vocab_get_add_bos(theirs.vocab)
    if "<|pad|>" in specials:
        assert llama.llama_vocab_pad(theirs.vocab) == specials["<|pad|>"]
    for text in TEXTS + list(specials):
        expected = [int(word) for word in run(slm, "tokenize", "encode", tokenizer, text=text).split()]
        assert theirs.ids(text) == expected, f"{form}: {text!r}: expected {expected}, found {theirs.ids(text)}"
        assert theirs.text(expected) == text.encode(), f"{form}: {text!r} decodes to {theirs.text(expected)!r}"
    for text, number in specials.items():
        assert theirs.ids(f"a{text}b", special=True)[1:-1] == [number], text


def check_template(theirs, form):
    template = llama.llama_model_chat_template(theirs.model, None).decode()
    for (messages, add_generation_prompt), expected in zip(CONVERSATIONS, RENDERED[form]):
        formatter = Jinja2ChatFormatter(template, "", "", add_generation_prompt=add_generation_prompt)
        prompt = formatter(messages=[dict(role=role, content=text) for role, text in messages]).prompt
        assert prompt == expected, f"{form}: expected {expected!r}, found {prompt!r}"


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
    run(slm, "export", checkpoint, "--out", path, "--dtype", kind)
    run(slm, "import", path, "--out", back)
    run(slm, "export", back, "--out", folder / "again.gguf", "--dtype", kind)
    with both(logits, back, path) as (ours, theirs):
        spread = float(np.std(np.concatenate([ours.logits(row) for row in rows])))
        worst, same = check_numbers(kind, ours, theirs, rows, spread)
        others[kind] = [theirs.logits(row) for row in rows]
    result = f"{kind} {worst:.1e} ({same} of {ANSWERS} continuations of {GREEDY} tokens equal)"
    if kind == "q4_0":                                        # the control: its weights differ from all others
        for other, theirs in others.items():
            if other != kind:
                apart = max(np.abs(a - b).max() for a, b in zip(theirs, others[kind])) / spread
                assert apart > 2 * LIMITS[other], f"the limit of {other} would accept Q4_0: {apart:.1e}"
    return result


def check_fit(writer, folder):
    """Blocks of IQ4_NL and IQ4_XS that slm fits to numbers of a normal distribution have no larger squared errors than llama.cpp's."""
    quantize = _ggml.libggml.ggml_quantize_chunk
    quantize.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
    quantize.restype = ctypes.c_size_t
    path, results = folder / "fitted.gguf", {}
    run(writer, "to-gguf", path, "iq4_xs")
    exact = weights(f"{path}.h5")
    for tensor in gguf.GGUFReader(path).tensors:
        kind, numbers = tensor.tensor_type, np.ascontiguousarray(exact[tensor.name])
        if kind.name not in ("IQ4_NL", "IQ4_XS"):
            continue
        blocks = np.empty(tensor.data.shape, np.uint8)
        assert quantize(int(kind), numbers.ctypes.data, blocks.ctypes.data, 0, *numbers.shape, None) == blocks.nbytes
        ours, theirs = (float(((gguf.quants.dequantize(data, kind) - numbers) ** 2).sum() / (numbers ** 2).sum()) for data in (tensor.data, blocks))
        assert ours < theirs, f"{tensor.name}: slm's {kind.name} has a squared error of {ours:.4f}, llama.cpp's {theirs:.4f}"
        results[kind.name] = f"{kind.name} {ours:.4f} ({theirs:.4f})"
    assert len(results) == 2, results
    return ", ".join(results.values())


def main():
    options = command_line(__doc__, "slm", "logits", "writer")
    slm, logits, writer = (os.path.abspath(path) for path in (options.slm, options.logits, options.writer))
    llama.llama_log_set(QUIET, ctypes.c_void_p(0))
    llama.llama_backend_init()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        errors = check_fit(writer, folder)
        for form in RENDERED:
            checkpoint, tokenizer = train(slm, folder, form)
            if form == "markers":
                rows, others = prompts(slm, tokenizer), {}
                results = [check_format(slm, logits, folder, kind, checkpoint, rows, others) for kind in LIMITS]
            run(slm, "export", checkpoint, "--out", folder / "form.gguf")
            theirs = Theirs(folder / "form.gguf")
            check_vocabulary(slm, theirs, tokenizer, form)
            check_template(theirs, form)
            theirs.close()
    print(f"llama: llama.cpp ({llama.__version__} of llama-cpp-python) has slm's logits within, in standard deviations: {', '.join(results)}; ids, special tokens and chat templates are equal; squared errors of slm's blocks (of llama.cpp's): {errors}")


if __name__ == "__main__":
    main()
