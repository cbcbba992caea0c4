"""A mock of `slm serve` (Documentation/Reference/openapi.yaml) with scripted answers and injected faults. Uses the standard library only.

    python3 Tests/Web/mock_server.py --port 8000          serves the page at http://127.0.0.1:8000 for development

These messages select an answer: "/markdown", "/cite", "/long", "/rtl", "/think", "/reason", "/nothing", "/hostile 17", "/error", "/break", "/429". All others get a few sentences.
"""
import argparse
import functools
import gzip
import http.server
import json
import os
import pathlib
import random
import re
import secrets
import textwrap
import threading
import time
import urllib.parse

import mock_answers
import mock_documents
import mock_libraries
import mock_training
from mock_values import new_id, timestamp

WEB = pathlib.Path(__file__).resolve().parents[2] / "Sources/Serve/Web"
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
          "form-action 'self'; frame-ancestors 'none'")
TYPES = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}
NUMBERS = {"max_tokens": (1, 1e9), "temperature": (0, 2), "top_p": (0, 1), "top_k": (0, 1e9), "min_p": (0, 1),
           "repetition_penalty": (1e-9, 1e9),
           "frequency_penalty": (-2, 2), "presence_penalty": (-2, 2), "seed": (-2**63, 2**64 - 1)}
UNDO_SECONDS = 60
# Paths that people type. A browser gets the page, which shows what they mean.
ADDRESSES = ["login", "signin", "register", "signup", "reset", "account", "settings", "training", "admin"]
# Each response waits for a random time up to this many seconds.
LATENCY = float(os.environ.get("LATENCY", 0))


class APIError(Exception):
    def __init__(self, status, code, message, field=None, retry_after=None):
        self.status, self.retry_after = status, retry_after
        self.error = {"code": code, "message": message} | ({"field": field} if field else {})


@functools.lru_cache
def compressed(raw):
    return gzip.compress(raw)


class World:
    """The state of the server. It survives a restart: the new server gets the same world."""

    def __init__(self, context=384, delay=0.02, model="mock"):
        self.lock = threading.RLock()
        self.model, self.context, self.delay, self.token_life = model, context, delay, 86_400
        self.users, self.tokens, self.conversations, self.running = {}, {}, {}, set()
        # Closed registration needs one of the invitations. `codes` are for new passwords, by username.
        self.closed, self.invitations, self.codes, self.keys = False, set(), {}, {}
        self.collected, self.collecting = 0, True
        # Whether chats may be used for training, and the accounts that are left out.
        self.training, self.left_out = False, set()
        self.starters = []
        self.adapters = []
        # Those of the operator, and those of accounts.
        self.documents, self.libraries = [], mock_libraries.LibraryWorld()
        # What has become of the files of documents since they were indexed.
        self.file_state = "unchanged"
        self.sampling = {"temperature": 0.8, "top_k": 50, "top_p": 0.95, "min_p": 0.1}
        # Settings of adapters that have some of their own, by name.
        self.adapter_sampling = {}
        # Accounts with the role of an owner, and what the training area shows.
        self.owners, self.area = set(), mock_training.TrainingWorld()
        self.loading = False
        self.sessions = {}
        # (method, path prefix, fault): each fault happens once.
        self.faults = []
        self.requests = []
        # Conversations whose answers shall stop, and how streams ended: a reason, or "disconnected".
        self.stopping, self.ends = set(), []

    def sign_in(self, name, agent=""):
        token = f"mock.{secrets.token_urlsafe(16)}"
        self.tokens[token] = (name, time.time() + self.token_life)
        self.sessions[token] = {"id": new_id(), "created_at": timestamp(), "last_used_at": timestamp(), "expires_at": timestamp(),
                                "address": "127.0.0.1", "user_agent": agent}
        return {"access_token": token, "token_type": "bearer", "expires_in": self.token_life}

    def fault(self, method, path):
        with self.lock:
            for fault in self.faults:
                if fault[0] == method and path.startswith(fault[1]):
                    self.faults.remove(fault)
                    return fault[2]
        return {}

    def conversation(self, owner, id, deleted=False):
        found = self.conversations.get(id)
        if not found or found["owner"] != owner or deleted is not None and bool(found["deleted"]) != deleted:
            raise APIError(404, "not_found", "There is no such conversation.")
        if found["deleted"] and time.time() - found["deleted"] > UNDO_SECONDS:
            raise APIError(404, "not_found", "It was deleted more than a minute ago.")
        return found

    def make_conversation(self, name, title):
        time = timestamp()
        conversation = {"id": new_id(), "owner": name, "title": title, "created_at": time, "updated_at": time, "messages": [],
                        "deleted": 0, "system_prompt": None, "model": None, "training": True, "documents": [], "tails": {}}
        self.conversations[conversation["id"]] = conversation
        return conversation


def summary(conversation):
    return {key: conversation[key] for key in ("id", "title", "created_at", "updated_at")}


def settings(conversation):
    return {key: conversation[key] for key in ("system_prompt", "model", "training", "documents")}


def message(role, content):
    return {"id": new_id(), "role": role, "content": content, "created_at": timestamp()}


def text_field(body, name, max_length, required=True, min_length=1):
    value = body.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or not min_length <= len(value.strip()) <= max_length:
        raise APIError(422, "invalid", f"{name}: expected a text of {min_length} to {max_length} characters.", name)
    return value


class Handler(mock_training.TrainingRoutes, mock_libraries.LibraryRoutes, http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world: World

    def log_message(self, *_):
        pass

    def do(self):
        self.path, _, query = self.path.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query))
        try:
            self.body = self.read_body()
            fault = self.world.fault(self.command, self.path)
            if "status" in fault:
                raise APIError(fault["status"], fault.get("code", "fault"), fault.get("message", "An injected fault."),
                               retry_after=fault.get("retry_after"))
            time.sleep(fault.get("sleep", random.uniform(0, LATENCY)))
            self.fault = fault
            self.route()
        except APIError as error:
            headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
            self.reply(error.status, {"error": error.error}, headers)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do

    def read_body(self):
        self.raw = raw = self.receive(int(self.headers.get("Content-Length") or 0))
        if not raw or self.headers.get("Content-Type") == "application/octet-stream":
            return {}
        try:
            body = json.loads(raw)
        except ValueError:
            raise APIError(400, "invalid_json", "The body is not JSON.")
        if not isinstance(body, dict):
            raise APIError(400, "invalid_json", "The body is not a JSON object.")
        return body

    def receive(self, size):
        """Reads the body. Files arrive as slowly as the test wants it."""
        pace, parts = self.world.libraries.pace, []
        while size > 0:
            part = self.rfile.read(min(size, 65_536))
            if not part:
                raise ConnectionResetError
            parts.append(part)
            size -= len(part)
            time.sleep(pace)
        return b"".join(parts)

    def fail(self, status, code, message, field=None):
        raise APIError(status, code, message, field)

    def route(self):
        for method, pattern, action in ROUTES:
            found = re.fullmatch(pattern, self.path)
            if found and method == self.command:
                return action(self, *found.groups())
        raise APIError(404, "not_found", f"There is nothing at {self.path}.")

    def reply(self, status, body=None, headers={}):
        raw = b"" if body is None else json.dumps(body).encode()
        self.send(status, raw, {"Content-Type": "application/json", "Cache-Control": "no-store"} | headers)

    def send(self, status, raw, headers):
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(raw)), "X-Content-Type-Options": "nosniff"} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    @property
    def token(self):
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def user(self):
        token = self.token
        name, expires = self.world.tokens.get(token, ("", 0))
        if expires < time.time():
            raise APIError(401, "unauthorized", "Your session has expired. Log in again.")
        return name

    # The page

    def page(self, name="index.html"):
        file = WEB / name
        if WEB not in file.resolve().parents or not file.is_file():
            raise APIError(404, "not_found", "There is no such file.")
        headers = {"Content-Type": TYPES[file.suffix], "Cache-Control": "no-cache", "Content-Security-Policy": POLICY,
                   "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin", "Vary": "Accept-Encoding"}
        raw = file.read_bytes()
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            raw, headers["Content-Encoding"] = compressed(raw), "gzip"
        self.send(200, raw, headers)

    def typed_address(self):
        if "text/html" not in self.headers.get("Accept", ""):
            raise APIError(404, "not_found", "There is no such path.")
        self.page()

    # Accounts

    def register(self):
        name, password = text_field(self.body, "username", 64), text_field(self.body, "password", 1024, min_length=8)
        if not re.fullmatch(r"[\w.-]+", name):
            raise APIError(422, "invalid", "username: expected letters, digits, '.', '-' and '_'.", "username")
        if len(password.encode()) > 1024:
            raise APIError(422, "invalid", "password: expected at most 1024 bytes.", "password")
        with self.world.lock:
            code = self.body.get("invitation")
            if self.world.closed and not code:
                raise APIError(403, "closed", "Registration is disabled on this server. It needs an invitation.")
            if code and code not in self.world.invitations:
                raise APIError(403, "wrong_code", "This code is wrong, or was used, or has expired.", "invitation")
            if name in self.world.users:
                raise APIError(409, "taken", "This username is taken. Choose another one.", "username")
            self.world.invitations.discard(code)
            self.world.users[name] = {"password": password, "email": self.body.get("email"), "created_at": timestamp()}
            self.reply(201, self.world.sign_in(name, self.headers.get("User-Agent")))

    def named(self):
        """The name of the account in a request to sign in."""
        name = self.body.get("username")
        return name or next((name for name, user in self.world.users.items() if user["email"] == self.body.get("email")), None)

    def login(self):
        name = self.named()
        user = self.world.users.get(name)
        if not user or user["password"] != self.body.get("password"):
            raise APIError(401, "wrong_credentials", "Wrong username or password.")
        self.reply(200, self.world.sign_in(name, self.headers.get("User-Agent")))

    def reset_password(self):
        name = self.named()
        if not self.body.get("code") or self.world.codes.get(name) != self.body["code"]:
            raise APIError(403, "wrong_code", "This code is wrong, or was used, or has expired.", "code")
        del self.world.codes[name]
        self.world.users[name]["password"] = self.body["new_password"]
        self.end_sessions(name)
        self.reply(200, self.world.sign_in(name, self.headers.get("User-Agent")))

    def end_sessions(self, name):
        for token in [token for token, (owner, _) in self.world.tokens.items() if owner == name]:
            del self.world.tokens[token]

    def logout(self):
        self.user()
        del self.world.tokens[self.token]
        self.reply(204)

    def me(self):
        name = self.user()
        user = self.world.users[name]
        self.reply(200, {"username": name, "email": user["email"], "created_at": user["created_at"], "context": self.world.context,
                         "model": self.world.model, "training": name not in self.world.left_out,
                         "role": "owner" if name in self.world.owners else "user"})

    def change_me(self):
        name, training = self.user(), self.body.get("training")
        if training is not None:
            (self.world.left_out.discard if training else self.world.left_out.add)(name)
        self.me()

    def confirm(self, name):
        if self.world.users[name]["password"] != self.body.get("password"):
            raise APIError(403, "wrong_password", "Wrong password.", "password")

    def change_password(self):
        name = self.user()
        self.confirm(name)
        self.world.users[name]["password"] = text_field(self.body, "new_password", 1024, min_length=8)
        self.end_sessions(name)
        self.reply(200, self.world.sign_in(name, self.headers.get("User-Agent")))

    def list_sessions(self):
        name = self.user()
        self.reply(200, {"sessions": [self.world.sessions[token] | {"current": token == self.token}
                                      for token, (owner, _) in self.world.tokens.items() if owner == name]})

    def end_session(self, id):
        name = self.user()
        for token, (owner, _) in list(self.world.tokens.items()):
            if owner == name and self.world.sessions[token]["id"] == id:
                del self.world.tokens[token]
                return self.reply(204)
        raise APIError(404, "not_found", "No such session.")

    def end_all_sessions(self):
        self.end_sessions(self.user())
        self.reply(204)

    def export(self):
        name = self.user()
        owned = [c for c in self.world.conversations.values() if c["owner"] == name and not c["deleted"]]
        self.reply(200, {"exported_at": timestamp(), "profile": {"username": name, "created_at": self.world.users[name]["created_at"]},
                         "conversations": [summary(c) | {"messages": c["messages"]} for c in owned],
                         "responses": [], "libraries": [], "files": [], "keys": [], "sessions": []})

    def delete_account(self):
        name = self.user()
        self.confirm(name)
        self.end_sessions(name)
        del self.world.users[name]
        self.reply(204)

    def list_keys(self):
        name = self.user()
        self.reply(200, {"keys": [key for owner, key in self.world.keys.values() if owner == name]})

    def create_key(self):
        name = self.user()
        key = {"id": new_id(), "name": text_field(self.body, "name", 64), "created_at": timestamp(), "last_used_at": None}
        self.world.keys[key["id"]] = (name, key)
        self.reply(201, key | {"key": "slm_" + secrets.token_urlsafe(32)})

    def revoke_key(self, id):
        self.user()
        if not self.world.keys.pop(id, None):
            raise APIError(404, "not_found", "No such key.")
        self.reply(204)

    # Conversations

    def list(self):
        name, search = self.user(), self.query.get("search", "").casefold()
        with self.world.lock:
            found = [c for c in self.world.conversations.values() if c["owner"] == name and not c["deleted"]
                     and (search in c["title"].casefold() or any(search in m["content"].casefold() for m in c["messages"]))]
        found.sort(key=lambda c: (c["updated_at"], c["id"]), reverse=True)
        limit, start = int(self.query.get("limit", 30)), int(self.query.get("cursor") or 0)
        end = start + limit
        self.reply(200, {"conversations": [summary(c) for c in found[start:end]], "next_cursor": str(end) if end < len(found) else None})

    def create(self):
        made = self.world.make_conversation(self.user(), self.body.get("title") or "New chat")
        self.reply(201, summary(made) | settings(made))

    def read(self, id):
        found = self.world.conversation(self.user(), id)
        self.reply(200, summary(found) | settings(found) | {"answering": found["id"] in self.world.running, "messages": found["messages"]})

    def change(self, id):
        found = self.world.conversation(self.user(), id)
        if "title" in self.body:
            found["title"] = text_field(self.body, "title", 200)
        if "system_prompt" in self.body:
            found["system_prompt"] = text_field(self.body, "system_prompt", 8000, min_length=0) or None
        self.check_documents()
        found |= {name: self.body[name] for name in ("model", "training", "documents") if name in self.body}
        self.reply(200, summary(found) | settings(found))

    # Alternatives and feedback

    def leave(self, conversation, index):
        """Takes the messages from an index on off the active path."""
        tail = conversation["messages"][index:]
        del conversation["messages"][index:]
        if tail:
            conversation["tails"][tail[0]["id"]] = tail
        return tail[0] if tail else None

    def join(self, old, new):
        """Makes a new message an alternative of an old one."""
        if old:
            ids = old.setdefault("alternatives", [old["id"]])
            ids.append(new["id"])
            new["alternatives"] = ids

    def activate(self, id, message):
        found = self.world.conversation(self.user(), id)
        with self.world.lock:
            if found["id"] in self.world.running:
                raise APIError(409, "answering", "This conversation already has an answer in progress.", retry_after=1)
            if message in found["tails"]:
                group = found["tails"][message][0]["alternatives"]
                index = next(i for i, m in enumerate(found["messages"]) if m["id"] in group)
                self.leave(found, index)
                found["messages"] += found["tails"].pop(message)
            elif not any(m["id"] == message for m in found["messages"]):
                raise APIError(404, "not_found", "No such message.")
        self.read(id)

    def alternatives(self, id, message):
        found = self.world.conversation(self.user(), id)
        listed = [m | {"active": m in found["messages"]} for tail in [found["messages"], *found["tails"].values()] for m in tail]
        one = next((m for m in listed if m["id"] == message), None)
        if not one:
            raise APIError(404, "not_found", "No such message.")
        self.reply(200, {"alternatives": [m for m in listed if m["id"] in one.get("alternatives", [message])]})

    def answer(self, id, message):
        found = self.world.conversation(self.user(), id)
        one = next((m for m in found["messages"] if m["id"] == message and m["role"] == "assistant"), None)
        if not one:
            raise APIError(404, "not_found", "No such message.")
        return one

    def rate(self, id, message):
        if self.body.get("rating") not in ("good", "bad"):
            raise APIError(422, "invalid", "rating: expected good or bad.", "rating")
        self.answer(id, message)["rating"] = self.body
        self.reply(204)

    def unrate(self, id, message):
        self.answer(id, message).pop("rating", None)
        self.reply(204)

    def correct(self, id, message):
        self.answer(id, message)["correction"] = text_field(self.body, "content", 100_000)
        self.reply(204)

    def uncorrect(self, id, message):
        self.answer(id, message).pop("correction", None)
        self.reply(204)

    def delete(self, id):
        self.world.conversation(self.user(), id)["deleted"] = time.time()
        self.reply(204)

    def stop(self, id):
        found = self.world.conversation(self.user(), id)
        with self.world.lock:
            if found["id"] in self.world.running:
                self.world.stopping.add(found["id"])
        self.reply(204)

    def restore(self, id):
        found = self.world.conversation(self.user(), id, deleted=None)
        found["deleted"] = 0
        self.reply(200, summary(found))

    # Chat

    def check_chat(self):
        text = "" if self.body.get("regenerate") else text_field(self.body, "message", 100_000)
        for name, (low, high) in NUMBERS.items():
            value = self.body.get(name)
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if value is not None and not (is_number and low <= value <= high):
                raise APIError(422, "invalid", f"{name}: expected a number from {low:g} to {high:g}, found {value}.", name)
        if text == "/429":
            raise APIError(429, "too_many_requests", "Too many messages.", retry_after=2)
        if self.world.loading:
            raise APIError(503, "loading", "The model is loading.", retry_after=1)
        self.check_documents()
        self.world.requests.append(self.body)
        return text

    def guest_chat(self):
        text = self.check_chat()
        turns = [turn["content"] for turn in self.body.get("history", [])]
        self.stream({}, text, turns, self.sources(self.body.get("documents"), text))

    def chat(self):
        name, text = self.user(), self.check_chat()
        with self.world.lock:
            id = self.body.get("conversation_id")
            conversation = self.world.conversation(name, id) if id else None
            self.check_documents(conversation and conversation["documents"])
            if conversation and conversation["id"] in self.world.running:
                raise APIError(409, "answering", "The previous message of this conversation is being answered.", retry_after=1)
            index = self.index(conversation, "regenerate")
            if index is None:
                conversation = self.add_prompt(name, conversation, text)
                index = len(conversation["messages"]) - 1
            self.world.running.add(conversation["id"])
        prompt, answer = conversation["messages"][index], message("assistant", "")
        text = prompt["content"]
        turns = [turn["content"] for turn in conversation["messages"][:index]]
        try:
            ids = {"conversation_id": conversation["id"], "title": conversation["title"],
                   "message_id": prompt["id"], "answer_id": answer["id"], "model": conversation["model"] or self.world.model}
            sources = self.sources(conversation["documents"], text)
            answer |= {"sources": sources} if sources else {}
            answer["content"] = self.stream(ids, text, turns, sources)
            answer |= {"reason": self.figures.pop("reason"), "metrics": self.figures} if self.figures else {}
        finally:
            with self.world.lock:
                if answer["content"] or not self.body.get("regenerate"):
                    self.join(self.leave(conversation, index + 1), answer)
                    conversation["messages"].append(answer)
                conversation["updated_at"] = timestamp()
                self.world.running.discard(conversation["id"])

    def index(self, conversation, field):
        """The index of the user message that a field names."""
        if not self.body.get(field):
            return None
        messages = conversation["messages"] if conversation else []
        index = next((i for i, m in enumerate(messages) if m["id"] == self.body[field] and m["role"] == "user"), None)
        if index is None:
            raise APIError(422, "invalid", f"{field}: expected the id of a user message of this conversation.", field)
        return index

    def add_prompt(self, name, conversation, text):
        index, new = self.index(conversation, "replace_from"), message("user", text)
        if index is not None:
            self.join(self.leave(conversation, index), new)
        if not conversation:
            conversation = self.world.make_conversation(name, textwrap.shorten(text, 60, placeholder="…") or "…")
            conversation |= {"system_prompt": self.body.get("system_prompt"), "training": self.body.get("training", True),
                             "documents": self.body.get("documents") or []}
        conversation["model"] = self.body.get("model") or conversation["model"]
        conversation["messages"].append(new)
        return conversation

    def stream(self, ids, text, turns, sources=None):
        """Sends events until the answer is finished or the client disconnects. Returns the text sent."""
        self.send_response(200)
        for header, value in {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store", "X-Accel-Buffering": "no",
                              "Connection": "close"}.items():
            self.send_header(header, value)
        self.end_headers()
        self.close_connection = True
        pieces = mock_answers.pieces(text)[:int(self.body.get("max_tokens") or 1e9)]
        prompt = sum(map(mock_answers.count, [*turns, text]))
        dropped = 0
        while turns and prompt > self.world.context * 3 // 4:
            prompt -= mock_answers.count(turns.pop(0))
            dropped += 1
        cut = prompt > self.world.context * 3 // 4
        prompt = min(prompt, self.world.context * 3 // 4)
        sent, start, stopped, self.figures = "", time.time(), False, None
        try:
            self.event("start", ids | {"prompt_tokens": prompt, "context": self.world.context})
            if sources:
                self.event("sources", sources)
            if dropped or cut:
                self.event("warning", {"dropped_turns": dropped, "cut": cut})
            self.wfile.write(b": heartbeat\n\n")
            if text == "/reason":
                self.event("reasoning", {"text": mock_answers.THOUGHT})
            for index, piece in enumerate(pieces):
                if index == self.fault.get("break_after") or (text == "/break" and index == 5):
                    return sent
                if text == "/error" and index == 3:
                    text = "the model's logits are not finite: its file is damaged, or its training diverged."
                    self.event("error", {"error": {"code": "no_scores", "message": text}})
                    return sent
                time.sleep(self.world.delay)
                if ids.get("conversation_id") in self.world.stopping:
                    stopped = True
                    pieces = pieces[:index]
                    break
                self.event("token", {"text": piece})
                sent += piece
            seconds = time.time() - start
            reason = "cancelled" if stopped else "length" if len(pieces) == self.body.get("max_tokens") else "stop"
            self.figures = {"reason": reason, "answer_tokens": len(pieces), "seconds": round(seconds, 3), "first_token_seconds": 0.002,
                            "tokens_per_s": round(len(pieces) / max(seconds, 1e-3), 1)}
            self.world.collected += not stopped
            self.event("done", self.figures | {"prompt_tokens": prompt, "cached_tokens": prompt // 2})
            self.world.ends.append(reason)
        except (BrokenPipeError, ConnectionResetError):
            self.world.ends.append("disconnected")
        finally:
            self.world.stopping.discard(ids.get("conversation_id"))
        return sent

    def event(self, name, data):
        self.wfile.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())
        self.wfile.flush()

    # Documents

    def check_documents(self, names=None):
        unknown = set(names or self.body.get("documents") or []) - {one["id"] for one in self.listed_documents()}
        if unknown:
            raise APIError(404, "documents_not_found", f"Unknown documents {', '.join(unknown)}.", "documents")

    def sources(self, names, question):
        libraries = [self.world.libraries.libraries[name] for name in names or [] if name in self.world.libraries.libraries]
        found = [passage for library in libraries for passage in mock_libraries.sources(library, question)]
        return mock_documents.sources(names, question, found) if names else None

    def listed_documents(self):
        return [{"id": one["name"]} | one for one in self.world.documents] + [
            mock_libraries.listed(one, self.reader) for one in self.world.libraries.readable(self.reader)]

    def list_documents(self):
        world, name = self.world.libraries, self.reader
        uploads = {"uploads": {"bytes": world.bytes, "used_bytes": world.used(name), "file_bytes": world.file_bytes}} if name and world.bytes else {}
        self.reply(200, {"documents": self.listed_documents()} | uploads)

    def search_documents(self):
        self.check_documents()
        names = self.body.get("documents") or [one["id"] for one in self.listed_documents()]
        found = mock_documents.sources(names, text_field(self.body, "query", 10_000))["passages"] if names else []
        self.reply(200, {"passages": found[:self.body.get("limit", 5)]})

    def list_document_passages(self, name):
        name, file = urllib.parse.unquote(name), self.query.get("file", "")
        self.check_documents([name])
        found, start, limit = mock_documents.passages_of(name, file), int(self.query.get("from", 0)), int(self.query.get("limit", 50))
        if not found:
            raise APIError(404, "file_not_found", f"The documents {name} have no file '{file}'.", "file")
        self.reply(200, {"total": len(found), "file_state": self.world.file_state, "passages": found[start:start + limit]})

    # Other endpoints

    def health(self):
        status = {"status": "loading" if self.world.loading else "ready", "model": self.world.model, "context": self.world.context,
                  "models": [self.world.model, *self.world.adapters], "sampling": {name: self.world.sampling | self.world.adapter_sampling.get(name, {}) for name in [self.world.model, *self.world.adapters]}, "starter_questions": self.world.starters, "registration": "invitation" if self.world.closed else "open",
                  "remote": False, "training": self.world.training, "uptime_seconds": 1, "queue": {"running": len(self.world.running), "waiting": 0}}
        self.reply(200, status)

    def stats(self):
        self.reply(200, {"count": self.world.collected, "ready": self.world.collected >= 10, "collecting": self.world.collecting,
                         "conversations": self.world.collected, "file": False})

    def tokenize(self):
        texts = [m["content"] for m in self.body["messages"]] if "messages" in self.body else [text_field(self.body, "text", 1_000_000)]
        count = sum(map(mock_answers.count, texts))
        self.reply(200, {"tokens": list(range(count)), "count": count})


ROUTES = [
    ("GET", r"/", Handler.page), ("GET", "/(?:" + "|".join(ADDRESSES) + ")/?", Handler.typed_address), ("GET", r"/web/((?:\w+/)?[\w.-]+)", Handler.page),
    ("POST", r"/api/auth/register", Handler.register), ("POST", r"/api/auth/login", Handler.login), ("GET", r"/api/me", Handler.me),
    ("PATCH", r"/api/me", Handler.change_me),
    ("POST", r"/api/auth/reset-password", Handler.reset_password), ("POST", r"/api/auth/logout", Handler.logout),
    ("POST", r"/api/me/password", Handler.change_password), ("POST", r"/api/me/delete", Handler.delete_account),
    ("GET", r"/api/me/sessions", Handler.list_sessions), ("DELETE", r"/api/me/sessions", Handler.end_all_sessions),
    ("DELETE", r"/api/me/sessions/(\w+)", Handler.end_session), ("GET", r"/api/me/export", Handler.export),
    ("GET", r"/api/keys", Handler.list_keys), ("POST", r"/api/keys", Handler.create_key),
    ("DELETE", r"/api/keys/(\w+)", Handler.revoke_key),
    ("GET", r"/api/conversations", Handler.list), ("POST", r"/api/conversations", Handler.create),
    ("GET", r"/api/conversations/(\w+)", Handler.read),
    ("PATCH", r"/api/conversations/(\w+)", Handler.change), ("DELETE", r"/api/conversations/(\w+)", Handler.delete),
    ("POST", r"/api/conversations/(\w+)/restore", Handler.restore), ("POST", r"/api/conversations/(\w+)/stop", Handler.stop),
    ("GET", r"/api/conversations/(\w+)/messages/(\w+)/alternatives", Handler.alternatives),
    ("POST", r"/api/conversations/(\w+)/messages/(\w+)/activate", Handler.activate),
    ("PUT", r"/api/conversations/(\w+)/messages/(\w+)/rating", Handler.rate),
    ("DELETE", r"/api/conversations/(\w+)/messages/(\w+)/rating", Handler.unrate),
    ("PUT", r"/api/conversations/(\w+)/messages/(\w+)/correction", Handler.correct),
    ("DELETE", r"/api/conversations/(\w+)/messages/(\w+)/correction", Handler.uncorrect),
    ("GET", r"/api/documents", Handler.list_documents), ("POST", r"/api/documents/search", Handler.search_documents),
    ("GET", r"/api/documents/([^/]+)/passages", Handler.list_document_passages),
    ("POST", r"/api/chat", Handler.chat), ("POST", r"/api/chat/guest", Handler.guest_chat),
    ("GET", r"/api/health", Handler.health), ("GET", r"/stats", Handler.stats), ("POST", r"/tokenize", Handler.tokenize), *mock_training.ROUTES,
    *mock_libraries.ROUTES,
]


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, world, port=0):
        super().__init__(("127.0.0.1", port), type("WorldHandler", (Handler,), {"world": world}))
        self.connections = set()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]

    def process_request(self, request, address):
        self.connections.add(request)
        super().process_request(request, address)

    def shutdown_request(self, request):
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *_):
        pass

    def kill(self):
        """Simulates the death of the process: closes the listening socket and all connections."""
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            super().shutdown_request(connection)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--delay", type=float, default=0.03, help="seconds per token")
    arguments = parser.parse_args()
    world = World(delay=arguments.delay)
    world.documents = [{"name": "manuals", "files": 2, "passages": 4}]
    world.libraries.bytes, world.libraries.reading = 100_000_000, 3
    server = Server(world, arguments.port)
    print(f"http://127.0.0.1:{server.port}")
    threading.Event().wait()
