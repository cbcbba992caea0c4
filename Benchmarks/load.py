"""Seconds from the page cache to the first token, slm and llama.cpp, with the same weights: alternating runs, medians and ranges.

    make test-llama                                 builds llama.cpp, once; then
    .venv/bin/python Benchmarks/load.py --checkpoint best.h5 [--rounds 7]
    .venv/bin/python Benchmarks/load.py --shape gpt2            random weights of GPT-2's shape

Each program gets a file in the format that it computes with: `slm export` writes them. slm also reads llama.cpp's own file. slm reads the file, verifies its
checksum, reads the tokenizer, prepares the weights and computes the logits of one token (`load_s` of `slm bench generate`); llama.cpp maps the file, creates a
context and decodes one token. Neither figure contains the start of the process, which is Python for llama.cpp. `slm generate` is a whole process of slm with one
generated token.
"""
import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import generate
from record import last_line

# slm's data type, and that of its file: a checkpoint has no bf16, which is read from f32.
FORMATS = {"f32": ("f32", "f32"), "bf16": ("bf16", "f32"), "q8_0": ("int8", "int8"), "q4_0": ("int4", "int4")}


def slm(*words):
    return subprocess.run([str(word) for word in (generate.SLM, *words)], check=True, capture_output=True, text=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--shape", choices=generate.SHAPES, default="eugpt")
    arguments.add_argument("--checkpoint", help="model to use instead of random weights")
    arguments.add_argument("--formats", default=",".join(FORMATS))
    arguments.add_argument("--python", default=sys.executable, help="Python interpreter with llama-cpp-python")
    options = arguments.parse_args()
    formats, seconds = options.formats.split(","), {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        checkpoint = generate.prepare(folder, options)
        for kind in formats:
            generate.export(checkpoint, folder / f"{kind}.h5", FORMATS[kind][1])
        has_tokenizer = "fingerprint" in slm("info", checkpoint).stdout
        for _ in range(options.rounds):
            for kind in formats:
                def add(row, value):
                    seconds.setdefault((row, kind), []).append(value)

                work = ["--dtype", FORMATS[kind][0], "--prompt", 1, "--generate", 1, "--runs", 1, "--json"]
                theirs = [options.python, generate.HERE / "llama_generate.py", folder / f"{kind}.gguf", "--prompt", 1, "--generate", 1, "--repeat", 1]
                add("llama.cpp", last_line(theirs)["load_s"])
                add("slm", last_line([generate.SLM, "bench", "generate", folder / f"{kind}.h5", *work])["load_s"])
                add("slm, from llama.cpp's file", last_line([generate.SLM, "bench", "generate", folder / f"{kind}.gguf", *work])["load_s"])
                add("slm, from the training checkpoint", last_line([generate.SLM, "bench", "generate", checkpoint, *work])["load_s"])
                if has_tokenizer:
                    start = time.perf_counter()
                    slm("generate", folder / f"{kind}.h5", "--dtype", FORMATS[kind][0], "--prompt", "A", "--max-tokens", 1, "--quiet")
                    add("slm generate, whole process", time.perf_counter() - start)
    print("| seconds | " + " | ".join(formats) + " |\n|---|" + "---:|" * len(formats))
    for row in dict.fromkeys(row for row, _ in seconds):
        runs = [seconds[row, kind] for kind in formats]
        print(f"| {row} | " + " | ".join(f"{statistics.median(r):.3f} ({min(r):.3f}–{max(r):.3f})" for r in runs) + " |")


if __name__ == "__main__":
    main()
