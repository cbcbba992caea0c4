"""The training area of `slm serve`: its routes for owners, and the runs that servers start.

    with Area(slm, checkpoint, folder) as area:
        server = area.start()
        call(server, "GET", "models")
"""
import json
import os
import pathlib
import signal

from programs import wait_for
from served import KEY, UNLIMITED, Server


def call(server, method, path, body=None):
    """Sends a request of an owner. Returns the status and the answer."""
    return server.ask(method, f"/api/training/{path}", body, headers=KEY)


def compared(server, model):
    """Compares a model. Returns the comparison when it has ended."""
    status, comparison = call(server, "POST", f"models/{model}/compare", {})
    assert status == 202, comparison

    def ended():
        found = call(server, "GET", f"comparisons/{comparison['id']}")[1]
        return found["state"] != "running" and found

    return wait_for(ended, 300, f"the comparison {comparison}")


def answering_model(server):
    """The name of the model that answers an API request."""
    status, answer = server.ask("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}, headers=KEY)
    assert status == 200, (status, answer)
    return answer["model"]


def active_and_previous(models):
    """The active model of the registry, and the previous one or None."""
    active = [model for model in models if model["state"] == "active"]
    previous = [model for model in models if model["state"] == "previous"]
    assert len(active) == 1 and len(previous) <= 1, models
    return active[0], previous[0] if previous else None


class Area:
    """A database, the directory of the runs, and the servers that use them. All of them end with the block."""

    def __init__(self, slm, checkpoint, folder, training=None, database=None):
        self.slm, self.checkpoint, self.folder = slm, checkpoint, folder
        folder.mkdir(exist_ok=True)
        self.database = database or f"sqlite:{folder}/chats.db"
        self.training = training or folder / "training"
        self.servers = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.__exit__()
        for process in processes(self.training):
            os.kill(process, signal.SIGKILL)

    def start(self):
        server = Server(self.slm, self.checkpoint, *UNLIMITED, "--use-chats", "--training-dir", self.training,
                        database=self.database, log=self.folder / "serve.log", environment={"SLM_AUTOTUNE": "off"})
        self.servers.append(server)
        return server

    def run(self, server, id):
        status, run = call(server, "GET", f"runs/{id}")
        assert status == 200, run
        return run

    def add(self, server, **settings):
        status, run = call(server, "POST", "runs", settings)
        assert status == 201, (status, run)
        assert run["state"] == "queued", run
        return run

    def wait(self, server, id, condition, seconds=300):
        def matching():
            run = self.run(server, id)
            return condition(run) and run

        return wait_for(matching, seconds, lambda: f"{self.run(server, id)}\n{server.log_text()[-3000:]}", interval=0.05)

    def ended(self, server, id, state="finished"):
        run = self.wait(server, id, lambda run: run["state"] in ("stopped", "finished", "failed"))
        assert run["state"] == state, (run["state"], run["message"], run["log"][-2000:])
        return run

    def check_finished(self, server, id):
        """The files of a finished run, and the model that it made."""
        run = self.ended(server, id)
        folder = self.training / "runs" / run["name"]
        assert (folder / "best.h5").exists() and not processes(folder), run
        events = [json.loads(line)["event"] for line in (folder / "log.jsonl").read_text().splitlines()]
        assert events[-1] in ("finished", "no_gain"), events[-5:]
        assert run["message"] is None, run
        assert run["seconds_left"] is None and run["curve"] and run["samples"] and run["log"], run
        status, models = call(server, "GET", "models")
        if status == 200:
            made = [model for model in models["items"] if model["run"] == id]
            assert len(made) == 1 and made[0]["id"] == run["model"] and made[0]["state"] == "candidate", (made, run["model"])
            assert pathlib.Path(made[0]["path"]).samefile(folder / "best.h5"), made
        return run


def commands():
    """The id and the words of the command line of each process."""
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            yield int(entry.name), (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            pass                                    # it has ended


def processes(folder):
    """The ids of the processes that train in a folder or below."""
    def is_meant(words):
        return any(str(folder).encode() in word for word in words) or str(folder.parent).encode() in words and folder.name.encode() in words

    return [id for id, words in commands() if b"finetune" in words and b"--estimate" not in words and is_meant(words)]


def add_chats(server, count):
    """Adds and includes chats with corrections, at least `count`, until at least one is held out: each is with a probability of a tenth."""
    token = server.account("ada")
    for first in range(0, 20 * count, count):
        add_corrections(server, token, range(first, first + count))
        status, answer = call(server, "POST", "chats/bulk", {"filter": {}, "state": "included"})
        assert status in (200, 404), (status, answer)
        if call(server, "GET", "chats")[1]["counts"]["held_out"]:
            return
    raise AssertionError(f"none of {20 * count} chats is held out")


def add_corrections(server, token, numbers):
    for i in numbers:
        events = list(server.stream("/api/chat", {"message": f"What comes after {i}?", "max_tokens": 4}, token))
        start = events[0][1]
        path = f"/api/conversations/{start['conversation_id']}/messages/{start['answer_id']}/correction"
        status, answer = server.ask("PUT", path, {"content": f"After {i} comes {i + 1}."}, token)
        # An empty answer is not stored.
        assert status in (200, 204, 404), (status, answer)
