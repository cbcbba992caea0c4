"""Checks that the server's responses to the requests of the web page match Documentation/Reference/openapi.yaml."""
import json
import pathlib
import time
import urllib.error
import urllib.parse
import urllib.request

import jsonschema
import openapi_spec_validator
import yaml

DESCRIPTION = yaml.safe_load((pathlib.Path(__file__).resolve().parents[2] / "Documentation/Reference/openapi.yaml").read_text())
EVENTS = {"start": {"prompt_tokens", "context"}, "sources": {"passages", "words", "prompt"}, "token": {"text"}, "warning": {"dropped_turns", "cut"}, "reasoning": {"text"},
          "done": {"reason", "prompt_tokens", "answer_tokens", "cached_tokens", "seconds", "tokens_per_s", "first_token_seconds"}, "error": {"error"}}
IDS = {"conversation_id", "title", "message_id", "answer_id", "model"}


def resolved(value):
    while "$ref" in value:
        target = DESCRIPTION
        for part in value["$ref"][2:].split("/"):
            target = target[part]
        value = target
    return value


class Client:
    def __init__(self, url):
        self.url, self.token = url, None

    def __call__(self, method, path, body=None, template=None, expected=200):
        kind, data = ("octet-stream", body) if isinstance(body, bytes) else ("json", None if body is None else json.dumps(body).encode())
        headers = {"Content-Type": "application/" + kind} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            response = urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            raw, status = response.read(), response.status
        assert status == expected, (method, path, status, raw[:300])
        described = DESCRIPTION["paths"][template or path.partition("?")[0]][method.lower()]["responses"]
        assert str(status) in described, (method, path, f"status {status} is not in openapi.yaml")
        content = resolved(described[str(status)]).get("content", {})
        if "application/json" in content and response.headers["Content-Type"].startswith("application/json"):
            schema = content["application/json"]["schema"] | {"components": DESCRIPTION["components"]}
            found = json.loads(raw)
            jsonschema.Draft202012Validator(schema).validate(found)
            return found
        assert content or not raw, (method, path, "a response body that is not in openapi.yaml")
        return raw.decode()


def read_events(text):
    return [(lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: "))) for block in text.split("\n\n")
            if (lines := [line for line in block.split("\n") if line and not line.startswith(":")])]


def check_stream(text, guest):
    events = read_events(text)
    names = [name for name, _ in events]
    assert names[0] == "start" and names[-1] in ("done", "error") and names.count("start") == 1 and "token" in names, names
    for name, data in events:
        assert EVENTS[name] <= data.keys(), (name, data)
    assert (IDS <= events[0][1].keys()) != guest and not (guest and IDS & events[0][1].keys()), events[0]
    return events[0][1]


def test_contract(stage):
    openapi_spec_validator.validate(DESCRIPTION)
    if stage.world:
        stage.world.libraries.bytes = 100_000_000
    ask = Client(stage.url)
    ask("GET", "/api/health")
    ask("GET", "/stats")
    ask("POST", "/tokenize", {"text": "one two"})
    ask("POST", "/tokenize", {"messages": [{"role": "user", "content": "one two"}]})
    ask("GET", "/api/me", expected=401)
    ask("GET", "/api/conversations", expected=401)
    history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    check_stream(ask("POST", "/api/chat/guest", {"message": "What comes after 3?", "history": history, "seed": 7}), guest=True)
    name = stage.name()
    assert ask("POST", "/api/auth/register", {"username": name, "password": "short"}, expected=422)["error"]["field"] == "password"
    account = {"username": name, "password": "correct horse", "email": f"{name}@example.org"}
    ask.token = ask("POST", "/api/auth/register", account, expected=201)["access_token"]
    ask("POST", "/api/auth/register", {"username": name, "password": "correct horse"}, expected=409)
    ask("POST", "/api/auth/login", {"username": name, "password": "wrong horse"}, expected=401)
    ask("POST", "/api/auth/login", {"username": name, "password": "correct horse"})
    assert ask("GET", "/api/me")["username"] == name
    check_chats(ask)
    check_documents(ask)
    check_libraries(ask, name)
    check_account(ask, account)


def check_account(ask, account):
    one, name = "/api/me/sessions/{id}", account["username"]
    assert sum(session["current"] for session in ask("GET", "/api/me/sessions")["sessions"]) == 1
    key = ask("POST", "/api/keys", {"name": "laptop"}, expected=201)
    assert [k["name"] for k in ask("GET", "/api/keys")["keys"]] == ["laptop"]
    ask("DELETE", f"/api/keys/{key['id']}", template="/api/keys/{id}", expected=204)
    assert ask("GET", "/api/me/export")["profile"]["username"] == name
    change = {"password": "wrong horse", "new_password": "battery staple"}
    assert ask("POST", "/api/me/password", change, expected=403)["error"]["field"] == "password"
    ask.token = ask("POST", "/api/me/password", change | {"password": "correct horse"})["access_token"]
    ask("POST", "/api/auth/login", {"email": account["email"], "password": "battery staple"})
    reset = {"username": name, "code": "0000-0000-0000-0000", "new_password": "battery staple"}
    assert ask("POST", "/api/auth/reset-password", reset, expected=403)["error"]["code"] == "wrong_code"
    other = next(session for session in ask("GET", "/api/me/sessions")["sessions"] if not session["current"])
    ask("DELETE", f"/api/me/sessions/{other['id']}", template=one, expected=204)
    ask("DELETE", f"/api/me/sessions/{other['id']}", template=one, expected=404)
    ask("POST", "/api/auth/logout", expected=204)
    ask("GET", "/api/me", expected=401)
    ask.token = ask("POST", "/api/auth/login", {"username": name, "password": "battery staple"})["access_token"]
    ask("POST", "/api/me/delete", {"password": "wrong horse"}, expected=403)
    ask("POST", "/api/me/delete", {"password": "battery staple"}, expected=204)
    ask("GET", "/api/me", expected=401)


def check_feedback(ask, path, start):
    """Another answer to the question of a chat's start event, ratings, corrections, settings."""
    one, answers = "/api/conversations/{id}/messages/{message}", path + "/messages/"
    again = {"regenerate": start["message_id"], "conversation_id": start["conversation_id"], "max_tokens": 4, "temperature": 0}
    other = check_stream(ask("POST", "/api/chat", again), guest=False)["answer_id"]
    first = start["answer_id"]
    listed = ask("GET", answers + first + "/alternatives", template=one + "/alternatives")["alternatives"]
    assert {(m["id"], m["active"]) for m in listed} == {(first, False), (other, True)}
    shown = ask("POST", answers + first + "/activate", {}, template=one + "/activate")
    assert shown["messages"][-1]["id"] == first and shown["messages"][-1]["alternatives"] == [first, other]
    ask("PUT", answers + first + "/rating", {"rating": "bad", "reason": "incorrect", "comment": "no"}, one + "/rating", expected=204)
    ask("PUT", answers + first + "/rating", {"rating": "superb"}, one + "/rating", expected=422)
    ask("PUT", answers + first + "/correction", {"content": "Better."}, one + "/correction", expected=204)
    found = ask("GET", path, template="/api/conversations/{id}")["messages"][-1]
    assert found["rating"] == {"rating": "bad", "reason": "incorrect", "comment": "no"} and found["correction"] == "Better."
    for part in ("/rating", "/correction"):
        ask("DELETE", answers + first + part, template=one + part, expected=204)
    found = ask("GET", path, template="/api/conversations/{id}")["messages"][-1]
    assert "rating" not in found and "correction" not in found
    changed = ask("PATCH", path, {"system_prompt": "Be kind.", "training": False}, template="/api/conversations/{id}")
    assert changed["system_prompt"] == "Be kind." and changed["training"] is False
    assert ask("PATCH", "/api/me", {"training": False})["training"] is False
    assert ask("PATCH", "/api/me", {"training": True})["training"] is True
    ask("POST", answers + "nowhere/activate", {}, template=one + "/activate", expected=404)


def check_documents(ask):
    names = [one["id"] for one in ask("GET", "/api/documents")["documents"]]
    found = ask("POST", "/api/documents/search", {"query": "pump", "limit": 1})["passages"]
    assert len(found) <= min(1, len(names))
    assert ask("POST", "/api/documents/search", {"query": "pump", "documents": ["nowhere"]}, expected=404)["error"]["field"] == "documents"
    assert ask("POST", "/api/chat", {"message": "x", "documents": ["nowhere"]}, expected=404)["error"]["code"] == "documents_not_found"
    if found and "library_id" not in found[0]:
        one, file = f"/api/documents/{found[0]['documents']}/passages", urllib.parse.quote(found[0]["file"])
        listed = ask("GET", f"{one}?file={file}&from={found[0]['position']}&limit=1", template="/api/documents/{id}/passages")
        assert listed["passages"][0]["text"] == found[0]["text"] and listed["file_state"] == "unchanged"
        missing = ask("GET", f"{one}?file=nowhere", template="/api/documents/{id}/passages", expected=404)["error"]
        assert (missing["code"], missing["field"]) == ("file_not_found", "file")
    if names:
        start = check_stream(ask("POST", "/api/chat", {"message": "pump", "documents": names, "max_tokens": 4}), guest=False)
        path = f"/api/conversations/{start['conversation_id']}"
        assert ask("GET", path, template="/api/conversations/{id}")["documents"] == names


def check_libraries(ask, name):
    """What the page does with a library, where accounts upload documents."""
    if "uploads" not in ask("GET", "/api/documents"):
        return
    one, any_file = "/api/libraries/{id}", "/api/libraries/{id}/files/{upload}"
    assert ask("POST", "/api/libraries", {"name": " "}, expected=422)["error"]["field"] == "name"
    library = ask("POST", "/api/libraries", {"name": "Garden"}, expected=201)
    path = f"/api/libraries/{library['id']}"
    assert library["is_own"] and library["owner"] == name and library["access"] == "private" and library["readers"] == []
    text = b"# Pump\n\nHold the red button.\n"
    file = ask("POST", path + "/files?name=notes%2Fpump.md", text, one + "/files", expected=201)
    assert (file["name"], file["bytes"], file["state"]) == ("notes/pump.md", len(text), "waiting")
    end = time.time() + 30
    while (found := ask("GET", path, template=one))["waiting"]:
        assert time.time() < end, found
        time.sleep(0.1)
    assert found["files"][0]["state"] == "ready" and found["files"][0]["passages"] == found["passages"] == 1
    passages = ask("GET", f"{path}/files/{file['id']}/passages?from=0&limit=11", template=any_file + "/passages")
    assert passages["total"] == 1 and "Hold the red button." in passages["passages"][0]["text"]
    assert (passages["passages"][0]["library_id"], passages["passages"][0]["file_id"]) == (library["id"], file["id"])
    assert ask("GET", f"{path}/files/{file['id']}", template=any_file) == text.decode()
    listed = next(one for one in ask("GET", "/api/documents")["documents"] if one["id"] == library["id"])
    assert listed["owner"] == name and listed["is_own"] and listed["name"] == "Garden"
    chat = {"message": "Which button is red?", "documents": [library["id"]], "max_tokens": 4, "temperature": 0}
    start = check_stream(ask("POST", "/api/chat", chat), guest=False)
    stored = ask("GET", f"/api/conversations/{start['conversation_id']}", template="/api/conversations/{id}")
    source = stored["messages"][-1]["sources"]["passages"][0]
    assert (source["library_id"], source["file_id"], source["position"], source["documents"]) == (library["id"], file["id"], 0, "Garden")
    unknown = {"access": "chosen", "readers": ["an-account-that-is-not-there"]}
    assert ask("PATCH", path, unknown, one, expected=422)["error"]["field"] == "readers"
    changed = ask("PATCH", path, {"name": "Pumps", "access": "everyone"}, one)
    assert changed["name"] == "Pumps" and changed["access"] == "everyone"
    ask("POST", path + "/reindex", {}, one + "/reindex")
    assert ask("POST", f"{path}/files/{file['id']}/reindex", {}, any_file + "/reindex")["name"] == "notes/pump.md"
    others = [ask("POST", f"{path}/files?name={name}", b"One.", one + "/files", expected=201)["id"] for name in ("a.md", "b.md")]
    assert ask("POST", path + "/files/delete", {"files": []}, one + "/files/delete", expected=422)["error"]["field"] == "files"
    assert ask("POST", path + "/files/delete", {"files": others}, one + "/files/delete") == {"deleted": 2}
    ask("DELETE", f"{path}/files/{file['id']}", template=any_file, expected=204)
    ask("DELETE", path, template=one, expected=204)
    ask("GET", path, template=one, expected=404)
    assert ask("POST", "/api/chat", chat, expected=404)["error"]["code"] == "documents_not_found"


def check_chats(ask):
    for field, value in {"temperature": 3, "top_p": 1.1, "top_k": -1, "max_tokens": 0, "message": " "}.items():
        assert ask("POST", "/api/chat", {"message": "What comes after 3?"} | {field: value}, expected=422)["error"]["field"] == field
    start = check_stream(ask("POST", "/api/chat", {"message": "What comes after 3?", "max_tokens": 4, "temperature": 0}), guest=False)
    path, one = f"/api/conversations/{start['conversation_id']}", "/api/conversations/{id}"
    stored = ask("GET", path, template=one)
    assert [m["role"] for m in stored["messages"]] == ["user", "assistant"]
    assert [m["id"] for m in stored["messages"]] == [start["message_id"], start["answer_id"]]
    edited = {"message": "What comes after 4?", "conversation_id": stored["id"], "replace_from": start["message_id"], "max_tokens": 4, "temperature": 0}
    again = check_stream(ask("POST", "/api/chat", edited), guest=False)
    stored = ask("GET", path, template=one)
    assert [m["id"] for m in stored["messages"]] == [again["message_id"], again["answer_id"]]
    assert stored["messages"][0]["content"] == "What comes after 4?"
    check_feedback(ask, path, again)
    unknown = {"message": "x", "conversation_id": stored["id"], "replace_from": "nowhere"}
    assert ask("POST", "/api/chat", unknown, expected=422)["error"]["field"] == "replace_from"
    ask("POST", "/api/chat", {"message": "x", "conversation_id": "nowhere"}, expected=404)
    ask("PATCH", path, {"title": "Another"}, template=one)
    ask("POST", "/api/conversations", {"title": "Empty"}, expected=201)
    first = ask("GET", "/api/conversations?limit=1")
    second = ask("GET", f"/api/conversations?limit=1&cursor={first['next_cursor']}")
    assert len({c["id"] for c in first["conversations"] + second["conversations"]}) == 2 and second["next_cursor"] is None
    assert [c["title"] for c in ask("GET", "/api/conversations?search=aNoTher")["conversations"]] == ["Another"]
    ask("DELETE", path, template=one, expected=204)
    ask("GET", path, template=one, expected=404)
    ask("DELETE", path, template=one, expected=404)
    ask("POST", path + "/restore", template=one + "/restore")
    ask("POST", path + "/stop", {}, template=one + "/stop", expected=204)
    assert len(ask("GET", path, template=one)["messages"]) == 2
    # A repeated request, as after a lost response, gives the same response.
    ask("POST", path + "/restore", template=one + "/restore")
