"""Runs two `slm serve` processes behind Caddy with TLS, from deploy/Caddyfile, on one PostgreSQL database that is reached over TLS.

    Tests/Peers/check_tls_proxy.py .build/release/slm

The certificates come from Caddy's internal authority and from one that is made for the test; clients and servers verify them. Skipped if Caddy is
not installed (`make caddy`). The model is a program of the test, which decides when a piece of an answer is sent.
"""
import collections
import gzip
import http.client
import http.server
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import sys
import threading
import time

from kill_store import PostgreSQL
from programs import run, scratch_folder, wait_for
from reverse_proxy import Caddy, free_port, free_ports
from served import PASSWORD, UNLIMITED, Server

ROOT = pathlib.Path(__file__).resolve().parents[2]
PIECES = ["one ", "two ", "three"]


class Model(http.server.BaseHTTPRequestHandler):
    """An OpenAI-compatible server. An answer to a prompt with "slowly" waits before each piece but the first."""
    protocol_version = "HTTP/1.1"
    released = threading.Semaphore(0)

    def do_GET(self):
        body = b'{"data":[{"id":"m"}]}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        request = self.rfile.read(int(self.headers["Content-Length"]))
        if b"slowly" in request:
            self.server.slow_answers += 1
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for index, piece in enumerate(PIECES):
                if index and b"slowly" in request:
                    assert Model.released.acquire(timeout=60)
                self.wfile.write(b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": piece}}]}).encode() + b"\n\n")
                self.wfile.flush()
            self.wfile.write(b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
        except OSError:
            pass                                # the server that asked was killed
        self.close_connection = True

    def log_message(self, *_):
        pass


class ModelServer(http.server.ThreadingHTTPServer):
    """Runs the model for one of the servers."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Model)
        self.slow_answers = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()


def make_certificates(folder):
    """An authority, and a certificate of PostgreSQL for localhost."""
    def openssl(*arguments):
        run("openssl", *arguments, cwd=folder)

    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", "db.key", "-out", "db.csr")
    (folder / "names").write_text("subjectAltName=DNS:localhost")
    openssl("x509", "-req", "-in", "db.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", 2, "-extfile", "names", "-out", "db.pem")
    os.chmod(folder / "db.key", 0o600)
    os.chmod(folder, 0o755)
    if os.geteuid() == 0:
        shutil.chown(folder / "db.key", "postgres")


class Database(PostgreSQL):
    """A database server that accepts TCP connections with TLS."""

    def __init__(self, folder):
        make_certificates(folder)
        self.port = free_port()
        options = f"-c listen_addresses=127.0.0.1 -c ssl=on -c ssl_cert_file={folder}/db.pem -c ssl_key_file={folder}/db.key"
        super().__init__(folder, {"PGPORT": str(self.port), "SLM_POSTGRES_OPTIONS": options})
        self.folder = folder

    def url(self, host="localhost", authority="ca"):
        return f"postgresql://slm:not-for-logs@{host}:{self.port}/slm?sslmode=verify-full&sslrootcert={self.folder}/{authority}.pem&hostaddr=127.0.0.1"


class Client:
    """Sends requests to Caddy."""

    def __init__(self, port, folder):
        self.port, self.folder = port, folder

    def context(self):
        return ssl.create_default_context(cafile=self.folder / "caddy/pki/authorities/local/root.crt")

    def connect(self):
        return http.client.HTTPSConnection("localhost", self.port, timeout=60, context=self.context())

    def ask(self, method, path, body=None, headers={}):
        connection = self.connect()
        try:
            connection.request(method, path, json.dumps(body) if isinstance(body, dict) else body, {"Content-Type": "application/json"} | headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()


def check_database(slm, database):
    """Another authority, and another name than the one in the certificate, are refused."""
    for url in (database.url(authority="other"), database.url(host="db.example")):
        output = run(slm, "database", "status", url, status=1, stderr=subprocess.STDOUT, timeout=60)
        assert "certificate" in output and "not-for-logs" not in output, output
    assert "migrated from schema version 0" in run(slm, "database", "migrate", database.url(), timeout=60)


def check_headers(client, http_port):
    status, headers, _ = client.ask("GET", "/")
    assert status == 200 and headers["Strict-Transport-Security"] and headers["X-Frame-Options"] == "DENY" and "Server" not in headers, dict(headers)
    assert "default-src 'none'" in headers["Content-Security-Policy"] and headers["X-Request-Id"] and headers["Permissions-Policy"], dict(headers)
    for path in ("/metrics", "/api/admin/stats", "/api/admin"):
        assert client.ask("GET", path, headers={"X-Admin-Key": "adminkeythatnologhas"})[0] == 404, path
    assert client.ask("GET", "/stats")[0] == 200
    plain = http.client.HTTPConnection("localhost", http_port, timeout=30)
    plain.request("GET", "/")
    response = plain.getresponse()
    assert response.status == 308 and response.headers["Location"].startswith("https://localhost"), (response.status, dict(response.headers))
    body = client.folder / "body"
    body.write_bytes(b'{"message":"' + b"x" * 9_000_000 + b'"}')
    command = ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert", client.folder / "caddy/pki/authorities/local/root.crt",
               "--header", "Content-Type: application/json", "--expect100-timeout", "30", "--data-binary", f"@{body}", f"https://localhost:{client.port}/api/chat/guest"]
    assert subprocess.run(command, capture_output=True, text=True, timeout=60).stdout == "413"


def check_compression(client, token):
    for title in range(12):
        assert client.ask("POST", "/api/conversations", {"title": f"A long title, number {title} " + "x" * 60}, {"Authorization": f"Bearer {token}"})[0] == 201
    status, headers, body = client.ask("GET", "/api/conversations", headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"})
    assert status == 200 and headers["Content-Encoding"] == "gzip" and len(json.loads(gzip.decompress(body))["conversations"]) == 12, dict(headers)


def check_upload(client, token):
    """A document of 20 MB is stored, and one of 70 MB refused."""
    headers = {"Authorization": f"Bearer {token}"}
    status, _, body = client.ask("POST", "/api/libraries", {"name": "Large"}, headers)
    assert status == 201, body
    path, file = f"/api/libraries/{json.loads(body)['id']}/files?name=large.bin", headers | {"Content-Type": "application/octet-stream"}
    status, _, body = client.ask("POST", path, bytes(20_000_000), file)
    assert status == 201 and json.loads(body)["bytes"] == 20_000_000, (status, body)
    connection = client.connect()
    connection.putrequest("POST", path)
    for name, value in (file | {"Content-Length": "70000000", "Expect": "100-continue"}).items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def check_stream(client):
    """A piece arrives before the model sends the next one, also if the client accepts compressed answers."""
    connection = client.connect()
    connection.request("POST", "/api/chat/guest", json.dumps({"message": "slowly"}), {"Content-Type": "application/json", "Accept-Encoding": "gzip, zstd"})
    response = connection.getresponse()
    assert response.status == 200 and response.headers["Content-Type"].startswith("text/event-stream") and "Content-Encoding" not in response.headers
    received, text = [], ""
    for line in response:
        if not line.startswith(b"data: "):
            continue
        event = json.loads(line[6:])
        if "text" in event and "reason" not in event:
            text += event["text"]
            received.append(event["text"])
            Model.released.release()
    # Releases that the answer did not need.
    while Model.released.acquire(blocking=False):
        pass
    assert text == "".join(PIECES) and len(received) >= len(PIECES), received


class Load:
    """Clients that read and write through Caddy until `stop`."""

    def __init__(self, client, token):
        self.client, self.token = client, token
        self.ended = threading.Event()
        self.results = []                        # (time, success or failure)
        self.threads = [threading.Thread(target=self.run, args=(index,)) for index in range(6)]
        for thread in self.threads:
            thread.start()

    def run(self, index):
        while not self.ended.is_set():
            begin = time.monotonic()
            try:
                if index % 2:
                    status, _, body = self.client.ask("GET", "/api/conversations", headers={"Authorization": f"Bearer {self.token}"})
                    assert status == 200, (status, body)
                else:
                    status, _, body = self.client.ask("POST", "/api/chat/guest", {"message": "Hi"})
                    assert status == 200 and b"event: done" in body, (status, body[-200:])
                failure = None
            except Exception as error:
                failure = repr(error)
            self.results.append((begin, failure))

    def failures(self, after=0):
        return [failure for begin, failure in self.results if failure and begin >= after]

    def wait(self, count):
        goal = len(self.results) + count
        wait_for(lambda: len(self.results) >= goal, 60, lambda: f"{len(self.results)} of {goal} requests were answered: {self.failures()[:3]}")

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()


class SlowStreams:
    """Answers in progress, which end when the model is released or their server is gone."""

    def __init__(self, client, count):
        self.texts = []
        self.threads = [threading.Thread(target=self.run, args=(client,)) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, client):
        try:
            self.texts.append(client.ask("POST", "/api/chat/guest", {"message": "slowly"})[2])
        except (OSError, http.client.HTTPException) as error:
            self.texts.append(repr(error).encode())

    def end(self):
        """Returns the numbers of finished and of broken answers."""
        for _ in range(2 * len(self.threads)):
            Model.released.release()
        for thread in self.threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in self.threads), "an answer has no end"
        while Model.released.acquire(blocking=False):
            pass
        finished = sum(b"event: done" in text and b"three" in text for text in self.texts)
        return finished, len(self.texts) - finished


def served(server):
    """The routes that a server has answered, from its access log."""
    entries = [json.loads(line) for line in server.log_text().splitlines() if line.startswith("{")]
    return collections.Counter(entry["route"] for entry in entries)


def main():
    if not shutil.which("caddy"):
        return print("skipped: caddy is not installed (make caddy)")
    slm = os.path.abspath(sys.argv[1])
    models = [ModelServer(), ModelServer()]
    with scratch_folder() as folder:
        database = Database(folder)
        try:
            check_database(slm, database)
            options = ["--behind-proxy", "--access-log", "json", "--handover", "4s", *UNLIMITED]
            https, plain, *ports = free_ports(4)

            def start(index):
                backend = f"openai:http://127.0.0.1:{models[index].server_port}"
                return Server(slm, None, "--backend", backend, *options, database=database.url(), port=ports[index])

            servers = [start(0), start(1)]
            assert int(database.send("sql SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'slm' AND ssl")) >= 2
            client = Client(https, folder)
            environment = {
                "SLM_DOMAIN": "localhost", "SLM_UPSTREAMS": " ".join(f"127.0.0.1:{port}" for port in ports), "SLM_TLS": "tls internal",
                "SLM_ADMIN_NETWORKS": "10.255.255.0/24", "SLM_CADDY_OPTIONS": f"admin off\n\tskip_install_trust\n\thttps_port {https}\n\thttp_port {plain}",
            }
            with Caddy(folder, ROOT / "deploy/Caddyfile", f"https://localhost:{https}/api/ready", environment, client.context):
                check_headers(client, plain)
                status, _, body = client.ask("POST", "/api/auth/register", {"username": "ada", "password": PASSWORD})
                assert status == 201, body
                token = json.loads(body)["access_token"]
                check_compression(client, token)
                check_upload(client, token)
                check_stream(client)
                load = Load(client, token)
                try:
                    load.wait(60)
                    assert not load.failures(), load.failures()[:3]
                    assert all(served(server)["/api/conversations"] for server in servers), [served(server) for server in servers]
                    # A server is killed. Requests that it had received may fail, later ones are sent to the other one.
                    for model in models:
                        model.slow_answers = 0
                    streams = SlowStreams(client, 8)
                    servers[0].wait(lambda: all(model.slow_answers for model in models))
                    killed = time.monotonic()
                    servers[0].kill()
                    finished, broken = streams.end()
                    assert finished >= 1 and broken >= 1 and finished + broken == 8, (finished, broken)
                    load.wait(100)
                    # Those that Caddy cannot send again may fail, too, until it has counted max_fails of them.
                    assert len(load.failures()) <= len(load.threads) + 7 and not load.failures(killed + 5), load.failures()
                    failed = len(load.failures())
                    # It comes back and is used again.
                    servers[0].__exit__()
                    servers[0] = start(0)
                    servers[0].wait(lambda: served(servers[0])["/api/conversations"] > 0)
                    # The other one is stopped gracefully. Caddy notices in time.
                    stopped = time.monotonic()
                    status, seconds = servers[1].terminate()
                    assert status == 0 and seconds >= 4, (status, seconds)
                    load.wait(50)
                    assert not load.failures(stopped), load.failures(stopped)[:3]
                finally:
                    load.stop()
            for server in servers:
                if server.process.poll() is None:
                    server.terminate()
                assert "not-for-logs" not in server.log_text()
                server.__exit__()
        finally:
            database.close()
            for model in models:
                model.shutdown()
    print(f"Caddy with TLS, two servers, PostgreSQL with TLS: {len(load.results)} requests under load, {failed} failed and {broken} answers ended early with the killed server, 0 with the stopped one")


if __name__ == "__main__":
    main()
