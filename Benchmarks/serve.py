"""Serving speed of `slm serve`, of the model without a server, and of llama.cpp's server: alternating runs, several rounds, medians and ratios.

    Benchmarks/serve.py --checkpoint best.h5 [--llama-server llama-server] [--rounds 3]

Run it on an otherwise idle machine. Each simulated user sends the next question as soon as the answer is complete. Questions differ and have 16 words; answers have
200 tokens. `slm bench generate` runs while the server is suspended. `slm export` writes llama.cpp's files from the same checkpoint; BF16, Q8_0 and Q4_0 are
compared with slm's bf16, int8 and int4. Both servers have two threads and a slot for each user. Documentation/Performance/Method.md has the commands that build
llama.cpp's.
"""
import argparse
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import record
from record import SLM, last_line

KINDS = {"bf16": "bf16", "int8": "q8_0", "int4": "q4_0"}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


class Server:
    """A server process that is ready on entry and terminated on exit."""

    def __init__(self, command, port, health):
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                urllib.request.urlopen(self.url + health, timeout=5)
                return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        raise SystemExit(f"{command[0]} did not become ready")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def ask(self, people, questions):
        return last_line([SLM, "bench", "serve", "--url", self.url, "--users", people, "--requests", questions, "--prompt", 16, "--generate", 200, "--json"])

    def measure(self, people, questions):
        self.ask(people, 1)
        line = self.ask(people, questions)
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return line | {"peak_mb": int(status.split("VmHWM:")[1].split()[0]) / 1024}


def measure(folder, options):
    results, models = {}, pathlib.Path(options.checkpoint).resolve()
    kinds, people = options.types.split(","), [int(count) for count in options.people.split(",")]
    if options.llama_server:
        for kind in kinds:
            subprocess.run([SLM, "export", models, "--out", folder / f"{kind}.gguf", "--dtype", KINDS[kind]], check=True, capture_output=True)
    for turn in range(options.rounds):
        for kind in kinds:
            for count in people:
                questions = max(4, options.answers // count)
                port = free_port()
                command = [SLM, "serve", "--checkpoint", models, "--dtype", kind, "--threads", 2, "--port", port, "--database", f"sqlite:{folder}/{turn}-{kind}-{count}.db",
                           "--chats-per-minute", 0, "--per-user", 4_096]
                with Server(command, port, "/api/ready") as server:
                    ours = server.measure(count, questions)
                    os.kill(server.process.pid, signal.SIGSTOP)
                    alone = last_line([SLM, "bench", "generate", "--checkpoint", models, "--dtype", kind, "--batch", count, "--prompt", 16, "--generate", 200, "--threads", 2, "--json"])
                    os.kill(server.process.pid, signal.SIGCONT)
                lines = {"slm serve": ours, "slm alone": alone}
                if options.llama_server:
                    port = free_port()
                    command = [options.llama_server, "-m", folder / f"{kind}.gguf", "-t", 2, "-tb", 2, "-np", count, "-c", 384 * count, "--host", "127.0.0.1", "--port", port]
                    with Server(command, port, "/health") as server:
                        lines["llama.cpp"] = server.measure(count, questions)
                for program, line in lines.items():
                    print(json.dumps(dict(line, program=program, type=kind)), flush=True)
                    results.setdefault((program, kind, count), []).append(line)
    return results, kinds, people


def table(results, kinds, people):
    def runs(program, kind, count, key):
        return [line[key] for line in results.get((program, kind, count), [])]

    def median(*what):
        return statistics.median(runs(*what) or [float("nan")])

    def with_range(*what):
        values = runs(*what)
        return f"{median(*what):,.0f}" + (f" ({min(values):,.0f}–{max(values):,.0f})" if len(values) > 1 else "")

    print("\n| | users | tokens/s, slm serve | model without server | ratio | llama.cpp's server | slm ÷ llama.cpp | first token, p50 / p99 | llama.cpp | peak MB | llama.cpp |")
    print("|---|" + "---:|" * 10)
    for kind in kinds:
        for count in people:
            of = lambda program, key: median(program, kind, count, key)
            served, alone, theirs = of("slm serve", "tokens_per_s"), of("slm alone", "tokens_per_s"), of("llama.cpp", "tokens_per_s")
            first = [f"{of(program, 'first_token_ms_p50'):.0f} / {of(program, 'first_token_ms_p99'):.0f} ms" for program in ("slm serve", "llama.cpp")]
            speeds = {program: with_range(program, kind, count, "tokens_per_s") for program in ("slm serve", "slm alone", "llama.cpp")}
            print(f"| {kind} | {count} | {speeds['slm serve']} | {speeds['slm alone']} | {served / alone:.2f} | {speeds['llama.cpp']} | **{served / theirs:.2f}** | {first[0]} | {first[1]} | "
                  f"{of('slm serve', 'peak_mb'):.0f} | {of('llama.cpp', 'peak_mb'):.0f} |")
    for count in people:
        best = [max(median(program, kind, count, "tokens_per_s") for kind in kinds) for program in ("slm serve", "llama.cpp")]
        print(f"\n{count} users: best slm ÷ best llama.cpp {best[0] / best[1]:.2f}")


def comparisons(results, kinds, people):
    found = []
    for kind in kinds:
        for count in people:
            for work, key, unit in (("serving", "tokens_per_s", "tokens/s"), ("first token of an answer, median", "first_token_ms_p50", "ms"), ("peak memory of the server", "peak_mb", "MB")):
                ours, theirs = ([line[key] for line in results.get((program, kind, count), [])] for program in ("slm serve", "llama.cpp"))
                found.append(record.comparison(work, f"{kind}, {count} user{'s' if count > 1 else ''}", unit, ours, f"llama.cpp's server {KINDS.get(kind, kind).upper()}", theirs))
    return found


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--checkpoint", required=True)
    arguments.add_argument("--llama-server", help="path of llama.cpp's llama-server to compare with")
    arguments.add_argument("--types", default=",".join(KINDS))
    arguments.add_argument("--people", default="1,16,64")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--answers", type=int, default=64, help="answers per measurement, at least four per user")
    arguments.add_argument("--save", action="store_true", help="store the results in Documentation/Performance/results")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        measured = measure(pathlib.Path(name), options)
    if options.save:
        record.save("serve.py", comparisons(*measured))
    table(*measured)


if __name__ == "__main__":
    main()
