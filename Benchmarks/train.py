"""Training speed of slm and PyTorch: alternating runs, several rounds, medians and ratios.

    make bench                                      or, if slm is built:
    .venv/bin/python Benchmarks/train.py --rounds 3 --preset eugpt

Run it on an otherwise idle machine. Each measurement is a separate process, so that its peak memory is its own.
"""
import argparse
import os
import statistics
import sys

import record
from record import SLM, last_line

HERE = os.path.dirname(os.path.abspath(__file__))
SHAPES = {
    "eugpt": dict(batch=12, peer=[]),
    "gpt2": dict(batch=4, peer="--layers 12 --heads 12 --width 768 --context 1024 --vocabulary 50257 --batch 4 --tied".split()),
}


def ours(preset, dtype, steps, threads=None):
    command = [SLM, "bench", "train", "--synthetic", "--preset", preset, "--dtype", dtype, "--batch", str(SHAPES[preset]["batch"]),
               "--steps", str(steps), "--json"]
    return last_line(command + (["--threads", str(threads)] if threads else []))


def peer(preset, mode, steps):
    return last_line([sys.executable, os.path.join(HERE, "torch_train.py"), "--modes", mode, "--steps", str(steps)] + SHAPES[preset]["peer"])


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=8)
    arguments.add_argument("--preset", choices=SHAPES, default="eugpt")
    arguments.add_argument("--dtypes", default="bf16,f32")
    arguments.add_argument("--short", action="store_true", help="skip single-threaded slm and eager PyTorch")
    arguments.add_argument("--avx2", action="store_true", help="hold both programs to AVX2")
    arguments.add_argument("--save", action="store_true", help="store the results in Documentation/Performance/results")
    options = arguments.parse_args()
    if options.avx2:
        os.environ.update(SLM_CPU="avx2", ATEN_CPU_CAPABILITY="avx2", MKL_ENABLE_INSTRUCTIONS="AVX2", ONEDNN_MAX_CPU_ISA="AVX2")
    comparisons = []
    for dtype in options.dtypes.split(","):
        runs = {
            "slm": lambda: ours(options.preset, dtype, options.steps),
            "torch compiled": lambda: peer(options.preset, "compile-" + dtype, options.steps),
        }
        if not options.short:
            runs["slm, 1 thread"] = lambda: ours(options.preset, dtype, max(2, options.steps // 2), threads=1)
            runs["torch eager"] = lambda: peer(options.preset, "eager-" + dtype, options.steps)
        results = {name: [] for name in runs}
        for name, run in record.alternating(runs, options.rounds):
            results[name].append(run())
        speed = {name: statistics.median(f["tokens_per_s"] for f in all_runs) for name, all_runs in results.items()}
        for name, all_runs in results.items():
            values = sorted(f["tokens_per_s"] for f in all_runs)
            print(f"{options.preset} {dtype:5} {name:16} {speed[name]:7.0f} tokens/s  ({values[0]:.0f}–{values[-1]:.0f})   "
                  f"peak {max(f['peak_rss_mb'] for f in all_runs):5} MB   slm is {speed['slm'] / speed[name]:.2f} times as fast", flush=True)
        version = results["torch compiled"][0]["peer"].removeprefix("torch ").split("+")[0]
        variant = dtype + (", AVX2" if options.avx2 else "")
        for name, theirs in results.items():
            if name.startswith("torch"):
                peer_name = f"PyTorch {version}, {name.removeprefix('torch ')}"
                for what, key, unit in (("training step", "tokens_per_s", "tokens/s"), ("peak memory of training", "peak_rss_mb", "MB")):
                    comparisons.append(record.comparison(
                        f"{what}, {options.preset}", variant, unit, [f[key] for f in results["slm"]], peer_name, [f[key] for f in theirs]))
    if options.save:
        record.save("train.py", comparisons)


if __name__ == "__main__":
    main()
