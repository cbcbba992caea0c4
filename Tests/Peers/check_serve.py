"""Stress tests of `slm serve`: slow clients, kills, a full disk, a lost database, model reloads, shutdown, and a soak test.

    Tests/Peers/check_serve.py .build/release/slm
    Tests/Peers/check_serve.py .build/release/slm --only kills --kills 300

Stored messages are read with Python's sqlite3 and psql.
"""
import argparse
import http.client
import random
import shutil
import signal
import socket
import sys
import threading
import time

from kill_store import PostgreSQL, SQLite
from programs import scratch_folder
from served import ADMIN_KEY, PASSWORD, SECRET, UNLIMITED, Refused, Server, run_concurrently, tiny_checkpoint
from small_disk import Disk

MARKER = "wordthatnologhas"      # part of every message; must not be logged
DISCONNECTED = (OSError, http.client.HTTPException, ValueError)      # ValueError: an incomplete event


def report(text):
    print(text, flush=True)


class Stage:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.log = folder / "errors.log"
        self.checkpoint = tiny_checkpoint(options.slm, folder)
        self.made = 0

    def server(self, *options, database=None, checkpoint=None, files=None):
        self.made += 1
        return Server(self.options.slm, checkpoint or self.checkpoint, *UNLIMITED, *options, database=database or f"sqlite:{self.folder}/chats{self.made}.db", log=self.log,
                      files=files)

    def check_log(self):
        """Checks that the log has no secrets and no crashes."""
        text = self.log.read_text()
        for secret in [PASSWORD, ADMIN_KEY, SECRET, MARKER, "eyJ", "slm_", "not-for-logs"]:
            assert secret not in text.replace("slm_chat", ""), f"standard error has {secret!r}: {text[max(0, text.find(secret) - 200):][:400]}"
        for word in ["Fatal", "runtime error", "AddressSanitizer", "crash"]:
            assert word not in text, text[-3000:]


def address(stage):
    """The server listens on 127.0.0.1 only."""
    server = stage.server()
    try:
        socket.create_connection(("127.0.0.2", server.port), timeout=5).close()
        raise AssertionError("the server listens on 127.0.0.2, too")
    except ConnectionRefusedError:
        pass
    assert server.terminate()[0] == 0
    report("address: the server listens on 127.0.0.1 only")


# Slow clients.

def slow(stage):
    """A thousand connections that send nothing, send slowly or never read do not slow down other clients."""
    server = stage.server(files=256)                        # the server raises the limit itself
    count, sockets, stop = stage.options.sockets, [], threading.Event()
    page = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    body = b'{"message":"Hi","ignore_eos":true,"max_tokens":200}'
    chat = b"POST /api/chat/guest HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    for i in range(count):
        one = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        if i % 5 < 2:
            one.send(b"POST /api/chat/guest HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n" if i % 2 else b"GET /api/hea")
        elif i % 5 == 3:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            one.send(page * 100 if i % 2 else chat)          # never reads
        one.setblocking(False)
        sockets.append(one)

    def drip():
        while not stop.wait(1):
            for i, one in enumerate(sockets):
                if i % 5 < 2:
                    try:
                        one.send(b"a")
                    except OSError:
                        pass

    dripping = threading.Thread(target=drip)
    dripping.start()
    times, kept, end = [], server.connect(), time.monotonic() + stage.options.seconds
    try:
        while time.monotonic() < end:
            for connection in [kept, None]:                  # an open connection and a new one
                begin = time.monotonic()
                status, _ = server.ask("GET", "/api/health", connection=connection)
                times.append(time.monotonic() - begin)
                assert status == 200
            time.sleep(0.005)
        text = "".join(data["text"] for name, data in server.stream("/api/chat/guest", {"message": "Hi", "ignore_eos": True, "max_tokens": 20}) if name == "token")
        assert text
    finally:
        stop.set()
        dripping.join()
    worst = sorted(times)[int(len(times) * 0.99)]
    assert worst < 1, f"expected a 99th percentile below 1 s with {count} slow connections, found {worst * 1000:.1f} ms"
    report(f"slow: {len(times)} requests with {count} slow connections: median {sorted(times)[len(times) // 2] * 1000:.1f} ms, 99th percentile {worst * 1000:.1f} ms")
    for one in sockets:
        one.close()
    server.kill()


# Kills.

class Users:
    """Users that chat continuously and record which messages the server has acknowledged."""

    def __init__(self, seed, names):
        self.random, self.names = random.Random(seed), names
        self.tokens, self.conversations = {}, {name: [] for name in names}
        self.questions, self.answers, self.asked = {}, {}, 0
        self.lock = threading.Lock()

    def next_message(self, name):
        """Returns a new text, and the conversation that it continues or None."""
        with self.lock:
            self.asked += 1
            known = self.conversations[name]
            return f"{MARKER} {self.asked}", self.random.choice(known) if known and self.random.random() < 0.6 else None

    def chat(self, server, name, going):
        while going.is_set():
            text, conversation = self.next_message(name)
            try:
                self.once(server, name, text, conversation)
            except DISCONNECTED:
                if server.process.poll() is None and going.is_set():
                    time.sleep(0.002)
            except Refused as refusal:
                assert refusal.args[0] in (409, 503), refusal       # 409: the last answer is being stored; 503: the database is away

    def once(self, server, name, text, conversation):
        body = {"message": text, "max_tokens": 40, "ignore_eos": True} | ({"conversation_id": conversation} if conversation else {})
        said, begun = "", None
        for event, data in server.stream("/api/chat", body, self.tokens[name]):
            if event == "start":
                begun = data
                with self.lock:
                    assert data["message_id"] not in self.questions
                    self.questions[data["message_id"]] = text
                    if not conversation:
                        self.conversations[name].append(data["conversation_id"])
            elif event == "token":
                said += data["text"]
            elif event == "done" and said:
                with self.lock:
                    self.answers[begun["answer_id"]] = kept(said)


def kept(text):
    """Returns the text as it is stored: PostgreSQL has no NUL."""
    return text.replace("\0", "\ufffd")


def stored(store):
    """Returns each message's conversation, position, role and text by its id."""
    hexadecimal = "hex(content)" if isinstance(store, SQLite) else "upper(encode(convert_to(content, 'UTF8'), 'hex'))"
    rows = store.rows(f"SELECT id, conversation_id, position, role, {hexadecimal} FROM messages")
    assert len({row[0] for row in rows}) == len(rows)
    return {row[0]: (row[1], int(row[2]), row[3], bytes.fromhex(row[4]).decode()) for row in rows}


def verify(store, users):
    messages = stored(store)
    for what, told, role in [("question", users.questions, "user"), ("answer", users.answers, "assistant")]:
        for id, text in told.items():
            assert id in messages, f"a {what} was acknowledged and is missing: {text!r}"
            assert messages[id][2:] == (role, text), f"a {what} was stored differently: {text!r}, {messages[id]}"
    questions = [text for _, _, role, text in messages.values() if role == "user"]
    assert len(questions) == len(set(questions)), "a question is stored twice"
    positions = sorted((conversation, position, role) for conversation, position, role, _ in messages.values())
    for (one, position, role), (other, next_position, next_role) in zip(positions, positions[1:]):
        if one == other:
            assert next_position == position + 1, "expected consecutive positions in each conversation"
            assert (role, next_role) != ("assistant", "assistant"), "an answer is stored twice"
    if isinstance(store, SQLite):
        store.check()
    return len(messages)


def kills(stage):
    for kind in [SQLite, PostgreSQL]:
        folder = stage.folder / f"kills-{kind.name}"
        folder.mkdir()
        store, draw, users = kind(folder), random.Random(stage.options.seed), Users(stage.options.seed, [f"person{i}" for i in range(8)])
        server = stage.server(database=store.address)
        users.tokens = {name: server.account(name) for name in users.names}
        during = {"answering": 0, "count": 0}
        for kill in range(stage.options.kills):
            going, before = threading.Event(), len(users.questions)
            going.set()
            threads = [threading.Thread(target=users.chat, args=(server, name, going)) for name in users.names]
            for thread in threads:
                thread.start()
            server.wait(lambda: len(users.questions) > before)
            time.sleep(draw.uniform(0, 0.25))
            server.process.kill()
            going.clear()
            for thread in threads:
                thread.join()
            server.kill()
            during["count"] = verify(store, users)
            during["answering"] += len(users.questions) > len(users.answers)
            server = stage.server(database=store.address)
            if (kill + 1) % 25 == 0:
                print(f"{kind.name}: {kill + 1} kills", file=sys.stderr, flush=True)
        listed = sum(len(server.ask("GET", f"/api/conversations/{id}", token=users.tokens[name])[1]["messages"]) for name in users.names for id in users.conversations[name][:20])
        assert listed > 0
        server.terminate()
        report(f"kills: {kind.name}: {stage.options.kills} kills while eight users chatted. All {len(users.questions)} questions and {len(users.answers)} answers that were acknowledged are stored, "
             f"none of the {during['count']} messages twice.")


# Disk and database failures.

def full_disk(stage):
    """A small disk that another program fills."""
    with Disk(stage.folder / "small", "4m") as disk:
        if disk.error:
            assert not stage.options.all, f"cannot mount a small disk: {disk.error}"
            return report("disk: SKIPPED: mounting a small disk needs root")
        server = stage.server(database=f"sqlite:{disk.folder}/chats.db")
        token, filler = server.account("ada"), open(disk.folder / "filler", "wb", buffering=0)
        answered = {"ignore_eos": True, "max_tokens": 20}      # an empty answer would not be stored
        kept = dict(list(server.stream("/api/chat", {"message": f"{MARKER} 1"} | answered, token)))["start"]["conversation_id"]
        try:
            for size in [65_536, 4_096, 1]:
                while filler.write(b"x" * size) == size:
                    pass
        except OSError:
            pass
        statuses = set()
        for i in range(200):                                 # fills the free pages of the existing files
            status, answer = server.ask("POST", "/api/conversations", {"title": "x" * 200}, token)
            statuses.add(status)
            if status == 507:
                break
        assert statuses <= {201, 507} and 507 in statuses, statuses
        assert answer["error"]["code"] == "no_space", answer
        for method, path, body in [("POST", "/api/chat", {"message": f"{MARKER} {'x' * 9_000}"}), ("POST", "/api/keys", {"name": "x" * 64}), ("PATCH", f"/api/conversations/{kept}", {"title": "y" * 200}),
                                   ("DELETE", f"/api/conversations/{kept}", None), ("POST", "/api/auth/register", {"username": "eve", "password": PASSWORD})]:
            status, answer = server.ask(method, path, body, token)
            assert status == 507, f"{method} {path}: {status} {answer}"
        whole = server.ask("GET", f"/api/conversations/{kept}", token=token)
        assert whole[0] == 200 and len(whole[1]["messages"]) == 2, whole
        assert server.ask("GET", "/api/conversations", token=token)[0] == 200 and server.ask("GET", "/api/me", token=token)[0] == 200
        assert server.ask("POST", "/api/auth/login", {"username": "ada", "password": PASSWORD})[0] in (200, 507)
        assert list(server.stream("/api/chat/guest", {"message": "Hi"}))[-1][0] == "done"
        filler.truncate(0)
        assert list(server.stream("/api/chat", {"message": f"{MARKER} 2", "conversation_id": kept} | answered, token))[-1][0] == "done"
        assert len(server.ask("GET", f"/api/conversations/{kept}", token=token)[1]["messages"]) == 4
        assert server.terminate()[0] == 0
        report("disk: full: reads continued, writes answered 507 and changed nothing; with free space writes continued")


def database_away(stage):
    folder = stage.folder / "away"
    folder.mkdir()
    store, longest, refused = PostgreSQL(folder), 0, set()
    server = stage.server(database=store.address)
    token = server.account("ada")
    for _ in range(stage.options.rounds):
        store.send("kill")
        begin = time.monotonic()
        status, answer = server.ask("GET", "/api/conversations", token=token)
        refused.add(status)
        assert status == 503 and time.monotonic() - begin < 20, (status, answer)
        assert server.ask("GET", "/api/health")[0] == 200 and list(server.stream("/api/chat/guest", {"message": "Hi"}))[-1][0] == "done"
        store.send("start")
        begin = time.monotonic()
        server.wait(lambda: server.ask("GET", "/api/conversations", token=token)[0] == 200, 20)
        assert list(server.stream("/api/chat", {"message": MARKER}, token))[-1][0] == "done"
        longest = max(longest, time.monotonic() - begin)
    assert longest < 20, f"{longest:.1f} s until it answered again"
    server.kill()
    report(f"database: PostgreSQL was killed {stage.options.rounds} times: 503 meanwhile, guest chats continued, and requests succeeded within {longest:.2f} s of its restart")


# Reload and shutdown.

def streams(server, count, tokens, length, may_be_late=False):
    """Returns lists that are filled with received events, and the functions that receive them. With `may_be_late`, requests that arrive after the shutdown may fail."""
    received = [[] for _ in range(count)]

    def listen(i):
        try:
            for event in server.stream("/api/chat", {"message": f"{MARKER} {i}", "ignore_eos": True, "max_tokens": length}, tokens[i % len(tokens)]):
                received[i].append(event)
        except (Refused, ConnectionError):
            assert may_be_late and not received[i]

    return received, [lambda i=i: listen(i) for i in range(count)]


def hang_up(stage):
    model = stage.folder / "model.h5"
    shutil.copy(stage.checkpoint, model)
    server = stage.server("--reload", checkpoint=model)
    tokens, reloads = [server.account("ada")], 0
    for _ in range(stage.options.rounds):
        received, works = streams(server, 16, tokens, 900)

        def reload():
            nonlocal reloads
            server.wait(lambda: all(len(one) > 1 for one in received))
            for _ in range(3):
                reloads += any(one[-1][0] != "done" for one in received)
                server.process.send_signal(signal.SIGHUP)
                other = stage.folder / "model.new"
                shutil.copy(stage.checkpoint, other)
                other.rename(model)
                time.sleep(0.01)

        run_concurrently(*works, reload)
        for one in received:
            assert one[-1][0] == "done" and one[-1][1]["reason"] == "length" and one[-1][1]["answer_tokens"] == 900, one[-1]
    assert reloads, "expected the model to be replaced during a stream"
    assert list(server.stream("/api/chat/guest", {"message": "Hi"}))[-1][0] == "done"
    server.kill()
    report(f"reload: {16 * stage.options.rounds} streams, the model was replaced {reloads} times meanwhile; none failed")


def terminate(stage):
    cut = 0
    for round in range(stage.options.rounds):
        database = stage.folder / f"end{round}.db"
        # Without drain time, answers are canceled on any machine. With 20 seconds, all can finish.
        hurried = round % 2 == 0
        server = stage.server(*(["--drain", "0.001s", "--slots", "1"] if hurried else ["--drain", "20s"]), database=f"sqlite:{database}")
        token = server.account("ada")
        received, works = streams(server, 64, [token], 1_000, may_be_late=hurried)
        ended = []

        def end():
            server.wait(lambda: server.queue()["waiting"] >= 30 if hurried else all(len(one) > 1 for one in received))
            ended.append(server.terminate())

        run_concurrently(*works, end)
        status, seconds = ended[0]
        assert status == 0 and seconds < 25, ended
        assert not list(stage.folder.glob(f"{database.name}-*")), "expected one database file after the shutdown"
        received = [one for one in received if one]
        for one in received:
            assert one[-1][0] == "done", one[-1]
            cut += one[-1][1]["reason"] == "cancelled"
        messages = stored(SQLite(stage.folder, database.name))
        wanted = {one[0][1]["answer_id"]: kept("".join(data["text"] for name, data in one if name == "token")) for one in received}
        for id, text in wanted.items():
            assert (messages[id][3] if id in messages else "") == text
    assert cut, "expected some answers to be canceled"
    report(f"shutdown: all streams ended with done, {cut} of them canceled; all text is stored, and the exit status is 0")


# Soak test.

def soak(stage):
    server = stage.server("--collect", stage.folder / "collected.jsonl")
    names = [f"person{i}" for i in range(8)]
    tokens = {name: server.account(name) for name in names}
    per_user, counts, lock = stage.options.requests // len(names), {}, threading.Lock()

    def user(name, share, seed):
        draw, connection, conversation = random.Random(f"{seed} {name}"), server.connect(), None
        for _ in range(int(per_user * share)):
            kind = draw.choices(["health", "list", "page", "metrics", "wrong", "guest", "chat", "plain", "leave", "read", "delete"], [20, 14, 10, 2, 10, 10, 10, 6, 8, 8, 2])[0]
            with lock:
                counts[kind] = counts.get(kind, 0) + 1
            # Greedy answers would be cached, up to a number.
            short = {"max_tokens": draw.randrange(1, 12), "temperature": 0.8}
            if kind == "health":
                status = server.ask("GET", "/api/health", connection=connection)[0]
            elif kind == "list":
                status = server.ask("GET", f"/api/conversations?limit={draw.randrange(1, 30)}&search={draw.choice(['', 'word'])}", token=tokens[name], connection=connection)[0]
            elif kind == "page":
                status = server.ask("GET", draw.choice(["/", "/web/main.js", "/web/nothing.js"]), connection=connection)[0]
            elif kind == "metrics":
                status = server.ask("GET", "/metrics", connection=connection)[0]
            elif kind == "wrong":
                status = server.ask("POST", "/api/chat", {"message": "x", "temperature": 9}, draw.choice([tokens[name], "x.y.z", None]), connection)[0]
            elif kind == "guest":
                status = 200 if list(server.stream("/api/chat/guest", {"message": f"{MARKER} {draw.random()}"} | short))[-1][0] == "done" else 599
            elif kind == "plain":
                status = server.ask("POST", "/chat", {"message": f"{MARKER} {draw.random()}"} | short, connection=connection)[0]
            elif kind == "leave":
                for event, _ in server.stream("/api/chat", {"message": f"{MARKER} {draw.random()}", "ignore_eos": True}, tokens[name]):
                    if event == "token" and draw.random() < 0.3:
                        break
                status = 200
            elif kind == "chat" or conversation is None:
                events = list(server.stream("/api/chat", {"message": f"{MARKER} {draw.random()}"} | short, tokens[name]))
                conversation, status = events[0][1]["conversation_id"], 200 if events[-1][0] == "done" else 599
            elif kind == "read":
                status = server.ask("GET", f"/api/conversations/{conversation}", token=tokens[name], connection=connection)[0]
            else:
                status, conversation = server.ask("DELETE", f"/api/conversations/{conversation}", token=tokens[name], connection=connection)[0], None
            assert status < 500, f"{kind}: {status}"
        connection.close()

    def all_users(share, seed):
        run_concurrently(*[lambda name=name: user(name, share, seed) for name in names])
        server.wait_until_idle()
        heap = server.heap()
        # The server closes a connection a moment after its client, also the connection that asked for the metrics. One socket listens.
        deadline = time.monotonic() + 60
        while sum(name.startswith("socket:") for name in server.files()[1]) > 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        return heap, server.files()

    all_users(0.15, "warm")
    heap, (_, files) = all_users(0.15, "up")
    after, (pool, files_after) = all_users(0.7, "long")
    text = (f"soak: {sum(counts.values())} requests ({counts['leave']} streams abandoned): {heap / 1e3:,.0f} kB on the heap without SQLite's after 30 % of them, "
            f"{after / 1e3:,.0f} kB at the end ({(after - heap) / 1e3:+,.0f} kB); {server.memory() / 1e6:.1f} MB resident, {len(files)} and {len(files_after)} open files, without the database's {pool}")
    assert len(files_after) <= len(files) and pool <= 25, f"{text}\n{files}\n{files_after}"
    # Bounded caches fill a little more. A leak of 200 bytes per request would be more than this with --quick, one of 40 bytes without.
    assert stage.options.loose or after - heap < 500e3, text
    status, _ = server.terminate()
    assert status == 0
    report(text)


CHECKS = {"address": address, "slow": slow, "kills": kills, "disk": full_disk, "database": database_away, "reload": hang_up, "end": terminate, "soak": soak}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("slm")
    parser.add_argument("--only", nargs="+", choices=CHECKS, default=list(CHECKS))
    parser.add_argument("--sockets", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=10, help="duration of the test with slow connections")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--quick", action="store_true", help="run a shorter test")
    parser.add_argument("--all", action="store_true", help="fail instead of skipping a check")
    parser.add_argument("--loose", action="store_true", help="allow memory growth, for sanitizers that keep freed memory")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.quick:
        options.kills, options.rounds, options.requests, options.seconds = min(options.kills, 5), 2, min(options.requests, 4_000), 4
    with scratch_folder() as folder:
        stage = Stage(options, folder)
        for check in options.only:
            CHECKS[check](stage)
            stage.check_log()


if __name__ == "__main__":
    sys.exit(main())
