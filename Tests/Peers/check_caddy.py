"""Checks `slm serve` behind a Caddy reverse proxy: malformed requests, limits, and a streamed answer.

    Tests/Peers/check_caddy.py .build/release/slm

Skipped if Caddy is not installed (`make caddy`). A malformed request must not make the server answer bytes that the proxy has forwarded as a body (request smuggling).
"""
import json
import os
import shutil
import socket
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from programs import scratch_folder
from reverse_proxy import Caddy, free_port
from served import UNLIMITED, Server, tiny_checkpoint

SMUGGLED = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
LENGTH = str(len(SMUGGLED)).encode()
# Header lines of a POST whose body is SMUGGLED. No reader may take the body for a second request.
AMBIGUOUS = {
    "whitespace before the colon of a length": b"Content-Length : " + LENGTH,
    "a length on a folded line": b"X-Other: 1\r\n Content-Length: " + LENGTH,
    "two lengths": b"Content-Length: " + LENGTH + b"\r\nContent-Length: 0",
    "a length and chunks": b"Content-Length: " + LENGTH + b"\r\nTransfer-Encoding: chunked",
    "an unknown transfer coding": b"Transfer-Encoding: xchunked",
    "a lone carriage return": b"X-Other: 1\rContent-Length: " + LENGTH,
    "a header name with a slash": b"Content/Length: " + LENGTH,
    "a negative length": b"Content-Length: -1",
    "a length with a plus sign": b"Content-Length: +" + LENGTH,
}
# Caddy joins folded lines and forwards one line, so that what follows really is a second request.
READ_BY_CADDY = {"a length on a folded line"}


def exchange(port, data):
    """Sends bytes and returns all bytes of the response."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        try:
            while piece := connection.recv(65_536):
                received += piece
        except ConnectionResetError:
            pass
    return received


def check_malformed(server, port):
    for name, header in AMBIGUOUS.items():
        request = b"POST /api/health HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n\r\n%s" % (port, header, SMUGGLED)
        for target in (port, server.port):
            if target == port and name in READ_BY_CADDY:
                continue
            before = len(server.log_text())
            statuses = [line.split()[1] for line in exchange(target, request).split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
            assert statuses and b"200" not in statuses, (name, target == port, statuses)
            def logged():
                return [json.loads(line) for line in server.log_text()[before:].splitlines() if line.startswith("{")]

            time.sleep(0.1)
            if target != port:
                server.wait(logged)
            entries = logged()
            smuggled = [entry for entry in entries if entry["route"] == "/metrics"]
            assert not smuggled, f"{name}: a body was answered as a request"


def status_of(request):
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def check_limits(url):
    query = "&".join(f"a{number}=1" for number in range(700))
    assert status_of(f"{url}/api/health?{query}") == 414
    assert status_of(f"{url}/api/health?" + "x" * 40_000) in (414, 431)
    # Without the body: Caddy resets the connection of a client that goes on sending, which can then miss the response.
    head = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: 9000000\r\nExpect: 100-continue\r\n\r\n")
    assert final_status(url, head) == 413


def final_status(url, head):
    """Sends the head of a request, and returns the status of the first response that is not 100."""
    address = urllib.parse.urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(head)
        lines = connection.makefile("rb")
        while True:
            status = int(lines.readline().split()[1])
            while lines.readline().strip():
                pass
            if status != 100:
                return status


def check_stream(url):
    model = json.load(urllib.request.urlopen(url + "/v1/models", timeout=30))["data"][0]["id"]
    body = {"model": model, "messages": [{"role": "user", "content": "What comes after 5?"}], "stream": True, "max_tokens": 200}
    request = urllib.request.Request(url + "/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        events = [line for line in response if line.startswith(b"data: ")]
    assert len(events) >= 2 and events[-1].strip() == b"data: [DONE]", events[-3:]


def main():
    if not shutil.which("caddy"):
        return print("skipped: caddy is not installed (make caddy)")
    slm = os.path.abspath(sys.argv[1])
    with scratch_folder() as folder:
        checkpoint = tiny_checkpoint(slm, folder)
        with Server(slm, checkpoint, "--behind-proxy", "--access-log", "json", *UNLIMITED) as server:
            port = free_port()
            (folder / "Caddyfile").write_text(
                "{\n\tadmin off\n\tauto_https off\n}\n"
                f"http://127.0.0.1:{port} {{\n\treverse_proxy 127.0.0.1:{server.port} {{\n\t\tflush_interval -1\n\t}}\n}}\n")
            url = f"http://127.0.0.1:{port}"
            with Caddy(folder, folder / "Caddyfile", url + "/api/ready"):
                check_malformed(server, port)
                check_limits(url)
                check_stream(url)
    print(f"behind Caddy: {len(AMBIGUOUS)} ambiguous requests are not smuggled, limits are answered, an answer is streamed")


if __name__ == "__main__":
    main()
