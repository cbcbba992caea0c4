"""Runs Caddy in front of `slm serve`.

    with Caddy(folder, config, "https://localhost:8443/api/ready", environment, context) as caddy: …
"""
import contextlib
import os
import socket
import subprocess
import urllib.request

from programs import wait_for


def free_ports(count):
    """Different ones: all are held until the last is chosen."""
    with contextlib.ExitStack() as held:
        return [held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(count)]


def free_port():
    return free_ports(1)[0]


class Caddy:
    """A Caddy process whose data, certificates and log are in `folder`. Returns when `url` answers."""

    def __init__(self, folder, config, url, environment={}, context=None):
        self.log = folder / "caddy.log"
        homes = {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(["caddy", "run", "--config", config, "--adapter", "caddyfile"],
                                            env=os.environ | homes | environment, stdout=log, stderr=log)

        def answers():
            with contextlib.suppress(OSError):
                return urllib.request.urlopen(url, timeout=5, context=context() if context else None).status

        try:
            wait_for(answers, 30, lambda: f"Caddy did not start: {self.log.read_text()[-2000:]}", self.process)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)
