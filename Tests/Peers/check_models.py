"""Imports random models of every family from transformers, exports them again, and compares logits; with --llama, also with llama.cpp.

    python Tests/Peers/check_models.py .build/release/slm .build/release/Logits [--llama] [--shape SmolLM2-135M …]

Logits of ten prompts may differ by at most 1e-4 of the largest: alone, in a batch, and with a KV cache. --shape checks models of that size, which takes minutes.
"""
import argparse
import gc
import json
import os
import shutil
import subprocess

import offline                                              # before transformers

import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM

from families import MODELS, SHAPES, ours, prompts, random_model, save_tokenizer, theirs, write_mxfp4, write_old_config
from programs import run, scratch_folder

# The same model in a family with fewer options: without a window, a Mistral is a Llama.
EXPORTED = {"mistral-full": "llama", "phi3": "llama"}
# LongRoPE depends on the length of the longest prompt.
ONE_PROMPT = {"phi3-long"}
GREEDY = 64


def difference(found, expected):
    """The largest difference of a logit, relative to the largest logit if that is above 1."""
    return max(np.abs(a - b).max() for a, b in zip(found, expected)) / max(1, max(np.abs(b).max() for b in expected))


def check_logits(logits, checkpoint, rows, expected, name, modes=("", "batch", "cache")):
    worst = 0
    for mode in modes:
        apart = difference(ours(logits, checkpoint, rows, expected[0].shape[1], *filter(None, [mode])), expected)
        assert apart < 1e-4, f"{name}: logits ({mode or 'alone'}) differ by {apart:.1e}"
        worst = max(worst, apart)
    return worst


def check(slm, logits, folder, name, config, longest=100, deviation=0.08, count=10, llama=None):
    model = random_model(config, deviation=deviation)
    rows = prompts(config.vocab_size, longest, count=count)
    expected = theirs(model, rows)
    model.save_pretrained(folder / "theirs", max_shard_size="100KB" if config.vocab_size < 1_000 else "5GB")
    save_tokenizer(folder / "theirs")
    run(slm, "import", folder / "theirs", "--out", folder / "ours.h5")
    worst = check_logits(logits, folder / "ours.h5", rows, expected, name)
    check_logits(logits, folder / "theirs", rows, expected, f"{name}, the folder itself", modes=("cache",))
    if write_old_config(folder / "theirs") and config.vocab_size < 1_000:
        run(slm, "import", folder / "theirs", "--out", folder / "old.h5")
        a, b = (json.loads(run(slm, "info", path, "--json")) for path in (folder / "ours.h5", folder / "old.h5"))
        assert a["configuration"] == b["configuration"], f"{name}: the older config.json has another meaning: {a['configuration']} {b['configuration']}"
    shutil.rmtree(folder / "theirs")
    run(slm, "export", folder / "ours.h5", "--out", folder / "back")
    back = AutoModelForCausalLM.from_pretrained(folder / "back").eval()
    assert back.config.model_type == EXPORTED.get(name, config.model_type), f"{name}: exported as {back.config.model_type}"
    state, again = model.state_dict(), back.state_dict()
    if name not in ("llama-biases", "phi3"):                 # slm stores the MLP's biases, too: zeros; a Llama has Phi's matrices in parts
        assert state.keys() == again.keys(), f"{name}: {state.keys() ^ again.keys()}"
    for key, value in state.items() if name != "phi3" else []:
        # Gemma's norms are stored as 1 + w.
        assert torch.allclose(value, again[key], rtol=0, atol=1e-6 if config.model_type.startswith("gemma") and "norm" in key else 0), f"{name}: {key}"
    apart = difference(theirs(back, rows), expected)
    assert apart < 1e-5, f"{name}: transformers' logits of the exported folder differ by {apart:.1e}"
    shutil.rmtree(folder / "back")
    del model, back, state, again
    gc.collect()
    if llama:
        llama(slm, logits, folder, name, rows, expected)
    return worst


def check_mxfp4(slm, logits, folder):
    """A gpt-oss with experts in MXFP4, which transformers dequantizes: imported, and the folder itself."""
    config = MODELS["gpt-oss"]
    model = write_mxfp4(config, folder / "theirs")
    rows = prompts(config.vocab_size, 100)
    expected = theirs(model, rows)
    save_tokenizer(folder / "theirs")
    assert "MXFP4" in run(slm, "info", folder / "theirs"), "slm info does not name the format of the experts"
    worst = check_logits(logits, folder / "theirs", rows, expected, "gpt-oss in MXFP4, the folder itself")
    run(slm, "import", folder / "theirs", "--out", folder / "ours.h5")
    return max(worst, check_logits(logits, folder / "ours.h5", rows, expected, "gpt-oss in MXFP4"))


# llama.cpp rounds the range of YaRN's scaling, and gpt-oss does not.
OTHER_IN_LLAMA = {"gpt-oss"}
# What llama.cpp's architectures lack.
NOT_IN_LLAMA = {
    "qwen2-sliding": "sliding window",
    "gemma2-uncapped": "attention scores",
    "gemma3-scaled": "attention scores",
    "qwen2-moe-normalized": "divided by their sum",
    "qwen3-moe-shares": "divided by their sum",
}


# Their contexts are their windows in a GGUF file.
WINDOWED = {"mistral", "mixtral-window", "phi3-partial"}


def check_llama(slm, logits, folder, name, rows, expected):
    """Exports a GGUF file; llama.cpp's 64 greedy tokens, and those after importing the file, are slm's."""
    import ctypes
    from check_llama import QUIET, Ours, Theirs, greedy_answers, llama
    llama.llama_log_set(QUIET, ctypes.c_void_p(0))
    path = folder / "model.gguf"
    if name in NOT_IN_LLAMA:
        done = subprocess.run([slm, "export", folder / "ours.h5", "--out", path], capture_output=True, text=True)
        assert done.returncode and NOT_IN_LLAMA[name] in done.stderr, f"{name}: {done.stderr}"
        return
    run(slm, "export", folder / "ours.h5", "--out", path)
    run(slm, "import", path, "--out", folder / "again.h5")
    if name not in WINDOWED:
        check_logits(logits, folder / "again.h5", rows, expected, f"{name} from GGUF", modes=("",))
    if name in OTHER_IN_LLAMA:
        return
    own = Ours(logits, folder / ("ours.h5" if name in WINDOWED else "again.h5"), expected[0].shape[1])
    peer = Theirs(path)
    for prompt in [row[:8] for row in rows[:3]]:
        length = min(GREEDY, 24 - len(prompt)) if name in WINDOWED else GREEDY
        tokens, margins, answer = greedy_answers(own, peer, prompt)
        index = next((i for i in range(length) if tokens[i] != answer[i]), None)
        # llama.cpp's f16 tables of activations change logits by about a thousandth of their spread.
        spread = float(np.std(expected[-1]))
        assert index is None or margins[index] < 4e-3 * spread, f"{name}: token {index}: expected {tokens[index]} with a margin of {margins[index]:.4f}, found {answer[index]}"
        if index is not None:
            print(f"{name}: greedy tokens are equal up to {index}, where the two largest logits are {margins[index]:.5f} apart")
    own.close()
    peer.close()


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("slm")
    arguments.add_argument("logits")
    arguments.add_argument("--llama", action="store_true", help="compare with llama.cpp, too")
    arguments.add_argument("--shape", nargs="*", default=[], choices=SHAPES, help="check models of these sizes instead of small ones")
    arguments.add_argument("--only", nargs="*", default=list(MODELS), choices=MODELS)
    options = arguments.parse_args()
    torch.set_num_threads(1)                               # small models: threads would only wait for each other
    slm, logits = os.path.abspath(options.slm), os.path.abspath(options.logits)
    with scratch_folder() as folder:
        worst = {}
        llama = check_llama if options.llama else None
        for shape in options.shape:
            worst[shape] = check(slm, logits, folder, shape, SHAPES[shape], longest=64, deviation=0.03, count=3, llama=llama)
        for model in options.only if not options.shape else []:
            worst[model] = check(slm, logits, folder, model, MODELS[model], count=1 if model in ONE_PROMPT else 10, llama=llama)
        if "gpt-oss" in options.only and not options.shape:
            worst["gpt-oss in MXFP4"] = check_mxfp4(slm, logits, folder)
    print(f"models: transformers {transformers.__version__}{' and llama.cpp' if llama else ''} and slm agree: " + ", ".join(f"{model} {apart:.0e}" for model, apart in worst.items()))


if __name__ == "__main__":
    main()
