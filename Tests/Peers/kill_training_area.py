"""Kills `slm serve` and the processes that it has started (`slm finetune`, `slm gate`) at random moments while owners train, compare, promote and roll
back. After each kill the database and the files must agree, and the old or the new model must answer. At the end all runs and comparisons finish.

    Tests/Peers/kill_training_area.py .build/release/slm [--kills 100] [--seed N]
"""
import collections
import contextlib
import os
import pathlib
import random
import signal
import sqlite3
import threading
import time

from programs import command_line, scratch_folder, wait_for
from served import tiny_checkpoint
from training_area import Area, active_and_previous, add_chats, answering_model, call, commands

RUN_STATES = {"queued", "running", "stopping", "stopped", "finished", "failed"}
ENDED = {"stopped", "finished", "failed"}


def children(folder):
    """The processes of runs and comparisons, by what they do."""
    found = []
    for id, words in commands():
        if b"--estimate" not in words and any(str(folder).encode() in word for word in words):
            found += [(id, name.decode()) for name in (b"finetune", b"gate") if name in words[:2]]
    return found


class Loop:
    """A server, what its owner asks of it, and what must hold after each kill."""

    def __init__(self, slm, folder, choose):
        self.choose = choose
        self.area = Area(slm, tiny_checkpoint(slm, folder), folder)
        self.server = self.area.start()
        self.names = iter(f"run{number}" for number in range(1_000_000))
        self.possible = None
        self.killed = collections.Counter()
        self.changes = collections.Counter()
        add_chats(self.server, 30)
        for number in (3, 17):
            self.call("POST", "questions", {"text": f"What comes after {number}?", "expected": str(number + 1)})

    def call(self, method, path, body=None):
        status, answer = call(self.server, method, path, body)
        assert status < 500 or status == 503, (method, path, status, answer)
        return status, answer

    def models(self):
        return self.call("GET", "models")[1]["items"]

    def runs(self):
        return self.call("GET", "runs?limit=200")[1]["items"]

    def state(self):
        """The ids of the active and of the previous model."""
        active, previous = active_and_previous(self.models())
        return active["id"], previous["id"] if previous else None

    # What the owner does. Each returns the states of the registry that are possible afterwards.

    def train(self, now):
        in_progress = [run for run in self.runs() if run["state"] not in ENDED]
        if in_progress:
            what = self.choose.choice(["leave", "stop"])
            if what == "stop":
                self.call("POST", f"runs/{in_progress[-1]['id']}/stop", {})
        else:
            ended = [run for run in self.runs() if run["state"] in ("stopped", "failed")]
            if ended and self.choose.random() < 0.5:
                self.call("POST", f"runs/{self.choose.choice(ended)['id']}/resume", {})
            else:
                self.call("POST", "runs", {"name": next(self.names), "max_steps": 30, "replay": []})
        return [now]

    def compare(self, now):
        models = [model for model in self.models() if model["state"] != "active"]
        if models:
            self.call("POST", f"models/{self.choose.choice(models)['id']}/compare", {})
        return [now]

    def promote(self, now):
        model = self.choose.choice(self.models())["id"]
        after = now if model == now[0] else (model, now[0])
        self.possible = [now, after]
        status, answer = self.call("POST", f"models/{model}/promote", {"force": True, "reason": "a test"})
        assert status == 200, (status, answer)
        return [after]

    def roll_back(self, now):
        after = (now[1], None) if now[1] else now
        self.possible = [now, after]
        status, answer = self.call("POST", "rollback", {})
        assert status == (200 if now[1] else 409), (status, answer)
        return [after]

    def work(self):
        """Acts until the server is gone."""
        try:
            while True:
                now, = self.possible
                action = self.choose.choice([self.train, self.train, self.compare, self.promote, self.roll_back])
                self.possible = action(now)
                self.changes[action.__name__] += 1
                time.sleep(self.choose.random() * 0.1)
        except (OSError, ValueError, EOFError) as gone:
            return gone
        except Exception as error:
            # http.client's errors of a connection that broke.
            if type(error).__module__ != "http.client":
                raise
            return error

    def kill(self):
        """Kills the server, or what it has started, or both, while the owner acts."""
        failure = []

        def act():
            try:
                self.work()
            except BaseException as error:
                failure.append(error)

        owner = threading.Thread(target=act)
        self.possible = [self.state()]
        owner.start()
        time.sleep(self.choose.random() ** 2 * 1.5)
        what = self.choose.choice(["server", "server", "child", "both"])
        if what != "server":
            processes = children(self.area.training)
            for process, name in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                    self.killed[name] += 1
            if what == "child" and processes:
                # The server notices, and goes on while the owner acts.
                time.sleep(self.choose.random() * 0.5)
        self.server.kill()
        self.killed["serve"] += 1
        owner.join()
        if failure:
            raise failure[0]
        self.server = self.area.start()

    def check(self):
        """What holds at any moment after a kill."""
        now = self.state()
        assert now in self.possible, (now, self.possible)
        self.possible = [now]
        models = {model["id"]: model for model in self.models()}
        active = models[now[0]]
        assert active["is_served"] and active["error"] is None, active
        assert answering_model(self.server) == active["name"], active
        for model in models.values():
            assert model["files_deleted_at"] or pathlib.Path(model["path"]).exists(), model
            if model["verdict"]:
                comparison = self.call("GET", f"comparisons/{model['comparison']}")[1]
                assert comparison["state"] == "finished" and comparison["verdict"] == model["verdict"], comparison
        runs = self.runs()
        made = collections.Counter(model["run"] for model in models.values() if model["run"])
        assert all(count == 1 for count in made.values()), made
        for run in runs:
            assert run["state"] in RUN_STATES
            # A run that was killed between registering its model and its own end has a model, which it takes when it is looked at again.
            if run["state"] == "finished":
                assert run["model"] in models and models[run["model"]]["run"] == run["id"], run
                assert pathlib.Path(models[run["model"]]["path"]).parent.name == run["name"], run
            elif run["state"] == "failed":
                assert "ended 3 times" in run["message"], run
        assert len([name for _, name in children(self.area.training) if name == "finetune"]) <= 1

    def settle(self):
        """Waits for all runs and comparisons, after those that were stopped or have failed are resumed."""
        deadline = time.monotonic() + 600
        for run in self.runs():
            while self.area.wait(self.server, run["id"], lambda run: run["state"] in ENDED, 300)["state"] != "finished":
                assert time.monotonic() < deadline, run
                status, answer = self.call("POST", f"runs/{run['id']}/resume", {})
                assert status in (200, 409), (status, answer)
            folder = self.area.training / "runs" / run["name"]
            made = [model for model in self.models() if model["run"] == run["id"]]
            assert len(made) == 1 and pathlib.Path(made[0]["path"]).samefile(folder / "best.h5"), (run, made)
        for model in self.models():
            while model["comparison"]:
                comparison = self.call("GET", f"comparisons/{model['comparison']}")[1]
                if comparison["state"] == "failed":
                    # Like a run that was killed too often, it is asked for again.
                    assert "was ended several times" in comparison["message"], comparison
                    status, comparison = self.call("POST", f"models/{model['id']}/compare", {})
                    assert status in (202, 409), comparison
                    if status == 409:
                        break                                   # it has become the active one
                    model["comparison"] = comparison["id"]
                elif comparison["state"] != "running":
                    break
                assert time.monotonic() < deadline, comparison
                time.sleep(0.1)
        # A folder goes after the row has the result.
        texts = self.area.training / "comparisons"
        wait_for(lambda: not list(texts.glob("*")), 600, lambda: f"texts of a comparison were left: {list(texts.glob('*'))}")
        with sqlite3.connect(self.area.folder / "chats.db") as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert not database.execute("PRAGMA foreign_key_check").fetchall()


def main():
    options = command_line(__doc__, "slm", kills=100, seed=random.randrange(1 << 32))
    print(f"seed {options.seed}", flush=True)
    with scratch_folder() as folder:
        loop = Loop(options.slm, folder, random.Random(options.seed))
        try:
            # A first candidate, so that there is something to promote from the beginning.
            loop.call("POST", "runs", {"name": "first", "max_steps": 30, "replay": []})
            loop.settle()
            for _ in range(options.kills):
                loop.kill()
                loop.check()
            loop.settle()
            runs = loop.runs()
        except BaseException:
            print(loop.server.log_text()[-4_000:])
            raise
        finally:
            loop.area.__exit__()
            for process, _ in children(loop.area.training):
                os.kill(process, signal.SIGKILL)
    print(f"kill_training_area: {options.kills} kills ({dict(loop.killed)}) during {dict(loop.changes)}; {len(runs)} runs finished once each, registry, files and "
          "served model agree")


if __name__ == "__main__":
    main()
