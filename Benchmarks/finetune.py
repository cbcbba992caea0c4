"""LoRA fine-tuning with slm and with Hugging Face's peft: alternating runs, several rounds, medians and ratios.

    .venv/bin/python Benchmarks/finetune.py --shapes smollm2-135m,qwen2.5-0.5b [--rounds 3]

Run it on an otherwise idle machine. Random weights at the shapes of published models, rank 16, 1,024 tokens per step. slm keeps the frozen weights in each of
--dtypes, peft in each of --peer-dtypes: on a CPU without bf16 instructions PyTorch is faster in f32. Both recompute activations with
--recompute. Each measurement is a separate process, so that its peak memory is its own.
"""
import argparse
import pathlib
import statistics
import sys

import record
from record import SLM, last_line

HERE = pathlib.Path(__file__).parent


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=4)
    arguments.add_argument("--shapes", default="smollm2-135m,qwen2.5-0.5b")
    arguments.add_argument("--dtypes", default="f32,int8,int4")
    arguments.add_argument("--peer-dtypes", default="bf16")
    arguments.add_argument("--tokens", type=int, default=1024)
    arguments.add_argument("--recompute", action="store_true")
    arguments.add_argument("--compile", action="store_true", help="compile peft's model, too")
    arguments.add_argument("--save", action="store_true", help="store the results in Documentation/Performance/results")
    options = arguments.parse_args()
    comparisons = []
    for shape in options.shapes.split(","):
        ours = [SLM, "bench", "train", "--synthetic", "--preset", shape, "--lora", "16", "--batch", "1", "--context", str(options.tokens),
                "--steps", str(options.steps), "--warmup", "1", "--json"] + (["--recompute"] if options.recompute else [])
        peer = [sys.executable, HERE / "torch_lora.py", "--shape", shape, "--tokens", str(options.tokens), "--steps", str(options.steps)]
        peer += ["--checkpointing"] if options.recompute else []
        runs = {f"slm, {dtype}": ours + ["--base-dtype", dtype] for dtype in options.dtypes.split(",")}
        for dtype in options.peer_dtypes.split(","):
            runs[f"peft, {dtype}"] = peer + ["--dtype", dtype]
            if options.compile:
                runs[f"peft, {dtype}, compiled"] = runs[f"peft, {dtype}"] + ["--compile"]
        results = {name: [] for name in runs}
        for name, command in record.alternating(runs, options.rounds):
            results[name].append(last_line([str(word) for word in command]))
        speed = {name: statistics.median(f["tokens_per_s"] for f in each) for name, each in results.items()}
        peers = [name for name in runs if name.startswith("peft")]
        for name, each in results.items():
            values = sorted(f["tokens_per_s"] for f in each)
            ratios = "" if name in peers else "   " + ", ".join(f"{speed[name] / speed[peer]:.2f} of {peer}" for peer in peers)
            print(f"{shape} {name:22} {speed[name]:7.1f} tokens/s  ({values[0]:.1f}–{values[-1]:.1f})   peak {max(f['peak_rss_mb'] for f in each):5} MB{ratios}",
                  flush=True)
        way = ", recomputed" if options.recompute else ""
        for name in (name for name in runs if name not in peers):
            for peer in peers:
                for what, key, unit in (("LoRA step", "tokens_per_s", "tokens/s"), ("peak memory of LoRA", "peak_rss_mb", "MB")):
                    comparisons.append(record.comparison(
                        f"{what}, {shape}", name.removeprefix("slm, ") + way, unit, [f[key] for f in results[name]],
                        results[peer][0]["peer"] + peer.removeprefix("peft"), [f[key] for f in results[peer]]))
    if options.save:
        record.save("finetune.py", comparisons)


if __name__ == "__main__":
    main()
