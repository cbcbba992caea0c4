"""Restarts `slm serve` under load with a listening socket that another process holds, as systemd does (slm.socket), and counts connections that
were refused and requests that failed: none may.

    Tests/Peers/check_restart.py .build/release/slm [--restarts N]

Clients open a connection for each request. Some stream an answer, which has to reach its end; one keeps its connection and reconnects when the
server has announced the end of it. At the end the server is started once by systemd-socket-activate, if that is installed.
"""
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time

from programs import command_line, scratch_folder, wait_for
from reverse_proxy import Caddy, free_port
from served import SECRET, UNLIMITED, Server, tiny_checkpoint

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Load:
    """Clients in threads that send requests until `stop`."""

    def __init__(self, port, streams=2):
        self.port = port
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.counts = {"requests": 0, "streams": 0, "kept": 0}
        self.failures = []
        works = [self.request] * 3 + [self.stream] * streams + [self.keep]
        self.threads = [threading.Thread(target=self.run, args=(work,)) for work in works]
        for thread in self.threads:
            thread.start()

    def run(self, work):
        while not self.ended.is_set():
            try:
                work()
            except Exception as failure:
                with self.lock:
                    self.failures.append(f"{work.__name__}: {failure!r}")

    def count(self, name):
        with self.lock:
            self.counts[name] += 1

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def post(self, connection, path, body):
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        return connection.getresponse()

    def request(self):
        connection = self.connect()
        response = self.post(connection, "/tokenize", {"text": "What comes after 5?"})
        assert response.status == 200 and json.loads(response.read())["tokens"], response.status
        connection.close()
        self.count("requests")

    def stream(self):
        connection = self.connect()
        response = self.post(connection, "/api/chat/guest", {"message": "What comes after 5?", "max_tokens": 60})
        events = response.read().decode().split("\n\n")
        assert response.status == 200 and events[-2].startswith("event: done"), (response.status, events[-2:])
        assert '"cancelled"' not in events[-2], events[-2]
        connection.close()
        self.count("streams")

    def keep(self):
        connection = self.connect()
        while not self.ended.is_set():
            response = self.post(connection, "/tokenize", {"text": "Hi"})
            closes = response.headers.get("Connection") == "close"
            response.read()
            assert response.status == 200, response.status
            self.count("kept")
            if closes:
                break
        connection.close()

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()


def check_restarts(slm, checkpoint, folder, restarts):
    with socket.create_server(("127.0.0.1", 0), backlog=1_024) as listening:
        port = listening.getsockname()[1]
        options = [*UNLIMITED, "--drain", "20s"]
        database = f"sqlite:{folder}/chats.db"
        server = Server(slm, checkpoint, *options, database=database, listening=listening)
        assert server.port == port, (server.port, port)
        load = Load(port)
        waits = []
        try:
            for _ in range(restarts):
                before = sum(load.counts.values())
                server.wait(lambda: sum(load.counts.values()) >= before + 30)
                begin = time.monotonic()
                status, _ = server.terminate()
                assert status == 0, (status, server.log_text()[-1_000:])
                server.__exit__()
                server = Server(slm, checkpoint, *options, database=database, listening=listening)
                waits.append(time.monotonic() - begin)
        finally:
            load.stop()
            server.__exit__()
    assert not load.failures, f"{len(load.failures)} failures, such as {load.failures[:5]}"
    print(f"{restarts} restarts with an inherited socket: {load.counts['requests']} connections, {load.counts['streams']} streams and "
          f"{load.counts['kept']} requests on kept connections, 0 refused or failed; a restart took up to {max(waits):.1f} s")


def check_behind_caddy(slm, checkpoint, folder, pauses):
    """The same behind deploy/Caddyfile, whose health checks must not find the server missing either, with pauses between two servers.

    Short pauses and many streams: Caddy sends the next request within microseconds on the connection of a stream that ends while the server
    stops, if the response's head has not announced that the connection ends.
    """
    if not shutil.which("caddy"):
        return print("skipped: caddy is not installed (make caddy)")
    with socket.create_server(("127.0.0.1", 0), backlog=1_024) as listening:
        options = [*UNLIMITED, "--behind-proxy", "--drain", "20s"]
        database = f"sqlite:{folder}/proxied.db"
        server = Server(slm, checkpoint, *options, database=database, listening=listening)
        port = free_port()
        environment = {"SLM_DOMAIN": f"http://127.0.0.1:{port}", "SLM_UPSTREAMS": f"127.0.0.1:{listening.getsockname()[1]}",
                       "SLM_HEALTH_TIMEOUT": "60s", "SLM_CADDY_OPTIONS": "admin off"}
        with Caddy(folder, ROOT / "deploy/Caddyfile", f"http://127.0.0.1:{port}/api/ready", environment):
            load = Load(port, streams=6)
            try:
                for pause in pauses:
                    before = sum(load.counts.values())
                    server.wait(lambda: sum(load.counts.values()) >= before + 60)
                    server.terminate()
                    server.__exit__()
                    time.sleep(pause)
                    server = Server(slm, checkpoint, *options, database=database, listening=listening)
            finally:
                load.stop()
                server.__exit__()
    assert not load.failures, f"{len(load.failures)} failures, such as {load.failures[:5]}"
    print(f"{len(pauses)} restarts behind Caddy: {sum(load.counts.values())} requests, 0 failed")


def check_without(slm, checkpoint):
    """The same load on a socket of the server itself has to fail: otherwise the test above shows nothing."""
    server = Server(slm, checkpoint, *UNLIMITED)
    load = Load(server.port)
    server.wait(lambda: sum(load.counts.values()) >= 20)
    server.terminate()
    time.sleep(0.3)
    load.stop()
    server.__exit__()
    assert any("ConnectionRefused" in failure for failure in load.failures), load.failures[:3]


def check_socket_activate(slm, checkpoint, folder):
    program = shutil.which("systemd-socket-activate")
    if not program:
        return print("skipped: systemd-socket-activate is not installed (systemd)")
    port = free_port()
    environment = {"SLM_JWT_SECRET": SECRET, "PATH": os.environ["PATH"]}
    command = [program, "--fdname=http", f"--listen=127.0.0.1:{port}", *[f"--setenv={name}={value}" for name, value in environment.items()],
               os.path.abspath(slm), "serve", "--checkpoint", str(checkpoint), "--database", f"sqlite:{folder}/activated.db", "--threads", "1"]
    with open(folder / "activate.log", "wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        def connected():
            # The first connection starts the server and waits until the model is loaded.
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            with contextlib.suppress(ConnectionRefusedError):
                connection.request("GET", "/api/health")
                return connection

        connection = wait_for(connected, 60, (folder / "activate.log").read_text, process)
        answer = json.loads(connection.getresponse().read())
        assert answer["status"] == "ready", answer
        assert process.stdout.readline().strip() == f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    print("systemd-socket-activate starts the server at the first connection, which is answered")


def main():
    options = command_line(__doc__, "slm", restarts=10)
    with scratch_folder() as folder:
        checkpoint = tiny_checkpoint(options.slm, folder)
        check_restarts(options.slm, checkpoint, folder, options.restarts)
        # 3 s is as long as a larger model loads: health checks and requests wait.
        check_behind_caddy(options.slm, checkpoint, folder, [3] * 2 + [0.2] * 20)
        check_without(options.slm, checkpoint)
        check_socket_activate(options.slm, checkpoint, folder)


if __name__ == "__main__":
    main()
