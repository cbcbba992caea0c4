"""Validation loss after a given training time: `slm train --time` and nanoGPT's recipe in compiled bf16 PyTorch, on the same tokens.

    .venv/bin/python Benchmarks/learn.py data --minutes 10 --seeds 1,2,3

`data` is a folder written by `slm tokenize corpus` with a vocabulary of 16,387. Prints bits per byte of all of val.bin: in windows of 384 tokens without overlap,
as in the PyTorch script, and by conversation, as in `slm eval`. Run it on an otherwise idle machine. It takes the given minutes for each seed and for PyTorch.
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from record import SLM

HERE = Path(__file__).resolve().parent


def lines(command):
    output = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def ours(data, minutes, seed, folder):
    lines([SLM, "train", "--preset", "eugpt", "--data", data, "--out", folder, "--time", f"{minutes}m", "--seed", seed, "--json"])
    log = [json.loads(line) for line in (Path(folder) / "log.jsonl").read_text().splitlines()]
    evaluated = [(entry["seconds"], entry["bits_per_byte"], entry["tokens"]) for entry in log if entry["event"] == "evaluated"]
    windows = lines([SLM, "eval", "--checkpoint", f"{folder}/best.h5", "--data", data, "--stream", "--stride", 384, "--json"])[-1]
    chats = lines([SLM, "eval", "--checkpoint", f"{folder}/best.h5", "--data", data, "--json"])[-1]
    return evaluated, windows, chats


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("data")
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--seeds", default="1,2,3")
    arguments.add_argument("--no-peer", action="store_true")
    options = arguments.parse_args()
    peer = None
    if not options.no_peer:
        peer = lines([sys.executable, HERE / "torch_learn.py", options.data, "--minutes", options.minutes])[-1]
        print(f"torch        {peer['val']:.4f} nats per token  {peer['bits_per_byte']:.4f} bits per byte  {peer['tokens']} tokens")
    for seed in options.seeds.split(","):
        with tempfile.TemporaryDirectory() as folder:
            evaluated, windows, chats = ours(options.data, options.minutes, seed, folder + "/run")
        line = f"slm, seed {seed}  {windows['loss']:.4f} nats per token  {windows['bits_per_byte']:.4f} bits per byte  {chats['bits_per_byte']:.4f} by conversation  {evaluated[-1][2]} tokens"
        if peer:
            first = next((seconds for seconds, bits, _ in evaluated if bits <= peer["bits_per_byte"]), None)
            line += f"  {100 * (1 - windows['bits_per_byte'] / peer['bits_per_byte']):.1f} % lower"
            line += f"; reached torch's final value after {first:.0f} s" if first else "; did not reach torch's final value"
        print(line, flush=True)


if __name__ == "__main__":
    main()
