"""Checks `slm generate` and `slm serve` with an HTTPS backend whose connection is reset in the middle of an answer.

    Tests/Peers/check_tls_backend.py .build/release/slm

The backend's certificate is made for the test, and SSL_CERT_FILE names it as trusted.
"""
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

from programs import run, scratch_folder
from served import Server

PIECES = ["Once ", "upon "]


def event(text):
    return f"data: {json.dumps({'choices': [{'index': 0, 'text': text, 'delta': {'content': text}}]})}\n\n".encode()


def serve_one(context, listener):
    """Answers a request with two pieces, then resets the connection."""
    connection, _ = listener.accept()
    try:
        stream = context.wrap_socket(connection, server_side=True)
    except (ssl.SSLError, OSError):                                    # a client that does not trust the certificate
        connection.close()
        return
    request = b""
    while b"\r\n\r\n" not in request:
        request += stream.recv(65_536)
    if b"GET /v1/models" in request:
        body = b'{"data":[{"id":"m"}]}'
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        stream.close()
        return
    stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + b"".join(map(event, PIECES)))
    time.sleep(0.5)                                                    # a reset discards what has not arrived
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))         # closing sends RST
    socket.socket(fileno=stream.detach()).close()


def accept(context, listener):
    while True:
        serve_one(context, listener)


def main():
    slm = os.path.abspath(sys.argv[1])
    with scratch_folder() as folder:
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=accept, args=(context, listener), daemon=True).start()
        url = f"openai:https://localhost:{listener.getsockname()[1]}"
        trusting = os.environ | {"SSL_CERT_FILE": str(folder / "cert.pem")}

        def generate(environment):
            return subprocess.run([slm, "generate", "--backend", url, "--prompt", "x"], capture_output=True, text=True, env=environment, timeout=60, cwd=folder)

        untrusted = generate({k: v for k, v in os.environ.items() if k != "SSL_CERT_FILE"})
        assert untrusted.returncode != 0 and "certificate" in untrusted.stderr, untrusted
        broken = generate(trusting)
        assert broken.returncode != 0 and "Once upon" in broken.stdout, broken
        assert broken.stderr.count("\n") <= 2 and "reset" in broken.stderr.lower(), broken.stderr

        with Server(slm, None, "--backend", url, environment=trusting) as server:
            for _ in range(3):                                         # the server stays usable after each reset
                status, answer = server.ask("POST", "/api/chat/guest", {"message": "x"})
                assert status == 200 and b'"Once"' in answer and b"event: error" in answer and b"event: done" not in answer, answer
                assert server.get("/api/health")[0] == 200
    print("HTTPS backend: resets are reported, and the server stays usable")


if __name__ == "__main__":
    main()
