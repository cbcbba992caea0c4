"""Kills StoreWriter and the PostgreSQL server at random moments and verifies that every acknowledged message is stored exactly once.

    Tests/Peers/kill_store.py .build/release/StoreWriter --kills 300

Each kill is a SIGKILL while four threads write. With PostgreSQL, a third of the kills hit the server alone, with all its processes, while
the writer goes on, and a third hit both. Each writer starts a little before the last stored message, so that it appends some stored
messages again with the same ids. The tables are read with other programs: Python's sqlite3, and psql.
"""
import os
import pathlib
import random
import sqlite3
import subprocess
import sys
import threading
import time

from programs import command_line, run, scratch_folder, wait_for

QUERIES = {
    "messages": "SELECT content, id, conversation_id FROM messages ORDER BY content",
    "positions": "SELECT conversation_id, count(*), count(DISTINCT position), max(position) + 1 FROM messages GROUP BY conversation_id",
    "counts": "SELECT id, message_count FROM conversations",
    "answers": "SELECT prompt_tokens, count(*) FROM generations GROUP BY prompt_tokens",
}


class SQLite:
    name = "SQLite"

    def __init__(self, folder, name="chat.db"):
        self.path = folder / name
        self.address = f"sqlite:{self.path}"

    def rows(self, sql):
        with sqlite3.connect(self.path) as database:
            return [tuple(map(str, row)) for row in database.execute(sql)]

    def check(self):
        with sqlite3.connect(self.path) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert not database.execute("PRAGMA foreign_key_check").fetchall()


class PostgreSQL:
    name = "PostgreSQL"

    def __init__(self, folder, environment={}):
        script = pathlib.Path(__file__).parent / "postgres.sh"
        self.server = subprocess.Popen(["bash", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | environment)
        self.address = self.server.stdout.readline().strip()
        assert self.address.startswith("postgresql://"), self.address
        self.psql = run("pg_config", "--bindir").strip() + "/psql"

    def send(self, command):
        self.server.stdin.write(command + "\n")
        self.server.stdin.flush()
        answer = self.server.stdout.readline().strip()
        assert answer.split()[:1] == ["done"], answer
        return answer.removeprefix("done").strip()

    def query(self, sql):
        """What psql prints: a line for each row, with | between the columns."""
        return run(self.psql, "--no-psqlrc", "--no-align", "--tuples-only", self.address, "--command", sql).removesuffix("\n")

    def rows(self, sql):
        return [tuple(line.split("|")) for line in self.query(sql).splitlines()]

    def check(self):
        pass

    def close(self):
        self.server.stdin.close()
        self.server.wait(60)


class Writer:
    """A StoreWriter process and the numbers of the messages it has acknowledged."""

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
        wait_for(lambda: len(self.acknowledged) >= count, 60, lambda: f"no message was stored: {self.failures[-3:]}", self.process, interval=0.002)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()


def verify(store, acknowledged):
    messages = store.rows(QUERIES["messages"])
    contents = [content for content, _, _ in messages]
    assert len(set(contents)) == len(contents), f"{len(contents) - len(set(contents))} messages are stored twice"
    assert all(content == f"message {int(id)}" for content, id, _ in messages)
    missing = acknowledged - {int(id) for _, id, _ in messages}
    assert not missing, f"{len(missing)} acknowledged messages are missing: {sorted(missing)[:5]}"
    counts = dict(store.rows(QUERIES["counts"]))
    for conversation, count, positions, end in store.rows(QUERIES["positions"]):
        stored = counts[conversation]
        assert count == positions == end == stored, \
            f"conversation {conversation}: {count} messages, {positions} positions up to {end}, message_count {stored}"
    answers = dict(store.rows(QUERIES["answers"]))
    assert set(answers.values()) <= {"1"}, "an answer was counted twice"
    assert set(answers) == {str(int(id)) for _, id, _ in messages if int(id) % 4 == 0}, \
        "an answer without token counts, or token counts without an answer"
    store.check()
    return max(acknowledged, default=0), len(contents)


def kill_writers(store, program, kills, rng):
    acknowledged = set()
    last = total = unacknowledged = server_kills = failures = 0
    longest_outage = 0
    for kill in range(kills):
        writer = Writer(program, store.address, max(0, last - rng.randrange(20)))
        writer.wait(rng.randrange(1, 40))
        time.sleep(rng.uniform(0, 0.05))
        victim = rng.choice(["writer", "server", "both"]) if isinstance(store, PostgreSQL) else "writer"
        if victim != "writer":
            server_kills += 1
            store.send("kill")
            if victim == "both":
                time.sleep(rng.uniform(0, 0.01))
                writer.kill()
            store.send("start")
        if victim == "server":
            begin = time.monotonic()
            writer.wait(len(writer.acknowledged) + 1)           # the same writer reconnects
            longest_outage = max(longest_outage, time.monotonic() - begin)
        writer.kill()
        failures += len(writer.failures)
        acknowledged |= writer.acknowledged
        last, count = verify(store, acknowledged)
        unacknowledged, total = count - len(acknowledged), count
        if sys.stderr.isatty() or kill % 25 == 24:
            print(f"{store.name}: {kill + 1} kills, {count} messages", file=sys.stderr, flush=True)
    detail = f", {server_kills} of the server, longest outage {longest_outage:.2f} s, {failures} calls failed" if server_kills else ""
    print(f"{store.name}: {kills} kills{detail}. All {len(acknowledged)} acknowledged messages are stored, none of {total} twice; "
          f"{unacknowledged} were stored but not acknowledged before a kill.")


def main():
    options = command_line(__doc__, "writer", kills=300, seed=1)
    with scratch_folder() as folder:
        for kind in [SQLite, PostgreSQL]:
            kill_writers(kind(folder), options.writer, options.kills, random.Random(options.seed))


if __name__ == "__main__":
    sys.exit(main())
