"""Measures the lists of the training area with many chats.

    Benchmarks/training_chats.py .build/release/slm [--chats 100000] [--postgres]

Imports the chats into an empty database, includes and tags a third, and prints the median and the longest of 20 requests for each list.
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "Tests/Peers"))
from kill_store import PostgreSQL  # noqa: E402
from served import ADMIN_KEY, UNLIMITED, Server, tiny_checkpoint  # noqa: E402

KEY = {"X-Admin-Key": ADMIN_KEY}
WORDS = pathlib.Path(__file__).resolve().parents[1].joinpath("data/sample.txt").read_text().replace("[INST]", "").replace("[/INST]", "").split()
LISTS = ["", "state=new", "state=included", "sort=longest", "sort=shortest&state=included", "rating=corrected", "rating=good", "flag=personal", "flag=duplicate",
         "tag=some", "tag=some&state=included", "tag=some&min_turns=2", "source=import", "source=account", "min_turns=3", "min_characters=100", "max_characters=60", "min_characters=100&rating=corrected", "max_characters=60&sort=longest", "q=rarewordhere", "q=99999", "q=the", "q=the&state=included", "from=2020-01-01&to=2021-01-01"]


def chats(count, choose):
    for number in range(count):
        turns = "".join(f"[INST] {' '.join(choose.choices(WORDS, k=8))} [/INST] {' '.join(choose.choices(WORDS, k=12))} " for _ in range(choose.randrange(1, 4)))
        yield f"{turns.strip()} {number}\n"


def ask(server, method, path, body=None):
    connection = server.connect(timeout=600)
    connection.request(method, "/api/training/" + path.removesuffix("?"), body, KEY | ({"Content-Type": "application/json"} if isinstance(body, str) else {}))
    response = connection.getresponse()
    text = response.read()
    connection.close()
    assert response.status == 200 or method == "GET" and response.status == 503, (path, response.status, text)
    return text if response.status == 200 else None


def measure(server, count):
    begin, choose, batch = time.monotonic(), random.Random(1), []
    for line in chats(count, choose):
        batch.append(line)
        if len(batch) == 5_000:
            answer = json.loads(ask(server, "POST", "chats/import", "".join(batch).encode()))
            assert answer["added"] == len(batch), answer
            batch = []
    print(f"{count} chats imported in {time.monotonic() - begin:.0f} s", flush=True)
    ask(server, "POST", "chats/bulk", '{"filter": {"min_turns": 3}, "state": "included", "add_tags": ["some"]}')
    for query in ["chats?" + query for query in LISTS] + ["tags", "imports"]:
        times = []
        for _ in range(20):
            begin = time.perf_counter()
            if ask(server, "GET", query) is None:
                break
            times.append(1e3 * (time.perf_counter() - begin))
        if len(times) < 20:
            print(f"{query:38} takes longer than the server allows", flush=True)
            continue
        print(f"{query:38} {statistics.median(times):8.1f} ms {max(times):8.1f} ms", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slm")
    parser.add_argument("--chats", type=int, default=100_000)
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    # Those of a new cluster; the server for tests has others.
    os.environ.setdefault("SLM_POSTGRES_OPTIONS", "-c autovacuum=on -c shared_buffers=128MB")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        checkpoint = tiny_checkpoint(options.slm, folder)
        database = PostgreSQL(folder) if options.postgres else None
        try:
            with Server(options.slm, checkpoint, *UNLIMITED, "--use-chats", database=database.address if database else "sqlite:chats.db") as server:
                measure(server, options.chats)
        finally:
            if database:
                database.server.stdin.close()
                database.server.wait()


main()
