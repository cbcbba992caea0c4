"""Generation speed of slm and llama.cpp on the same weights: alternating runs, several rounds, medians with ranges, and ratios of medians.

    make test-llama                                 builds llama.cpp, once; then
    .venv/bin/python Benchmarks/generate.py --checkpoint best.h5 [--rounds 3]
    .venv/bin/python Benchmarks/generate.py --shape gpt2            random weights of GPT-2's shape

Run it on an otherwise idle machine. Each measurement is a separate process, so that its peak memory is its own. `slm export` writes the files, so that both have the
same weights; llama.cpp itself makes Q4_K_M from them. slm's int8 and int4 are compared with Q8_0, and with Q4_0 and Q4_K_M. slm reads its own files; in bf16, which
they do not have, it reads llama.cpp's. With --same-file it always reads llama.cpp's file, in the precision that the file has.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np
from safetensors.numpy import save_file

import record
import shapes
from record import SLM, last_line

HERE = pathlib.Path(__file__).parent
SHAPES = {
    "eugpt": dict(n_layer=6, n_head=8, n_embd=512, n_positions=384, vocab_size=16_387, tie_word_embeddings=False),
    "gpt2": dict(n_layer=12, n_head=12, n_embd=768, n_positions=1_024, vocab_size=50_257, tie_word_embeddings=True),
}
# llama.cpp's format and the slm data type it is compared with.
PAIRS = {"f32": "f32", "f16": None, "bf16": "bf16", "q8_0": "int8", "q4_0": "int4", "q4_k_m": "int4"}
METRICS = {"prompt": "prompt_tokens_per_s", "decode": "tokens_per_s", "load s": "load_s", "peak MB": "peak_rss_mb"}
WORKS = {"prompt": ("prompt", "tokens/s"), "decode": ("generation", "tokens/s"), "load s": ("loading", "s"), "peak MB": ("peak memory of generation", "MB")}


def random_model(folder, shape, seed=7):
    """Writes a Hugging Face folder of a GPT-2, with weights large enough for clearly different logits."""
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
        if options.shape in SHAPES:
            random_model(folder / "hf", SHAPES[options.shape])
        else:
            shapes.random_model(options.shape).save_pretrained(folder / "hf")
        checkpoint = folder / "model.h5"
        subprocess.run([SLM, "import", folder / "hf", "--out", checkpoint], check=True, capture_output=True)
    for kind in options.formats.split(","):
        export(checkpoint, folder / f"{kind}.gguf", "bf16" if kind == "q4_k_m" else kind)
        if kind == "q4_k_m":
            quantize(folder / f"{kind}.gguf", options.python)
    return checkpoint


def export(checkpoint, path, kind):
    subprocess.run([SLM, "export", checkpoint, "--out", path, "--dtype", kind], check=True, capture_output=True)


def quantize(path, python):
    """Replaces a GGUF file in bf16 by llama.cpp's Q4_K_M."""
    program = """import sys, llama_cpp as llama
settings = llama.llama_model_quantize_default_params()
settings.ftype = llama.LLAMA_FTYPE_MOSTLY_Q4_K_M
sys.exit(llama.llama_model_quantize(*map(str.encode, sys.argv[1:]), settings))"""
    wide = path.rename(path.with_suffix(".bf16"))
    subprocess.run([python, "-c", program, wide, path], check=True, capture_output=True)
    wide.unlink()


def slm_file(folder, checkpoint, kind, options):
    """The model in the numbers that slm computes with."""
    if options.same_file or PAIRS[kind] == "bf16":
        return folder / f"{kind}.gguf"
    path = folder / f"{PAIRS[kind]}.h5"
    if not path.exists():
        export(checkpoint, path, PAIRS[kind])
    return path


def measure(folder, checkpoint, options):
    """Returns the results of each round by program, format and batch size."""
    results = {}
    for i in range(options.rounds):
        for kind in options.formats.split(","):
            for batch in map(int, options.batches.split(",")):
                work = ["--batch", batch, "--prompt", options.prompt, "--generate", options.generate]
                runs = {"llama.cpp": [options.python, HERE / "llama_generate.py", folder / f"{kind}.gguf"] + work}
                if PAIRS[kind]:
                    file = slm_file(folder, checkpoint, kind, options)
                    dtype = [] if options.same_file else ["--dtype", PAIRS[kind]]
                    runs["slm"] = [SLM, "bench", "generate", "--checkpoint", file, *dtype, "--json"] + work
                for program, command in record.one_round(runs, i):
                    line = last_line(command)
                    print(json.dumps(dict(program=program, **line)), flush=True)
                    results.setdefault((program, kind, batch), []).append(line)
    return results


def table(results, formats, batches):
    def runs(program, kind, batch, key):
        return [line[key] for line in results.get((program, kind, batch), [])]

    def number(value):
        return f"{value:,.0f}" if value >= 20 else f"{value:.2f}"

    def cell(values):
        """The median, and the range where there are several rounds."""
        if not values:
            return "–"
        return number(statistics.median(values)) + (f" ({number(min(values))}–{number(max(values))})" if len(values) > 1 else "")

    def row(name, cells):
        print(f"| {name} | " + " | ".join(cells) + " |")

    best = []
    print("\n| | " + " | ".join(kind.upper() for kind in formats) + " |\n|---|" + "---:|" * len(formats))
    for batch in batches:
        for name, key in METRICS.items():
            all_theirs, all_ours = ([runs(program, kind, batch, key) for kind in formats] for program in ("llama.cpp", "slm"))
            row(f"{name}, batch {batch}, llama.cpp", map(cell, all_theirs))
            row(f"{name}, batch {batch}, slm", map(cell, all_ours))
            theirs, ours = ([statistics.median(values) if values else None for values in program] for program in (all_theirs, all_ours))
            row("**slm ÷ llama.cpp**", [f"**{number(a / b)}**" if a and b else "–" for a, b in zip(ours, theirs)])
            if "tokens" in key and any(ours):
                best.append(f"{name}, batch {batch}: best slm ÷ best llama.cpp {max(filter(None, ours)) / max(filter(None, theirs)):.2f}")
    print("\n" + "\n".join(best))


def comparisons(results, options):
    weights = f"{options.shape}, " + ("trained weights" if options.checkpoint else "random weights")
    found = []
    for kind, ours in PAIRS.items():
        for batch in map(int, options.batches.split(",")):
            for metric, key in METRICS.items():
                work, unit = WORKS[metric]
                work = f"prompts of {options.prompt} tokens" if metric == "prompt" else work
                values = {program: [line[key] for line in results.get((program, kind, batch), [])] for program in ("slm", "llama.cpp")}
                if values["slm"]:
                    ours = f"{kind.upper()} of the same file" if options.same_file else ours
                    found.append(record.comparison(
                        f"{work}, {weights}", f"{ours}, {batch} sequence{'s' if batch > 1 else ''}" + (", AVX2" if options.avx2 else ""), unit,
                        values["slm"], f"llama.cpp {kind.upper()}", values["llama.cpp"]))
    return found


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in dict(rounds=3, prompt=128, generate=200).items():
        arguments.add_argument("--" + name, type=int, default=value)
    arguments.add_argument("--shape", choices=[*SHAPES, *shapes.SHAPES], default="eugpt")
    arguments.add_argument("--checkpoint", help="model to use instead of random weights")
    arguments.add_argument("--formats", default=",".join(PAIRS))
    arguments.add_argument("--batches", default="1,16")
    arguments.add_argument("--python", default=sys.executable, help="Python interpreter with llama-cpp-python")
    arguments.add_argument("--same-file", action="store_true", help="slm reads llama.cpp's file, in the precision that it has")
    arguments.add_argument("--avx2", action="store_true", help="hold slm to AVX2; llama.cpp's build must have been made without AVX-512")
    arguments.add_argument("--save", action="store_true", help="store the results in Documentation/Performance/results")
    options = arguments.parse_args()
    if options.avx2:
        os.environ["SLM_CPU"] = "avx2"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        results = measure(folder, prepare(folder, options), options)
    if options.save:
        record.save("generate.py", comparisons(results, options))
    table(results, options.formats.split(","), [int(batch) for batch in options.batches.split(",")])


if __name__ == "__main__":
    main()
