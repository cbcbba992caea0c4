#!/usr/bin/env python3
"""Measures how long a sign-in takes while other addresses flood the server with sign-ins.

    Benchmarks/sign_ins.py --slm .build/release/slm checkpoints/first/best.h5

Starts `slm serve --behind-proxy`, so that each attacker has an address of its own (X-Forwarded-For). Every attacker keeps eight wrong
sign-ins of random users in progress. Meanwhile people sign in, one per second, each from another address. Prints the percentiles of their
sign-ins without and with the flood, and what the attackers got.
"""
import argparse, collections, http.client, json, os, random, subprocess, tempfile, threading, time


def post(port, target, fields, address):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        headers = {"Content-Type": "application/json", "X-Forwarded-For": address}
        connection.request("POST", target, json.dumps(fields), headers)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def sign_ins(port, person, count):
    """Signs in `count` times and returns the durations in seconds."""
    durations = []
    for index in range(count):
        start = time.monotonic()
        status = post(port, "/api/auth/login", person, f"198.51.100.{1 + index % 200}")
        durations.append(time.monotonic() - start)
        assert status == 200, status
        time.sleep(max(0, 1 - durations[-1]))
    return sorted(durations)


def report(name, durations):
    def percentile(share):
        return durations[min(len(durations) - 1, int(share * len(durations)))]
    print(f"{name:16} {len(durations)} sign-ins, p50 {percentile(0.5):.2f} s, p99 {percentile(0.99):.2f} s, most {durations[-1]:.2f} s",
          flush=True)


def attack(port, address, stopped, statuses):
    while not stopped.is_set():
        try:
            name = f"unknown{random.randrange(10**9)}"
            statuses[post(port, "/api/auth/login", {"username": name, "password": "wrong"}, address)] += 1
        except OSError:
            statuses["no answer"] += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("--slm", default=".build/release/slm")
    parser.add_argument("--addresses", type=int, default=12)
    parser.add_argument("--sign-ins", type=int, default=60)
    parser.add_argument("--sign-ins-per-minute", default="20", help="the server's limit; 0 makes every attempt cost a hash")
    options = parser.parse_args()
    person = {"username": "ada", "password": "correct horse"}
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [os.path.abspath(options.slm), "serve", os.path.abspath(options.checkpoint), "--port", "0", "--behind-proxy", "--database",
             "sqlite:chats.db", "--sign-ins-per-minute", options.sign_ins_per_minute],
            cwd=folder, stdout=subprocess.PIPE, text=True)
        try:
            port = int(server.stdout.readline().rsplit(":", 1)[1])
            assert post(port, "/api/auth/register", person, "198.51.100.100") == 201
            report("without a flood", sign_ins(port, person, min(10, options.sign_ins)))
            stopped, statuses = threading.Event(), collections.Counter()
            for index in range(options.addresses):
                for _ in range(8):
                    threading.Thread(target=attack, args=(port, f"192.0.2.{index}", stopped, statuses), daemon=True).start()
            report("with the flood", sign_ins(port, person, options.sign_ins))
            stopped.set()
            print("the attackers got", dict(statuses))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
