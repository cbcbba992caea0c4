"""Compares what slm chooses by itself with every explicit choice of kernels, data type and matmul library: alternating runs, best of each.

    .venv/bin/python Benchmarks/choices.py [--rounds 3] [--checkpoint best.h5]

Run it on an otherwise idle machine. `auto` must never be more than 3 % slower than the best explicit choice in training; in prompts and in decoding each, it
may lose to a choice that loses in the other. Prints a table, what `auto` chose, and its ratio to the best for each kind of work: if the best is the same choice,
the ratio is noise. Exits with 1 if training exceeds --limit.
"""
import argparse
import json
import subprocess
import sys

from record import SLM


def run(*arguments):
    """The last line of JSON, or None if the machine cannot run this choice."""
    done = subprocess.run([SLM, *arguments, "--json"], capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if done.returncode == 0 and lines else None


def measure(choices, rounds, values):
    """The best of each choice's values over alternating runs."""
    best = {}
    for _ in range(rounds):
        for name, arguments in choices.items():
            result = run(*arguments)
            for key, value in (values(result) if result else {}).items():
                best.setdefault(key, {})[name] = max(value, best.get(key, {}).get(name, 0))
            if name == "auto":
                print(f"auto chose {result['case']}, {result['kernels']}", flush=True)
    return best


def report(kind, speeds):
    fastest = max((name for name in speeds if name != "auto"), key=speeds.get)
    for name, speed in sorted(speeds.items(), key=lambda pair: -pair[1]):
        print(f"{kind:9} {name:32} {speed:9.0f} tokens/s   {speed / speeds[fastest]:.3f}")
    ratio = speeds["auto"] / speeds[fastest]
    print(f"{kind:9} auto / best ({fastest}): {ratio:.3f}\n", flush=True)
    return ratio


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--slm", default=SLM)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--preset", default="eugpt")
    arguments.add_argument("--steps", type=int, default=4)
    arguments.add_argument("--checkpoint", help="decode with this model instead of random weights")
    arguments.add_argument("--limit", type=float, default=0.97)
    options = arguments.parse_args()
    globals()["SLM"] = options.slm
    info = run("info")
    print(f"{info['cpu']}, {info['cores']} cores: {info['kernels_available']}\n")
    sets = [name for name in info["kernels_available"].split() if name != "plain"] or ["plain"]
    has_bf16 = {name: name in ("avx512amx", "avx512bf16") for name in sets}

    train = ["bench", "train", "--synthetic", "--preset", options.preset, "--steps", str(options.steps), "--warmup", "1"]
    choices = {"auto": train}
    for name in sets:
        for dtype in ["bf16", "f32"] if has_bf16[name] else ["f32"]:
            for blas in ["slm", "onednn"] + (["openblas"] if dtype == "f32" else []):
                if blas == "slm" or name == sets[0]:
                    choices[f"{dtype} {name} {blas}"] = train + ["--dtype", dtype, "--cpu", name, "--blas", blas]
    speeds = measure(choices, options.rounds, lambda result: {"train": result["best"]})["train"]
    ratio = report("train", speeds)

    # A prompt takes a few milliseconds: the median of many runs.
    generate = ["bench", "generate", "--prompt", "128", "--generate", "200", "--runs", "9"]
    generate += ["--checkpoint", options.checkpoint] if options.checkpoint else ["--preset", options.preset]
    choices = {"auto": generate}
    for name in sets:
        for dtype in ["bf16", "f32"]:
            choices[f"{dtype} {name}"] = generate + ["--dtype", dtype, "--cpu", name]
    for kind, speeds in measure(
            choices, options.rounds, lambda result: {"prompt": result["prompt_tokens_per_s"], "decode": result["tokens_per_s"]}).items():
        report(kind, speeds)
    sys.exit(0 if ratio >= options.limit else 1)


if __name__ == "__main__":
    main()
