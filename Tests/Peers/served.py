"""Starts `slm serve`, sends requests and inspects the process.

    with Server(slm, checkpoint, "--require-key") as server:
        server.url, server.get("/api/health")
"""
import contextlib
import http.client
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse

from programs import run, wait_for

PASSWORD = "passwordthatnologhas"
ADMIN_KEY = "adminkeythatnologhas"
KEY = {"X-Admin-Key": ADMIN_KEY}
SECRET = "thatnologhas-4f9d1c77e0b34aa2b1d85c6e"


def tiny_checkpoint(slm, folder, vocabulary=300, steps=20, seed=1):
    """Trains a model that answers fast, with bad answers."""
    chats = [f"[INST] What comes after {i}? [/INST] After {i} comes {i + 1}." for i in range(300)]
    (folder / "chats.txt").write_text("\n".join(chats) + "\n")
    data = folder / "data"
    for arguments in [
        ["tokenize", "corpus", "--data", folder / "chats.txt", "--vocab-size", vocabulary, "--out", data],
        ["train", "--data", data, "--out", folder / "run", "--threads", 1, "--layers", 1, "--width", 32, "--heads", 2, "--context", 1_024, "--batch", 1, "--max-steps", steps, "--seed", seed],
    ]:
        run(slm, *arguments)
    return folder / "run/best.h5"


# Disables the rate limits.
UNLIMITED = ["--chats-per-minute", "0", "--sign-ins-per-minute", "0", "--changes-per-minute", "0", "--searches-per-minute", "0"]


class Server:
    """A server process. Its database and its log of standard error are temporary unless they are given. With `listening`, it inherits that
    socket, as from systemd. `wrapper` is a command that starts the server."""

    def __init__(self, slm, checkpoint, *options, database="sqlite:chats.db", log=None, files=None, environment={}, listening=None, port=0, wrapper=()):
        self.folder = tempfile.TemporaryDirectory()
        self.log = pathlib.Path(log or self.folder.name + "/log")
        limit_files = files and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
        command = [*wrapper, os.path.abspath(slm), "serve", *(["--checkpoint", os.path.abspath(checkpoint)] if checkpoint else []), "--database", database, "--port", str(port), "--threads", "1", *map(str, options)]
        if listening:
            command = ["bash", "-c", 'exec 3<&"$0"; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', str(listening.fileno()), *command]
        with open(self.log, "ab") as errors:
            self.process = subprocess.Popen(
                command, pass_fds=[listening.fileno()] if listening else [],
                cwd=self.folder.name, stdout=subprocess.PIPE, stderr=errors, text=True, env=os.environ | {"SLM_JWT_SECRET": SECRET, "ADMIN_API_KEY": ADMIN_KEY} | environment,
                preexec_fn=limit_files)
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://"), f"expected a URL, found {self.url!r}\n{self.log_text()[-2000:]}"
        self.port = urllib.parse.urlparse(self.url).port
        self.wait(lambda: self.get("/api/ready")[0] == 200)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.terminate()
        self.folder.cleanup()

    def log_text(self):
        return self.log.read_text()

    def wait(self, condition, seconds=60):
        return wait_for(condition, seconds, lambda: self.log_text()[-2000:], self.process, interval=0.005)

    def connect(self, timeout=60):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, method, path, body=None, token=None, connection=None, headers=()):
        """Sends a request, whose body is JSON or bytes. Returns the status and the body, parsed if it is JSON."""
        own = connection or self.connect()
        headers = dict(headers) | ({"Authorization": f"Bearer {token}"} if token else {})
        if body is not None and not isinstance(body, bytes):
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        own.request(method, path, body, headers)
        response = own.getresponse()
        data = response.read()
        if connection is None:
            own.close()
        is_json = (response.headers.get("Content-Type") or "").startswith("application/json")
        return response.status, json.loads(data) if is_json else data

    def get(self, path, token=None):
        return self.ask("GET", path, token=token)

    def queue(self):
        return self.get("/api/health")[1]["queue"]

    def wait_until_idle(self):
        self.wait(lambda: self.queue() == {"running": 0, "waiting": 0})

    def account(self, name):
        """Registers an account and returns its session token."""
        status, answer = self.ask("POST", "/api/auth/register", {"username": name, "password": PASSWORD})
        assert status == 201, answer
        return answer["access_token"]

    def stream(self, path, body, token=None):
        """Yields server-sent events as (name, data)."""
        connection = self.connect()
        try:
            headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
            connection.request("POST", path, json.dumps(body), headers)
            response = connection.getresponse()
            if response.status != 200:
                raise Refused(response.status, response.read())
            name = None
            for line in response:
                if line.startswith(b"event: "):
                    name = line[7:].strip().decode()
                elif line.startswith(b"data: ") and line.endswith(b"\n"):
                    yield name, json.loads(line[6:])
        finally:
            connection.close()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def terminate(self):
        """Sends SIGTERM. Returns the exit status and the seconds until the process ended."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        self.process.stdout.close()
        return status, time.monotonic() - begin

    def memory(self):
        """Returns the resident memory in bytes."""
        return int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    def heap(self):
        """Returns the bytes on the heap that are in use, without those of SQLite, whose caches grow with the database."""
        values = dict(re.findall(r"^(slm_(?:heap|sqlite_memory)_bytes)(?:{.*})? (\d+)$", self.get("/metrics")[1].decode(), re.MULTILINE))
        return int(values["slm_heap_bytes"]) - int(values["slm_sqlite_memory_bytes"])

    def files(self):
        """Returns the number of open files of the database, which opens connections when it needs them, and the names of all others."""
        names = []
        for entry in os.scandir(f"/proc/{self.process.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):        # closed in the meantime
                names.append(os.readlink(entry.path))
        others = sorted(name for name in names if ".db" not in name)
        return len(names) - len(others), others


class Refused(Exception):
    pass


def raised(kind, call):
    """Returns the error of this kind that `call` raises."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}")


def run_concurrently(*works):
    """Runs functions in threads. Raises the first exception."""
    failures = []

    def run(work):
        try:
            work()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
