"""Training speed of one process with two threads and of two processes of mpirun with one thread each: alternating runs, several rounds, medians and ratios.
And the time that a sum of all gradients takes.

    .venv/bin/python Benchmarks/ranks.py --rounds 5 --preset eugpt

Run it on an otherwise idle machine with Open MPI (openmpi-bin).
"""
import argparse
import os
import statistics

from record import SLM, last_line

CASES = {
    "one process, 2 threads": ([], ["--threads", "2"]),
    "2 processes, 1 thread each": (["mpirun", "-np", "2"], ["--threads", "1"]),
    "2 processes, sharded optimizer": (["mpirun", "-np", "2"], ["--threads", "1", "--shard-optimizer"]),
}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--steps", type=int, default=8)
    arguments.add_argument("--batch", type=int, default=12)
    arguments.add_argument("--preset", default="eugpt")
    arguments.add_argument("--dtype", default="auto")
    options = arguments.parse_args()
    os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    bench = [SLM, "bench", "train", "--synthetic", "--preset", options.preset, "--dtype", options.dtype, "--batch", str(options.batch),
             "--steps", str(options.steps), "--json"]
    results = {name: [] for name in CASES}
    for _ in range(options.rounds):
        for name, (launcher, more) in CASES.items():
            results[name].append(last_line(launcher + bench + more))
    first = statistics.median(result["tokens_per_s"] for result in next(iter(results.values())))
    for name, runs in results.items():
        speeds = sorted(run["tokens_per_s"] for run in runs)
        median = statistics.median(speeds)
        line = f"{runs[0]['case']:12} {name:32} {median:7.0f} tokens/s ({speeds[0]:.0f}–{speeds[-1]:.0f})  {median / first:.3f}  peak {max(run['peak_rss_mb'] for run in runs)} MB"
        if "exchange_s" in runs[0]:
            exchange = statistics.median(run["exchange_s"] for run in runs)
            waited = statistics.median(run["waited_s"] for run in runs)
            line += f"  waits {1000 * waited:.0f} ms per step, a sum alone takes {1000 * exchange:.0f} ms ({8 * runs[0]['params'] / 1e9 / exchange:.1f} GB/s)"
        print(line, flush=True)


if __name__ == "__main__":
    main()
