"""`slm serve` as other programs see it: started, asked, and looked into.

    with Server(slm, checkpoint, "--require-key") as server:
        server.url, server.get("/api/health")
"""
import http.client
import json
import os
import pathlib
import resource
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse

PASSWORD = "passwordthatnologhas"
ADMIN_KEY = "adminkeythatnologhas"
SECRET = "thatnologhas-4f9d1c77e0b34aa2b1d85c6e"


def tiny_checkpoint(slm, folder):
    """A model that answers at once, and badly."""
    chats = [f"[INST] What comes after {i}? [/INST] After {i} comes {i + 1}." for i in range(300)]
    (folder / "chats.txt").write_text("\n".join(chats) + "\n")
    data = folder / "data"
    for arguments in [
        ["tokenize", "--data", folder / "chats.txt", "--vocab-size", 300, "--out", data / "tokenizer.json", "--tokens", data],
        ["train", "--data", data, "--out", folder / "run", "--threads", 1, "--layers", 1, "--width", 32, "--heads", 2, "--context", 1_024, "--batch", 1, "--max-steps", 20],
    ]:
        done = subprocess.run([slm, *map(str, arguments)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return folder / "run/best.h5"


# For servers that are asked more often than people ask.
UNLIMITED = ["--chats-per-minute", "0", "--sign-ins-per-minute", "0"]


class Server:
    """One process, and what it wrote to standard error. Database and log are its own, where no other are given, and gone with it."""

    def __init__(self, slm, checkpoint, *options, database="sqlite:chats.db", log=None, files=None, environment={}):
        self.folder = tempfile.TemporaryDirectory()
        self.log = pathlib.Path(log or self.folder.name + "/log")
        few = files and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
        with open(self.log, "ab") as errors:
            self.process = subprocess.Popen(
                [os.path.abspath(slm), "serve", "--checkpoint", os.path.abspath(checkpoint), "--database", database, "--port", "0", "--threads", "1", *map(str, options)],
                cwd=self.folder.name, stdout=subprocess.PIPE, stderr=errors, text=True, env=os.environ | {"SLM_JWT_SECRET": SECRET, "ADMIN_API_KEY": ADMIN_KEY} | environment,
                preexec_fn=few)
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://"), f"no address: {self.url!r}\n{self.said()[-2000:]}"
        self.port = urllib.parse.urlparse(self.url).port
        self.wait(lambda: self.get("/api/health")[0] == 200)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.terminate()
        self.folder.cleanup()

    def said(self):
        return self.log.read_text()

    def wait(self, is_so, seconds=60):
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline and self.process.poll() is None, f"it never came to that: {self.said()[-2000:]}"
            time.sleep(0.005)

    def connect(self, timeout=60):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, method, path, body=None, token=None, connection=None, headers=()):
        """Status and body, the latter as JSON if it is."""
        own = connection or self.connect()
        headers = dict(headers) | ({"Authorization": f"Bearer {token}"} if token else {})
        if body is not None:
            headers["Content-Type"] = "application/json"
        own.request(method, path, None if body is None else json.dumps(body), headers)
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

    def account(self, name):
        """The token of a new one."""
        status, answer = self.ask("POST", "/api/auth/register", {"username": name, "password": PASSWORD})
        assert status == 201, answer
        return answer["access_token"]

    def stream(self, path, body, token=None):
        """Event by event, as (name, data)."""
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
        """Gently. The exit status, and how long it took."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        self.process.stdout.close()
        return status, time.monotonic() - begin

    def memory(self):
        """Resident bytes."""
        return int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    def files(self):
        """Open ones: of the database, whose connections are made when they are first needed, and all others."""
        names = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{self.process.pid}/fd")]
        ours = sum(".db" in name for name in names)
        return ours, len(names) - ours


class Refused(Exception):
    pass


def together(*works):
    """Runs them at a time, and fails as the first that fails."""
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
