"""Validation loss after a given training time: `slm train --time` and a recipe in compiled PyTorch, on the same text.

    .venv/bin/python Benchmarks/learn.py data --minutes 10 --seeds 1,2,3
    .venv/bin/python Benchmarks/learn.py data --peer strong --dtype f32 --preset small --slm-data data-4096

`data` is a folder written by `slm tokenize corpus` with a vocabulary of 16,387. Prints bits per byte of all of val.bin: in windows without overlap, which are
as long as the model's context, as in the PyTorch script, and by conversation, as in `slm eval`. Bits per byte can be compared between vocabularies. Run it on an
otherwise idle machine. It takes the given minutes for each seed and for PyTorch.
"""
import argparse
import json
import sys
import tempfile
from pathlib import Path

from record import SLM, last_line

HERE = Path(__file__).resolve().parent


def ours(data, options, seed, folder):
    dtype = ["--dtype", options.dtype] if options.dtype else []
    last_line([SLM, "train", "--preset", options.preset, "--data", data, "--out", folder, "--time", f"{options.minutes}m", "--seed", seed, "--json"] + dtype)
    log = [json.loads(line) for line in (Path(folder) / "log.jsonl").read_text().splitlines()]
    evaluated = [(entry["seconds"], entry["bits_per_byte"], entry["tokens"]) for entry in log if entry["event"] == "evaluated"]
    context = last_line([SLM, "info", f"{folder}/best.h5", "--json"])["configuration"]["context"]
    windows = last_line([SLM, "eval", "--checkpoint", f"{folder}/best.h5", "--data", data, "--stream", "--stride", context, "--json"])
    chats = last_line([SLM, "eval", "--checkpoint", f"{folder}/best.h5", "--data", data, "--json"])
    return evaluated, windows, chats


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("data")
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--seeds", default="1,2,3")
    arguments.add_argument("--preset", default="eugpt")
    arguments.add_argument("--slm-data", help="token files of the same text with the vocabulary of another preset")
    arguments.add_argument("--dtype", choices=("bf16", "f32"), help="of both; default: slm's choice, and bf16")
    arguments.add_argument("--peer", choices=("nanogpt", "strong", "none"), default="nanogpt", help="the peer's recipe")
    options = arguments.parse_args()
    peer = None
    if options.peer != "none":
        command = [sys.executable, HERE / "torch_learn.py", options.data, "--minutes", options.minutes, "--recipe", options.peer]
        peer = last_line(command + ["--dtype", options.dtype or "bf16"])
        print(f"torch        {peer['val']:.4f} nats per token  {peer['bits_per_byte']:.4f} bits per byte  {peer['tokens']} tokens")
    for seed in options.seeds.split(","):
        with tempfile.TemporaryDirectory() as folder:
            evaluated, windows, chats = ours(options.slm_data or options.data, options, seed, folder + "/run")
        line = f"slm, seed {seed}  {windows['loss']:.4f} nats per token  {windows['bits_per_byte']:.4f} bits per byte  {chats['bits_per_byte']:.4f} by conversation  {evaluated[-1][2]} tokens"
        if peer:
            first = next((seconds for seconds, bits, _ in evaluated if bits <= peer["bits_per_byte"]), None)
            line += f"  {100 * (1 - windows['bits_per_byte'] / peer['bits_per_byte']):.1f} % lower"
            line += f"; reached torch's final value after {first:.0f} s" if first else "; did not reach torch's final value"
        print(line, flush=True)


if __name__ == "__main__":
    main()
