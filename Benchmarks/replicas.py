"""Serving speed of two `slm serve` with one thread each against one with two threads, on the same PostgreSQL and with the same load: alternating runs, medians, ratio.

    Benchmarks/replicas.py --checkpoint best.h5 [--people 16] [--rounds 5]

Run it on an otherwise idle machine with two cores. Each simulated user sends the next question as soon as the answer is complete; answers have 200 tokens. Half of the users
talk to each of the two servers.
"""
import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from record import SLM, last_line
from serve import Server, free_port

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Tests/Peers"))
from kill_store import PostgreSQL


def load(url, people, questions):
    return subprocess.Popen([str(word) for word in [SLM, "bench", "serve", "--url", url, "--users", people, "--requests", questions, "--prompt", 16, "--generate", 200, "--json"]],
                            stdout=subprocess.PIPE, text=True)


def measure(options, database, servers, threads):
    """Returns the tokens per second of all servers together."""
    started = []
    try:
        for _ in range(servers):
            port = free_port()
            started.append(Server([SLM, "serve", "--checkpoint", options.checkpoint, "--dtype", options.dtype, "--threads", threads, "--port", port, "--database", database,
                                   "--secret-file", options.folder / "secret", "--chats-per-minute", 0, "--per-user", 4_096], port, "/api/ready"))
        people = options.people // servers
        for server in started:
            last_line([SLM, "bench", "serve", "--url", server.url, "--users", people, "--requests", 1, "--prompt", 16, "--generate", 20, "--json"])
        begin = time.monotonic()
        clients = [load(server.url, people, options.questions) for server in started]
        for client in clients:
            assert client.wait() == 0
        return options.people * options.questions * 200 / (time.monotonic() - begin)
    finally:
        for server in started:
            server.__exit__()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--checkpoint", required=True, type=pathlib.Path)
    arguments.add_argument("--dtype", default="bf16")
    arguments.add_argument("--people", type=int, default=16, help="users, half of them for each of the two servers")
    arguments.add_argument("--questions", type=int, default=6, help="questions of each user")
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    options.checkpoint = options.checkpoint.resolve()
    with tempfile.TemporaryDirectory() as name:
        options.folder = pathlib.Path(name)
        store = PostgreSQL(options.folder)
        two, one = [], []
        for turn in range(options.rounds):
            for results, servers, threads in [(two, 2, 1), (one, 1, 2)][::1 if turn % 2 else -1]:
                results.append(measure(options, store.address, servers, threads))
            print(f"round {turn + 1}: two servers {two[-1]:,.0f} tokens/s, one {one[-1]:,.0f}, ratio {two[-1] / one[-1]:.3f}", flush=True)
        store.server.stdin.close()
        store.server.wait()
    ratios = [a / b for a, b in zip(two, one)]
    print(f"{options.people} users, {options.dtype}: two servers of one thread {statistics.median(two):,.0f} tokens/s, one of two threads {statistics.median(one):,.0f}; "
          f"median ratio {statistics.median(ratios):.3f} ({min(ratios):.3f}–{max(ratios):.3f})")


if __name__ == "__main__":
    main()
