"""Checks several `slm serve` on one PostgreSQL behind Caddy: users cannot reach each other's things on any server, interleaved chats are all stored, a server that is
killed under load takes nothing with it, and servers of the last released schema can be replaced one by one.

    Tests/Peers/check_replicas.py .build/release/slm
    Tests/Peers/check_replicas.py .build/release/slm --chats 1000 --kills 10 --old slm-of-the-last-release

Without Caddy (`make caddy`), requests go to the servers in turn.
"""
import argparse
import itertools
import os
import random
import shutil
import threading
import time

from check_serve import DISCONNECTED, MARKER, Users, verify
from kill_store import PostgreSQL
from programs import scratch_folder, wait_for
from reverse_proxy import Caddy, free_port, free_ports
from served import KEY, UNLIMITED, Refused, Server, run_concurrently, tiny_checkpoint

LEASE = 6           # seconds after which the conversations of a dead server can be continued
LONG = {"message": "Count", "max_tokens": 900, "ignore_eos": True}


def report(text):
    print(text, flush=True)


class Proxy(Server):
    """Caddy in front of servers, with the methods of a server."""

    def __init__(self, folder, ports):
        self.ports, self.caddy, self.log = itertools.cycle(ports), None, folder / "caddy.log"
        self.process = self
        if not shutil.which("caddy"):
            return
        self.own_port = free_port()
        upstreams = " ".join(f"127.0.0.1:{port}" for port in ports)
        (folder / "Caddyfile").write_text(
            "{\n\tadmin off\n\tauto_https off\n}\n"
            f"http://127.0.0.1:{self.own_port} {{\n\treverse_proxy {upstreams} {{\n\t\tlb_policy round_robin\n\t\tlb_try_duration 5s\n\t\tlb_try_interval 50ms\n"
            "\t\thealth_uri /api/ready\n\t\thealth_interval 250ms\n\t\thealth_timeout 5s\n\t\tflush_interval -1\n\t}\n}\n")
        self.caddy = Caddy(folder, folder / "Caddyfile", f"http://127.0.0.1:{self.own_port}/api/ready")

    @property
    def port(self):
        return self.own_port if self.caddy else next(self.ports)

    def poll(self):
        """Whether the proxy has ended, as of a process."""
        return self.caddy.process.poll() if self.caddy else None

    def __exit__(self, *_):
        if self.caddy:
            self.caddy.__exit__()


class Clients(Users):
    """Users for whom a response of the proxy without a server (502, 503) is like a lost connection."""

    def once(self, *arguments):
        try:
            super().once(*arguments)
        except Refused as refusal:
            if refusal.args[0] in (502, 503):
                raise ConnectionError(refusal) from refusal
            raise

    def chatting(self, server):
        return Chatting(self, server)

    def wait_for_answers(self, count):
        target = len(self.answers) + count
        wait_for(lambda: len(self.answers) >= target, 60, "the servers do not answer", interval=0.01)


class Chatting:
    """Runs all users until the end of a block."""

    def __init__(self, users, server):
        self.going = threading.Event()
        self.threads = [threading.Thread(target=users.chat, args=(server, name, self.going), daemon=True) for name in users.names]

    def __enter__(self):
        self.going.set()
        for thread in self.threads:
            thread.start()

    def __exit__(self, *_):
        self.going.clear()
        for thread in self.threads:
            thread.join()


class Cluster:
    """Servers on one database."""

    def __init__(self, stage, folder, count, slm=None, options=("--require-key",)):
        self.stage, self.folder, self.options = stage, folder, [*UNLIMITED, "--behind-proxy", *options]
        self.store = PostgreSQL(folder)
        self.ports = free_ports(count)
        self.servers = [self.start(i, slm) for i in range(count)]

    def start(self, i, slm=None):
        return Server(slm or self.stage.slm, self.stage.checkpoint, *self.options, database=self.store.address, port=self.ports[i], log=self.folder / f"server{i}.log")

    def wait_until_known(self):
        for server in self.servers:
            server.wait(lambda: server.get("/api/health")[1]["servers"] == len(self.servers))

    def check_parents(self):
        wrong = self.store.rows("""
            SELECT count(*) FROM messages AS answers WHERE role = 'assistant' AND position >= 0 AND parent_id IS DISTINCT FROM (
                SELECT id FROM messages AS questions WHERE questions.conversation_id = answers.conversation_id
                AND questions.position < answers.position AND role = 'user' ORDER BY position DESC LIMIT 1)""")
        assert wrong == [("0",)], f"answers with another parent than their question: {wrong}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.__exit__()
        self.store.close()


# The cross-user matrix.

def matrix(cluster):
    servers, names = cluster.servers, [f"user{i}" for i in range(3)]
    things, requests = {}, 0
    for i, name in enumerate(names):
        server = servers[i % len(servers)]
        token = server.account(name)
        ids = {data["conversation_id"] for event, data in server.stream("/api/chat", {"message": f"secret of {name}", "max_tokens": 5}, token) if event == "start"}
        status, key = server.ask("POST", "/api/keys", {"name": name}, token)
        assert status == 201, key
        things[name] = {"token": token, "conversation": ids.pop(), "key": key, "session": server.get("/api/me/sessions", token)[1]["sessions"][0]["id"]}

    def state(server, name):
        own = things[name]
        kept = server.get(f"/api/conversations/{own['conversation']}", own["token"])
        listed = server.get("/api/conversations", own["token"])[1]["conversations"]
        return kept, [one["id"] for one in listed], server.get("/api/keys", own["token"])[1]["keys"], len(server.get("/api/me/sessions", own["token"])[1]["sessions"])

    before = {name: state(servers[0], name) for name in names}
    for server in servers:
        for name in names:
            assert state(server, name)[:2] == before[name][:2], f"servers show {name} different conversations"
            for other in names:
                if other == name:
                    continue
                token, foreign = things[name]["token"], things[other]
                path = f"/api/conversations/{foreign['conversation']}"
                for method, target, body in [
                    ("GET", path, None), ("PATCH", path, {"title": "mine"}), ("DELETE", path, None), ("POST", path + "/restore", {}), ("POST", path + "/stop", {}),
                    ("POST", "/api/chat", {"message": "Hi", "conversation_id": foreign["conversation"]}), ("DELETE", f"/api/keys/{foreign['key']['id']}", None),
                    ("DELETE", f"/api/me/sessions/{foreign['session']}", None),
                ]:
                    status, answer = server.ask(method, target, body, token)
                    assert status == 404, (name, other, method, target, status, answer)
                    requests += 1
                assert server.get(f"/api/conversations?search=secret%20of%20{other}", token)[1]["conversations"] == []
                assert other not in str(server.get("/api/me/export", token)[1])
    for server in servers:
        for name in names:
            kept = state(server, name)
            assert kept[0][1]["messages"] == before[name][0][1]["messages"] and kept[1] == before[name][1] and len(kept[2]) == len(before[name][2]), f"something of {name} has changed"
    # What one server revokes, no server accepts a second later.
    def complete(server, key):
        body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
        return server.ask("POST", "/v1/chat/completions", body, key["key"])[0]
    ada, eve = things[names[0]], things[names[1]]
    assert all(complete(server, ada["key"]) == 200 for server in servers)
    assert servers[0].ask("DELETE", f"/api/keys/{ada['key']['id']}", token=ada["token"])[0] == 204
    assert servers[-1].ask("DELETE", "/api/me/sessions", token=ada["token"])[0] == 204
    id = [user["id"] for user in servers[0].ask("GET", "/api/admin/users", headers=KEY)[1]["users"] if user["username"] == names[1]][0]
    assert servers[0].ask("PATCH", f"/api/admin/users/{id}", {"disabled": True}, headers=KEY)[0] == 200
    time.sleep(1)
    for server in servers:
        assert complete(server, ada["key"]) == 401 and server.get("/api/me", ada["token"])[0] == 401
        assert server.get("/api/me", eve["token"])[0] == 401 and complete(server, eve["key"]) == 401
    return requests


# Interleaved chats.

def interleaved(cluster, proxy, count, seed):
    users = Clients(seed, [f"person{i}" for i in range(8)])
    users.tokens = {name: proxy.account(name) for name in users.names}

    def chat(name):
        while len(users.answers) < count:
            text, conversation = users.next_message(name)
            try:
                users.once(proxy, name, text, conversation)
            except Refused as refusal:
                assert refusal.args[0] == 409, refusal

    # Two threads per user: they meet in the same conversation on different servers.
    run_concurrently(*[lambda name=name: chat(name) for name in users.names * 2])
    messages = verify(cluster.store, users)
    cluster.check_parents()
    figures = [server.ask("GET", "/api/admin/stats", headers=KEY)[1] for server in cluster.servers]
    for name in ("users", "conversations", "messages", "generations", "tokens", "servers"):
        assert len({figure[name] for figure in figures}) == 1, (name, figures)
    return messages


# Kills.

class LongAnswer:
    """An answer that a user reads directly from a server."""

    def __init__(self, server, token):
        self.server, self.token = server, token
        self.question = self.conversation = self.last = None
        self.has_begun = threading.Event()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            for event, data in self.server.stream("/api/chat", LONG, self.token):
                if event == "start":
                    self.question, self.conversation = data["message_id"], data["conversation_id"]
                    self.has_begun.set()
                self.last = event
        except DISCONNECTED:
            self.last = "disconnected"


def continue_conversation(proxy, token, id, killed):
    """Sends a message until it is accepted. Returns the seconds since the kill."""
    while True:
        status = 200
        try:
            for _ in proxy.stream("/api/chat", {"message": f"{MARKER} go on", "max_tokens": 5, "conversation_id": id}, token):
                pass
        except Refused as refusal:
            status = refusal.args[0]
        except DISCONNECTED:
            status = 502
        waited = time.monotonic() - killed
        if status == 200:
            return waited
        assert status in (409, 502, 503), status
        assert waited < LEASE + 10, f"a conversation of the killed server cannot be continued after {waited:.1f} s: {status}"
        time.sleep(0.05)


def kill_one(cluster, proxy, seed, draw):
    users = Clients(seed, [f"victim{seed}-{i}" for i in range(8)])
    users.tokens = {name: proxy.account(name) for name in users.names}
    victim = draw.randrange(len(cluster.servers))
    with users.chatting(proxy):
        streams = [LongAnswer(cluster.servers[victim], users.tokens[name]) for name in users.names[:4]]
        for stream in streams:
            assert stream.has_begun.wait(60)
        cluster.servers[victim].process.kill()
        killed = time.monotonic()
        for stream in streams:
            stream.thread.join(30)
            assert not stream.thread.is_alive(), "a stream of the killed server did not end"
        users.wait_for_answers(16)
        waited = max(continue_conversation(proxy, users.tokens[name], stream.conversation, killed) for name, stream in zip(users.names, streams))
    cluster.servers[victim].kill()
    stored = {row[0] for row in cluster.store.rows("SELECT id FROM messages")}
    acknowledged = list(users.questions) + list(users.answers) + [stream.question for stream in streams]
    assert all(id in stored for id in acknowledged), "an acknowledged message is missing"
    twice = cluster.store.rows("SELECT conversation_id FROM messages WHERE position IS NOT NULL GROUP BY conversation_id HAVING count(*) <> max(position) + 1")
    assert twice == [], f"positions with gaps: {twice}"
    cluster.check_parents()
    cluster.servers[victim] = cluster.start(victim)
    ended = sum(stream.last != "done" for stream in streams)
    return f"{ended} of its {len(streams)} long streams ended with an error, all {len(acknowledged)} acknowledged messages are stored, its conversations continued after {waited:.1f} s"


# Rolling upgrade.

def upgrade(stage, folder):
    with Cluster(stage, folder, 2, slm=stage.old, options=()) as cluster, Proxy(folder, cluster.ports) as proxy:
        users = Clients(stage.seed, [f"person{i}" for i in range(6)])
        users.tokens = {name: proxy.account(name) for name in users.names}
        with users.chatting(proxy):
            users.wait_for_answers(20)
            # New, new; then back to old, which opens the migrated database, and new again.
            for i, slm in [(0, stage.slm), (1, stage.slm), (0, stage.old), (0, stage.slm)]:
                assert cluster.servers[i].terminate()[0] == 0
                cluster.servers[i] = cluster.start(i, slm)
                users.wait_for_answers(40)
        messages = verify(cluster.store, users)
        report(f"rolling upgrade: {len(users.answers)} answers while two servers of the last release were replaced one by one, once back and again; "
               f"all {messages} messages are stored")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("slm")
    parser.add_argument("--chats", type=int, default=60, help="answers of the test with interleaved chats")
    parser.add_argument("--kills", type=int, default=1, help="kills for each number of servers")
    parser.add_argument("--servers", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--old", help="the program of the last release, for the rolling upgrade")
    parser.add_argument("--seed", type=int, default=1)
    stage = parser.parse_args()
    draw = random.Random(stage.seed)
    with scratch_folder() as folder:
        stage.checkpoint = tiny_checkpoint(os.path.abspath(stage.slm), folder)
        for count in stage.servers:
            own = folder / str(count)
            own.mkdir()
            with Cluster(stage, own, count) as cluster:
                cluster.wait_until_known()
                requests = matrix(cluster)
                report(f"{count} servers: {requests} requests for the things of other users are refused, and revoked sessions and keys on all servers")
                with Proxy(own, cluster.ports) as proxy:
                    behind = "behind Caddy" if proxy.caddy else "without Caddy"
                    messages = interleaved(cluster, proxy, stage.chats, stage.seed)
                    report(f"{count} servers {behind}: {stage.chats} interleaved chats, {messages} messages stored once and in order")
                    for kill in range(stage.kills):
                        report(f"{count} servers {behind}: kill -9 of one under load: {kill_one(cluster, proxy, stage.seed + kill, draw)}")
        if stage.old:
            own = folder / "upgrade"
            own.mkdir()
            upgrade(stage, own)


if __name__ == "__main__":
    main()
