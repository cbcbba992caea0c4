"""The cost of data-parallel training over a network: a model, and runs in network namespaces to compare it with.

    python3 Benchmarks/rank_network.py --speed eugpt=4000 --speed gpt2=900        # the tables, from the tokens per second of one machine
    sudo python3 Benchmarks/rank_network.py --measure --preset eugpt              # two machines that are network namespaces

A step of N machines takes

    compute + max(sending - overlap, tail)

    compute   tokens of a machine / tokens per second of a machine
    sending   8 bytes x parameters x (N - 1) / N / bandwidth: a reduce-scatter and an all-gather, in both directions at once
    overlap   two thirds of the time of the last micro-batch of a machine: its backward pass, during which the sums begin
    tail      the same as sending, of the last piece alone: the token embeddings, whose gradient is complete at the end of the backward pass

`--measure` connects two namespaces by a virtual cable whose rate `tc tbf` limits, and starts `mpirun` with a launch agent that enters them. It prints the time
of a sum and of a step beside those of the model. It needs root, iproute2 and openmpi-bin, and changes nothing outside of its namespaces.
"""
import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import tempfile

SLM = pathlib.Path(__file__).resolve().parent.parent / ".build/release/slm"
# parameters, those of the token embeddings, tokens of a sequence, sequences of a micro-batch
SHAPES = {"eugpt": (36_100_000, 16_387 * 512, 384, 4), "gpt2": (124_000_000, 50_257 * 768, 1_024, 1)}
# What TCP leaves for data of the nominal rate of a link: 1,448 of 1,538 bytes of a frame.
EFFICIENCY = 1_448 / 1_538


def sending(parameters, machines, gigabits):
    return 8 * parameters * (machines - 1) / machines / (gigabits * 1e9 / 8 * EFFICIENCY)


def step(preset, machines, gigabits, sequences, compute):
    """The seconds of a step whose `sequences` per machine take `compute` seconds."""
    parameters, embeddings, _, micro_batch = SHAPES[preset]
    groups = max(1, 4 // machines)                  # of gradients, of a machine: the default
    overlap = 2 / 3 * compute * min(1 / groups, micro_batch / sequences)
    return compute + max(sending(parameters, machines, gigabits) - overlap, sending(embeddings, machines, gigabits))


def tables(speeds):
    for preset, speed in speeds.items():
        parameters, _, length, _ = SHAPES[preset]
        print(f"\n{preset}: {parameters / 1e6:.0f} million parameters, {speed:.0f} tokens/s per machine\n")
        print("| machines | link | a sum alone | sequences per machine: 4 | 16 | 64 | tokens per machine and step for 0.9 |")
        print("|---|---|---|---|---|---|---|")
        for machines in (2, 8, 32):
            for gigabits in (1, 10, 25):
                def share(sequences):
                    compute = sequences * length / speed
                    return compute / step(preset, machines, gigabits, sequences, compute)

                shares = [share(n) for n in (4, 16, 64)]
                enough = next(n for n in range(1, 1 << 20) if share(n) >= 0.9)
                print(f"| {machines} | {gigabits} Gbit/s | {sending(parameters, machines, gigabits):.2f} s | "
                      + " | ".join(f"{machines * value:.1f} × ({value:.2f})" for value in shares) + f" | {enough * length:,} |")


@contextlib.contextmanager
def namespaces(folder):
    """Two namespaces with a cable between them. Yields a function that sets its rate and the command that starts programs in the first."""
    def ip(*words):
        subprocess.run(["ip", *words], check=True)

    try:
        for name in "ab":
            ip("netns", "add", f"slm-{name}")
            ip("-n", f"slm-{name}", "link", "set", "lo", "up")
        ip("link", "add", "slm-a", "netns", "slm-a", "type", "veth", "peer", "name", "slm-b", "netns", "slm-b")
        for number, name in enumerate("ab", 1):
            ip("-n", f"slm-{name}", "addr", "add", f"10.99.0.{number}/24", "dev", f"slm-{name}")
            ip("-n", f"slm-{name}", "link", "set", f"slm-{name}", "up")

        def limit(gigabits):
            for name in "ab":
                subprocess.run(["tc", "-n", f"slm-{name}", "qdisc", "replace", "dev", f"slm-{name}", "root", "tbf", "rate", f"{gigabits * 1000:.0f}mbit",
                                "burst", "1mb", "latency", "50ms"], check=True)

        agent = folder / "agent.sh"
        agent.write_text('#!/bin/sh\nhost=$1; shift\ncase $host in 10.99.0.1) name=a;; *) name=b;; esac\n'
                         'exec ip netns exec slm-$name unshare -u sh -c "hostname machine-$name; $*"\n')
        agent.chmod(0o755)
        network = "10.99.0.0/24"
        launcher = ["ip", "netns", "exec", "slm-a", "unshare", "-u", "sh", "-c", 'hostname machine-a; exec "$@"', "sh", "mpirun", "--allow-run-as-root",
                    "--mca", "plm_rsh_agent", str(agent), "--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", network,
                    "--mca", "oob_tcp_if_include", network, "--host", "10.99.0.1,10.99.0.2", "--bind-to", "none", "-np", "2"]
        yield limit, launcher
    finally:
        for name in "ab":
            subprocess.run(["ip", "netns", "del", f"slm-{name}"])


def bench(launcher, options):
    command = launcher + [str(SLM), "bench", "train", "--synthetic", "--preset", options.preset, "--dtype", options.dtype, "--batch", str(options.batch),
                          "--steps", str(options.steps), "--threads", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    return json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])


def measure(options):
    os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", SLM_AUTOTUNE="off")
    length = SHAPES[options.preset][2]
    # The two processes share the caches and the memory of one machine here, too.
    local = bench(["mpirun", "--bind-to", "none", "-np", "2"], options)
    parameters, tokens = local["params"], options.batch * length
    compute = tokens / local["tokens_per_s"] - local["waited_s"]
    print(f"{options.preset} {options.dtype}, 2 processes with 1 thread, {options.batch} sequences per step, {parameters / 1e6:.1f} million parameters")
    print(f"shared memory: a step {compute + local['waited_s']:.3f} s, of which waits {local['waited_s']:.3f} s; a sum alone {local['exchange_s']:.3f} s\n")
    print("| link | a sum alone | model | a step | model | memory of a process |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name, namespaces(pathlib.Path(name)) as (limit, launcher):
        for gigabits in options.rates:
            limit(gigabits)
            found = bench(launcher, options)
            predicted = step(options.preset, 2, gigabits, options.batch / 2, compute)
            print(f"| {gigabits:g} Gbit/s | {found['exchange_s']:.3f} s | {sending(parameters, 2, gigabits):.3f} s | "
                  f"{tokens / found['tokens_per_s']:.3f} s | {predicted:.3f} s | {found['peak_rss_mb']} MB |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--speed", action="append", default=[], metavar="PRESET=TOKENS_PER_S")
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--preset", default="eugpt", choices=SHAPES)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.25, 1, 2.5, 10])
    options = parser.parse_args()
    if options.measure:
        measure(options)
    tables({name: float(speed) for name, speed in (text.split("=") for text in options.speed)})


if __name__ == "__main__":
    main()
