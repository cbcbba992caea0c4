"""Answering beside llama.cpp's: slm and llama.cpp in turn on the same random weights, several rounds, medians and ratios.

    make test-llama                                 builds llama.cpp, once; then
    .venv/bin/python Benchmarks/generate.py --rounds 3 [--shape gpt2] [--checkpoint FILE]

Run it with nothing else running. Each figure is a process of its own, so that memory is its own too. `slm export` writes llama.cpp's files, so that both have
the same numbers; int8 and int4 of slm stand beside Q8_0 and Q4_0.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
SLM = HERE.parent / ".build/release/slm"
SHAPES = {
    "eugpt": dict(n_layer=6, n_head=8, n_embd=512, n_positions=384, vocab_size=16_387, tie_word_embeddings=False),
    "gpt2": dict(n_layer=12, n_head=12, n_embd=768, n_positions=1_024, vocab_size=50_257, tie_word_embeddings=True),
}
# llama.cpp's format, and slm's that is held against it.
PAIRS = {"f32": "f32", "f16": None, "bf16": "bf16", "q8_0": "int8", "q4_0": "int4"}
FIGURES = {"prompt": "prompt_tokens_per_s", "decode": "tokens_per_s", "load s": "load_s", "peak MB": "peak_rss_mb"}


def random_model(folder, shape, seed=7):
    """A GPT-2 as Hugging Face keeps it, with weights so large that its scores differ clearly."""
    random, width, tensors = np.random.default_rng(seed), shape["n_embd"], {}

    def add(name, *sizes, mean=0.0, spread=0.06):
        tensors["transformer." + name if name != "lm_head.weight" else name] = (mean + spread * random.standard_normal(sizes)).astype(np.float32)

    add("wte.weight", shape["vocab_size"], width)
    add("wpe.weight", shape["n_positions"], width)
    for layer in range(shape["n_layer"]):
        for name in ("ln_1", "ln_2"):
            add(f"h.{layer}.{name}.weight", width, mean=1.0)
            add(f"h.{layer}.{name}.bias", width)
        for name, inner, outer in (("attn.c_attn", 1, 3), ("attn.c_proj", 1, 1), ("mlp.c_fc", 1, 4), ("mlp.c_proj", 4, 1)):
            add(f"h.{layer}.{name}.weight", inner * width, outer * width)
            add(f"h.{layer}.{name}.bias", outer * width)
    add("ln_f.weight", width, mean=1.0)
    add("ln_f.bias", width)
    if not shape["tie_word_embeddings"]:
        add("lm_head.weight", shape["vocab_size"], width)
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(dict(model_type="gpt2", **shape)))


def prepare(folder, options):
    checkpoint = options.checkpoint
    if checkpoint is None:
        random_model(folder / "hf", SHAPES[options.shape])
        checkpoint = folder / "model.h5"
        subprocess.run([SLM, "import", folder / "hf", "--out", checkpoint], check=True, capture_output=True)
    for kind in options.formats.split(","):
        subprocess.run([SLM, "export", checkpoint, "--to", folder / f"{kind}.gguf", "--dtype", kind], check=True, capture_output=True)
    return checkpoint


def last_line(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr}")
    return json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])


def measure(folder, checkpoint, options):
    """Whose, in which format, how many together: a list of what each round said."""
    figures = {}
    for _ in range(options.rounds):
        for kind in options.formats.split(","):
            for batch in map(int, options.batches.split(",")):
                work = ["--batch", batch, "--prompt", options.prompt, "--generate", options.generate]
                runs = {"llama.cpp": [options.python, HERE / "llama_generate.py", folder / f"{kind}.gguf"] + work}
                if PAIRS[kind]:
                    runs["slm"] = [SLM, "bench", "generate", "--checkpoint", checkpoint, "--dtype", PAIRS[kind], "--json"] + work
                for who, command in runs.items():
                    line = last_line(command)
                    print(json.dumps(dict(who=who, **line)), flush=True)
                    figures.setdefault((who, kind, batch), []).append(line)
    return figures


def table(figures, formats, batches):
    def median(who, kind, batch, key):
        runs = [line[key] for line in figures.get((who, kind, batch), [])]
        return statistics.median(runs) if runs else None

    def row(name, values, mark=""):
        shown = ["–" if value is None else f"{mark}{value:,.0f}{mark}" if value >= 20 else f"{mark}{value:.2f}{mark}" for value in values]
        print(f"| {name} | " + " | ".join(shown) + " |")

    best = []
    print("\n| | " + " | ".join(kind.upper() for kind in formats) + " |\n|---|" + "---:|" * len(formats))
    for batch in batches:
        for name, key in FIGURES.items():
            theirs, ours = ([median(who, kind, batch, key) for kind in formats] for who in ("llama.cpp", "slm"))
            row(f"{name}, {batch} together, llama.cpp", theirs)
            row(f"{name}, {batch} together, slm", ours)
            row("**slm ÷ llama.cpp**", [a and b and a / b for a, b in zip(ours, theirs)], "**")
            if "tokens" in key and any(ours):
                best.append(f"{name}, {batch} together: best of slm ÷ best of llama.cpp {max(filter(None, ours)) / max(filter(None, theirs)):.2f}")
    print("\n" + "\n".join(best))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in dict(rounds=3, prompt=128, generate=200).items():
        arguments.add_argument("--" + name, type=int, default=value)
    arguments.add_argument("--shape", choices=SHAPES, default="eugpt")
    arguments.add_argument("--checkpoint", help="a model instead of random weights")
    arguments.add_argument("--formats", default=",".join(PAIRS))
    arguments.add_argument("--batches", default="1,16")
    arguments.add_argument("--python", default=sys.executable, help="the one that has llama-cpp-python")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        figures = measure(folder, prepare(folder, options), options)
    table(figures, options.formats.split(","), [int(batch) for batch in options.batches.split(",")])


if __name__ == "__main__":
    main()
