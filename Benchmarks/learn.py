"""How much is learned in a given time: `slm train --time` beside nanoGPT's recipe in compiled bf16 PyTorch, on the same tokens.

    .venv/bin/python Benchmarks/learn.py data --minutes 10 --seeds 1,2,3

`data` is a folder that `slm tokenize --tokens` wrote with a vocabulary of 16,387. Prints bits a byte of all of val.bin, cut into windows of 384 that do not overlap, as
PyTorch's figure is taken, and conversation by conversation, as `slm eval` sees them. Run it with nothing else running: it takes the minutes for each seed, and once for the peer.
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SLM = HERE.parent / ".build" / "release" / "slm"


def lines(command):
    output = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def ours(data, minutes, seed, folder):
    lines([SLM, "train", "--preset", "eugpt", "--data", data, "--out", folder, "--time", f"{minutes}m", "--seed", seed, "--json"])
    log = [json.loads(line) for line in (Path(folder) / "log.jsonl").read_text().splitlines()]
    evaluated = [(entry["seconds"], entry["bits_per_byte"], entry["tokens"]) for entry in log if entry["event"] == "evaluated"]
    windows = lines([SLM, "eval", "--checkpoint", f"{folder}/best.h5", "--data", data, "--windows", "--stride", 384, "--json"])[-1]
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
        print(f"torch        {peer['val']:.4f} nats a token  {peer['bits_per_byte']:.4f} bits a byte  {peer['tokens']} tokens")
    for seed in options.seeds.split(","):
        with tempfile.TemporaryDirectory() as folder:
            evaluated, windows, chats = ours(options.data, options.minutes, seed, folder + "/run")
        line = f"slm, seed {seed}  {windows['loss']:.4f} nats a token  {windows['bits_per_byte']:.4f} bits a byte  {chats['bits_per_byte']:.4f} by conversation  {evaluated[-1][2]} tokens"
        if peer:
            first = next((seconds for seconds, bits, _ in evaluated if bits <= peer["bits_per_byte"]), None)
            line += f"  {100 * (1 - windows['bits_per_byte'] / peer['bits_per_byte']):.1f} % below"
            line += f"; had torch's last figure after {first:.0f} s" if first else "; never had torch's last figure"
        print(line, flush=True)


if __name__ == "__main__":
    main()
