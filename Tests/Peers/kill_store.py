"""A program that stores messages is killed again and again, and so is the server: every message that was acknowledged is there, and none twice.

    Tests/Peers/kill_store.py .build/release/StoreWriter --kills 300

Each kill is a SIGKILL at a random moment while four threads write. A third of those of PostgreSQL are of the server alone, with all its processes, and the
writer goes on; a third of both. Each writer begins a little before the end of what is stored, so that it sends again what is there under the same keys.
What is in the tables is read with other programs: Python's own sqlite3, and psql.
"""
import argparse
import pathlib
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

QUESTIONS = {
    "messages": "SELECT content, write_key, conversation_id FROM messages ORDER BY content",
    "positions": "SELECT conversation_id, count(*), count(DISTINCT position), max(position) + 1 FROM messages GROUP BY conversation_id",
    "counts": "SELECT id, message_count FROM conversations",
    "answers": "SELECT prompt_tokens, count(*) FROM generations GROUP BY prompt_tokens",
}


class SQLite:
    name = "SQLite"

    def __init__(self, folder):
        self.path = folder / "chat.db"
        self.address = f"sqlite:{self.path}"

    def rows(self, question):
        with sqlite3.connect(self.path) as database:
            return [tuple(map(str, row)) for row in database.execute(QUESTIONS[question])]

    def check(self):
        with sqlite3.connect(self.path) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert not database.execute("PRAGMA foreign_key_check").fetchall()


class PostgreSQL:
    name = "PostgreSQL"

    def __init__(self, folder):
        script = pathlib.Path(__file__).parent / "postgres.sh"
        self.server = subprocess.Popen(["bash", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = self.server.stdout.readline().strip()
        assert self.address.startswith("postgresql://"), self.address
        bindir = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=True).stdout.strip()
        self.psql = [f"{bindir}/psql", "--no-psqlrc", "--no-align", "--tuples-only", self.address, "--command"]

    def tell(self, command):
        self.server.stdin.write(command + "\n")
        self.server.stdin.flush()
        answer = self.server.stdout.readline().strip()
        assert answer == "done", answer

    def rows(self, question):
        lines = subprocess.run(self.psql + [QUESTIONS[question]], capture_output=True, text=True, check=True).stdout.splitlines()
        return [tuple(line.split("|")) for line in lines]

    def check(self):
        pass


class Writer:
    """StoreWriter, and the numbers of the messages that it says are stored."""

    def __init__(self, program, address, first):
        self.process = subprocess.Popen([program, "append", address, str(first)], stdout=subprocess.PIPE, text=True)
        self.acknowledged, self.failures = set(), []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            if line.endswith("\n") and line.strip().isdigit():
                self.acknowledged.add(int(line))
            else:
                self.failures.append(line.strip())

    def wait(self, count):
        deadline = time.monotonic() + 60
        while len(self.acknowledged) < count:
            assert time.monotonic() < deadline and self.process.poll() is None, f"nothing is stored any more: {self.failures[-3:]}"
            time.sleep(0.002)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()


def verify(store, acknowledged):
    messages = store.rows("messages")
    contents = [content for content, _, _ in messages]
    assert len(set(contents)) == len(contents), f"{len(contents) - len(set(contents))} messages are there twice"
    assert all(content == f"message {key}" for content, key, _ in messages)
    missing = acknowledged - {int(key) for _, key, _ in messages}
    assert not missing, f"{len(missing)} messages were acknowledged and are gone: {sorted(missing)[:5]}"
    counts = dict(store.rows("counts"))
    for conversation, count, positions, end in store.rows("positions"):
        known = counts[conversation]
        assert count == positions == end == known, f"conversation {conversation}: {count} messages, {positions} positions up to {end}, count {known}"
    answers = dict(store.rows("answers"))
    assert set(answers.values()) <= {"1"}, "an answer was counted twice"
    assert set(answers) == {key for _, key, _ in messages if int(key) % 4 == 0}, "an answer without what it took, or the reverse"
    store.check()
    return max(acknowledged, default=0), len(contents)


def run(store, program, kills, draw):
    acknowledged, last, total, unsure, servers, failures, longest = set(), 0, 0, 0, 0, 0, 0
    for kill in range(kills):
        writer = Writer(program, store.address, max(0, last - draw.randrange(20)))
        writer.wait(draw.randrange(1, 40))
        time.sleep(draw.uniform(0, 0.05))
        victim = draw.choice(["writer", "server", "both"]) if isinstance(store, PostgreSQL) else "writer"
        if victim != "writer":
            servers += 1
            store.tell("kill")
            if victim == "both":
                time.sleep(draw.uniform(0, 0.01))
                writer.kill()
            store.tell("start")
        if victim == "server":
            begin = time.monotonic()
            writer.wait(len(writer.acknowledged) + 1)           # it goes on by itself
            longest = max(longest, time.monotonic() - begin)
        writer.kill()
        failures += len(writer.failures)
        acknowledged |= writer.acknowledged
        last, count = verify(store, acknowledged)
        unsure, total = count - len(acknowledged), count
        if sys.stderr.isatty() or kill % 25 == 24:
            print(f"{store.name}: {kill + 1} kills, {count} messages", file=sys.stderr, flush=True)
    what = f", {servers} of them of the server, which was written to again after {longest:.2f} s at most; {failures} calls gave up" if servers else ""
    print(f"{store.name}: {kills} kills{what}. All {len(acknowledged)} acknowledged messages are there, none of the {total} twice; "
          f"{unsure} were stored and not acknowledged in time.")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("writer")
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for kind in [SQLite, PostgreSQL]:
            run(kind(pathlib.Path(name)), options.writer, options.kills, random.Random(options.seed))


if __name__ == "__main__":
    sys.exit(main())
