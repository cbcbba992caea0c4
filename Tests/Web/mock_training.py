"""The routes of the training area, for mock_server.py: chats, runs, comparisons, models and the schedule, kept in memory."""
import json
import random

from mock_values import new_id, timestamp

WORDS = "river horse blue garden seven capital story friend winter small light answer question number island bread letter".split()


def text(random, count):
    return " ".join(random.choice(WORDS) for _ in range(count)).capitalize() + "."


def make_chat(random, number):
    """A chat with one or two exchanges; some have corrections, ratings, alternatives, duplicates or personal data."""
    turns = random.choice([1, 1, 2])
    messages, personal = [], []
    for turn in range(turns):
        question, answer = f"Question {number}.{turn}: {text(random, 5)}", text(random, 12)
        found = []
        if number % 7 == 3 and turn == 0:
            question += " Write to ada@example.org, please."
            start = question.index("ada@")
            found, personal = [{"kind": "email", "start": start, "end": start + len("ada@example.org")}], ["email"]
        messages.append({"id": f"m{number}-{turn}-q", "role": "user", "content": question, "correction": None, "owner_correction": None,
                         "rating": None, "alternatives": [], "personal": found})
        messages.append({"id": f"m{number}-{turn}-a", "role": "assistant", "content": answer,
                         "correction": "A better " + answer.lower() if number % 5 == 1 and turn == 0 else None, "owner_correction": None,
                         "rating": {0: "good", 1: "bad"}.get(number % 4),
                         "alternatives": [{"id": f"m{number}-{turn}-b", "content": text(random, 8), "chosen": False, "rating": None}]
                         if number % 6 == 2 else [], "personal": []})
    return {"id": f"c{number}", "source": ["account", "guest", "import"][number % 3], "state": "new", "title": f"Chat {number} about {random.choice(WORDS)}",
            "person": f"Person {number % 9:04x}", "model": "tiny", "created_at": timestamp(number * 3600), "updated_at": timestamp(number * 3600),
            "turns": turns, "characters": sum(len(m["content"]) for m in messages), "good": sum(m["rating"] == "good" for m in messages),
            "bad": sum(m["rating"] == "bad" for m in messages), "corrections": sum(m["correction"] is not None for m in messages),
            "owner_corrections": 0, "preferences": 0, "tags": ["colors"] if number % 8 == 0 else [], "duplicates": 2 if number % 10 == 4 else 0,
            "duplicate_of": "c1" if number % 10 == 4 else None, "personal": personal, "held_out": number % 10 == 9, "reviewed_at": None,
            "reviewed_by": None, "messages": messages}


def make_model(name, state, **fields):
    return {"id": new_id(), "name": name, "state": state, "kind": "checkpoint", "base": None, "path": f"training/runs/{name}/best.h5",
            "size_bytes": 145_000_000, "created_at": timestamp(), "created_by": "owner", "promoted_at": None, "promoted_by": None, "run": None,
            "data": None, "metrics": {"val_loss": 1.2345}, "verdict": None, "comparison": None, "is_served": state == "active",
            "error": None, "keys": 0} | fields


class TrainingWorld:
    def __init__(self, chats=120):
        generator = random.Random(1)
        self.chats = {f"c{n}": make_chat(generator, n) for n in range(chats)}
        self.models = [make_model("first", "active", promoted_at=timestamp(), promoted_by="admin")]
        self.canary, self.pins = None, {}
        self.runs, self.comparisons = [], {}
        self.questions = [{"id": "q1", "text": "What is the capital of Peru?", "expected": "Lima"},
                          {"id": "q2", "text": "Which color has the sky?", "expected": None}]
        self.gate = {"max_replay_loss_rise": 0.01, "min_held_out_gain": 0, "significance": 0.05, "min_right_answers": 0,
                     "requires_better": True, "general": None}
        self.schedule = {"enabled": False, "at": "03:00", "new_chats": None, "settings": {}, "last_run": None, "next_at": None, "included_since": 4}
        self.audit = []
        # What the next comparison finds, whether runs fit into the memory, and bodies of changes by (method, path).
        self.verdict, self.fits, self.changes = "better", True, []
        self.imported = []
        self.imports = {}

    def model(self, id):
        return next((model for model in self.models if model["id"] == id), None)

    def run(self, id):
        return next((run for run in self.runs if run["id"] == id), None)


def summary(chat):
    return {name: value for name, value in chat.items() if name != "messages"}


def matches(chat, filter):
    tests = {
        "q": lambda v: v.casefold() in (chat["title"] + " ".join(m["content"] for m in chat["messages"])).casefold(),
        "state": lambda v: chat["state"] == v, "tag": lambda v: v in chat["tags"], "model": lambda v: chat["model"] == v,
        "source": lambda v: chat["source"] == v, "person": lambda v: chat["person"] == v,
        "rating": lambda v: {"good": chat["good"] > 0, "bad": chat["bad"] > 0, "corrected": chat["corrections"] + chat["owner_corrections"] > 0,
                             "none": chat["good"] + chat["bad"] == 0}[v],
        "flag": lambda v: chat["duplicates"] > 0 if v == "duplicate" else bool(chat["personal"]),
        "from": lambda v: chat["updated_at"] >= v, "to": lambda v: chat["updated_at"] < v,
        "min_turns": lambda v: chat["turns"] >= int(v), "max_turns": lambda v: chat["turns"] <= int(v),
        "min_characters": lambda v: chat["characters"] >= int(v), "max_characters": lambda v: chat["characters"] <= int(v)}
    return all(test(filter[name]) for name, test in tests.items() if name in filter)


def shown(run):
    """A run as routes answer with it."""
    return run | {"can_resume": run["state"] in ("stopped", "failed") and run["settings"].get("method") is not None}


class TrainingRoutes:
    """A part of the handler. `area` is the state, `fail` answers with an error."""

    @property
    def area(self):
        name = self.user()
        if name not in self.world.owners:
            self.fail(403, "forbidden", "This needs the account of an owner.")
        if self.command != "GET":
            self.world.area.changes.append((self.command, self.path, self.body))
            self.world.area.audit.insert(0, {"at": timestamp(), "actor": name, "action": "training.changed", "target": None, "target_name": self.path})
        return self.world.area

    def found(self, thing):
        return thing if thing else self.fail(404, "not_found", "There is no such thing.")

    # Chats

    def list_chats(self):
        area, query = self.area, self.query
        found = [chat for chat in area.chats.values() if matches(chat, query)]
        same = [chat for chat in area.chats.values() if matches(chat, {k: v for k, v in query.items() if k != "state"})]
        key, reverse = {"newest": ("updated_at", True), "oldest": ("updated_at", False), "longest": ("characters", True),
                        "shortest": ("characters", False)}[query.get("sort", "newest")]
        found.sort(key=lambda chat: chat[key], reverse=reverse)
        start, limit = int(query.get("after", 0)), int(query.get("limit", 50))
        counts = {state: sum(chat["state"] == state for chat in same) for state in ("new", "included", "excluded")}
        self.reply(200, {"items": [summary(chat) for chat in found[start:start + limit]], "total": len(found), "total_is_exact": query.get("q") != "about",
                         "next": str(start + limit) if start + limit < len(found) else None,
                         "counts": counts | {"held_out": sum(chat["held_out"] for chat in same)}})

    def read_chat(self, id):
        self.reply(200, self.found(self.area.chats.get(id)))

    def change_chat(self, id):
        chat = self.found(self.area.chats.get(id))
        chat.update({name: self.body[name] for name in ("state", "tags") if name in self.body} | {"reviewed_at": timestamp(), "reviewed_by": "owner"})
        self.reply(200, chat)

    def correct_chat(self, id, message):
        chat = self.found(self.area.chats.get(id))
        one = self.found(next((m for m in chat["messages"] if m["id"] == message), None))
        one["owner_correction"] = self.body.get("content")
        chat["owner_corrections"] = sum(m["owner_correction"] is not None for m in chat["messages"])
        self.reply(200, chat)

    def change_chats(self):
        area, body = self.area, self.body
        chosen = [chat for chat in area.chats.values() if (chat["id"] in body["ids"] if "ids" in body else matches(chat, body["filter"]))]
        for chat in chosen:
            chat["state"] = body.get("state", chat["state"])
            chat["tags"] = [tag for tag in dict.fromkeys(chat["tags"] + body.get("add_tags", [])) if tag not in body.get("remove_tags", [])]
        self.reply(200, {"changed": len(chosen)})

    def list_tags(self):
        tags = {}
        for chat in self.area.chats.values():
            for tag in chat["tags"]:
                tags[tag] = tags.get(tag, 0) + 1
        self.reply(200, {"items": [{"tag": tag, "chats": count} for tag, count in sorted(tags.items())]})

    def import_chats(self):
        area = self.area
        lines = self.raw.decode().splitlines()
        area.imported.append((self.query.get("format"), len(self.raw)))
        errors = [{"line": number, "message": "expected a JSON object."} for number, line in enumerate(lines, 1) if not line.startswith("{")]
        for _ in range(len(lines) - len(errors)):
            chat = make_chat(random.Random(len(area.chats)), len(area.chats)) | {"source": "import", "updated_at": timestamp()}
            area.chats[chat["id"]] = chat
            area.imports.setdefault(self.query.get("import") or "import1", []).append(chat["id"])
        self.reply(200, {"import": self.query.get("import") or "import1", "added": len(lines) - len(errors), "duplicates": 0, "skipped": len(errors), "errors": errors[:10]})

    def delete_import(self, id):
        chats = self.area.imports.pop(id, [])
        for chat in chats:
            del self.area.chats[chat]
        self.reply(200, {"deleted": len(chats)})

    def export_chats(self):
        lines = [json.dumps({"format": self.query["format"], "id": chat["id"]}) for chat in self.area.chats.values() if matches(chat, self.query)]
        self.send(200, "".join(line + "\n" for line in lines).encode(), {"Content-Type": "application/jsonl"})

    # Runs

    def list_runs(self):
        self.reply(200, {"items": [{k: v for k, v in shown(run).items() if k not in ("curve", "samples", "log")} for run in self.area.runs],
                         "next": None, "total": len(self.area.runs)})

    def estimate(self):
        area = self.area
        included = sum(chat["state"] == "included" and not chat["held_out"] for chat in area.chats.values())
        advice = None if area.fits else "The run needs 9 GB more memory. Choose the LoRA method or a smaller base."
        self.reply(200, {"memory_bytes": 2_100_000_000 if area.fits else 17_000_000_000, "available_bytes": 8_000_000_000, "disk_bytes": 600_000_000,
                         "free_disk_bytes": 40_000_000_000, "seconds": 60 * self.body.get("minutes", 10), "chats": included, "held_out": 3,
                         "preferences": 5, "fits": area.fits, "advice": advice})

    def start_run(self):
        area = self.area
        if not area.fits:
            self.fail(422, "not_enough_memory", "The run needs 9 GB more memory than this machine has.")
        if any(run["state"] == "running" for run in area.runs):
            self.fail(409, "run_in_progress", "A run is in progress. Wait until it has ended, or stop it.")
        run = {"id": f"r{len(area.runs) + 1}", "name": self.body.get("name") or f"run-{len(area.runs) + 1}", "state": "running", "settings": {"method": "full"} | self.body,
               "base": area.models[0]["id"], "data": {"chats": 12, "held_out": 3, "preferences": 5, "tokens": 4321, "digest": "ab12"},
               "created_at": timestamp(), "created_by": "owner", "started_at": timestamp(), "finished_at": None, "step": 0, "steps": 40,
               "seconds_left": 80, "tokens_per_s": None, "loss": None, "val_loss": None, "best_val_loss": None, "message": None, "model": None,
               "curve": [], "samples": [], "log": "step 0"}
        area.runs.insert(0, run)
        self.reply(201, shown(run))

    def read_run(self, id):
        area = self.area
        run = self.found(area.run(id))
        if run["state"] == "running":
            self.advance(area, run)
        self.reply(200, shown(run))

    def advance(self, area, run):
        """Ten steps each time that the run is read."""
        run["step"] += 10
        step = run["step"]
        run |= {"loss": 3 - step / 20, "tokens_per_s": 812.5, "seconds_left": 2 * (40 - step), "val_loss": 3.1 - step / 20,
                "best_val_loss": 3.1 - step / 20}
        run["curve"].append({"step": step, "loss": run["loss"], "val_loss": run["val_loss"], "tokens_per_s": 812.5})
        run["samples"].append({"step": step, "question": "Which color has the sky?", "answer": f"Blue, after {step} steps. <b>"})
        run["log"] += f"\nstep {step}: loss {run['loss']:.3f}"
        if step >= 40:
            model = make_model(run["name"], "candidate", run=run["id"], base=area.models[0]["id"], data=run["data"])
            area.models.append(model)
            run |= {"state": "finished", "finished_at": timestamp(), "seconds_left": 0, "model": model["id"]}

    def stop_run(self, id):
        run = self.found(self.area.run(id))
        run |= {"state": "stopped", "finished_at": timestamp(), "seconds_left": None}
        self.reply(200, shown(run))

    def resume_run(self, id):
        run = self.found(self.area.run(id))
        run |= {"state": "running", "finished_at": None, "message": None}
        self.reply(200, shown(run))

    def delete_run(self, id):
        area = self.area
        area.runs.remove(self.found(area.run(id)))
        self.reply(204)

    # Comparisons

    def compare(self, id):
        area = self.area
        model = self.found(area.model(id))
        comparison = {"id": new_id(), "candidate": id, "active": area.models[0]["id"], "state": "running", "verdict": None, "reasons": [],
                      "progress": {"done": 0, "total": 3}, "created_at": timestamp(), "finished_at": None, "held_out": None, "replay": None, "own_text": None, "missing": [],
                      "speed": None, "size": None, "questions": [], "votes": {"candidate": 0, "active": 0, "ties": 0}, "message": None}
        area.comparisons[comparison["id"]] = comparison
        model |= {"comparison": comparison["id"], "verdict": None}
        self.reply(202, comparison)

    def read_comparison(self, id):
        area = self.area
        one = self.found(area.comparisons.get(id))
        if one["state"] == "running":
            one["progress"]["done"] += 1
            if one["progress"]["done"] == 3:
                self.finish(area, one)
        self.reply(200, one)

    def finish(self, area, one):
        bits = {"candidate": 1.1, "active": 1.2}
        one |= {"state": "finished", "verdict": area.verdict, "finished_at": timestamp(),
                "reasons": ["The loss on held-out chats fell by 0.2000 (0.1500 to 0.2500, p = 0.001).", "The loss on general chats rose by 0.4 %; 1 % is allowed."],
                "held_out": {"chats": 12, "tokens": 900, "candidate_loss": 1.1, "active_loss": 1.3, "difference": -0.2, "interval": [-0.25, -0.15],
                             "p": 0.001, "bits_per_byte": bits},
                "replay": {"chats": None, "tokens": 5000, "candidate_loss": 2.01, "active_loss": 2.0, "difference": 0.01, "interval": [0, 0.02],
                           "p": 0.2, "bits_per_byte": bits},
                "speed": {"candidate_tokens_per_s": 95.5, "active_tokens_per_s": 100.0},
                "size": {"candidate_bytes": 145_000_000, "active_bytes": 145_000_000, "candidate_parameters": 36_000_000, "active_parameters": 36_000_000},
                "questions": [question | {"left": f"Left to {question['id']} <i>", "right": f"Right to {question['id']}", "vote": None, "candidate_side": None}
                              for question in area.questions]}
        area.model(one["candidate"])["verdict"] = area.verdict

    def vote(self, id):
        one = self.found(self.area.comparisons.get(id))
        question = self.found(next((q for q in one["questions"] if q["id"] == self.body.get("question")), None))
        question |= {"vote": self.body["choice"], "candidate_side": "left"}
        one["votes"][{"left": "candidate", "right": "active", "tie": "ties"}[self.body["choice"]]] += 1
        self.reply(200, one)

    def list_questions(self):
        self.reply(200, {"items": self.area.questions, "next": None, "total": len(self.area.questions)})

    def add_question(self):
        question = {"id": new_id(), "text": self.body["text"], "expected": self.body.get("expected")}
        self.area.questions.append(question)
        self.reply(201, question)

    def remove_question(self, id):
        area = self.area
        area.questions = [question for question in area.questions if question["id"] != id]
        self.reply(204)

    def read_gate(self):
        self.reply(200, self.area.gate)

    def change_gate(self):
        area = self.area
        if not 0 < self.body.get("significance", 0) < 1:
            self.fail(422, "invalid", "significance: expected a number between 0 and 1.")
        area.gate = self.body
        self.reply(200, area.gate)

    # Models

    def list_models(self):
        area = self.area
        for model in area.models:
            model["keys"] = sum(pin == model["id"] for pin in area.pins.values())
        self.reply(200, {"items": area.models, "next": None, "total": len(area.models), "canary": area.canary,
                         "disk": {"used_bytes": 145_000_000 * len(area.models), "free_bytes": 40_000_000_000}})

    def register_model(self):
        if not self.body.get("path", "").endswith(".h5"):
            self.fail(422, "invalid", "path: there is no checkpoint at this path.", "path")
        model = make_model(self.body["name"], "candidate", path=self.body["path"])
        self.area.models.append(model)
        self.reply(201, model)

    def read_model(self, id):
        self.reply(200, self.found(self.area.model(id)))

    def activate_model(self, area, model):
        for other in area.models:
            if other["state"] == "previous":
                other["state"] = "archived"
            elif other["state"] == "active":
                other |= {"state": "previous", "is_served": False}
        model |= {"state": "active", "is_served": True, "promoted_at": timestamp(), "promoted_by": "owner"}
        area.models.sort(key=lambda one: one["state"] != "active")
        self.reply(200, model)

    def promote(self, id):
        area = self.area
        model = self.found(area.model(id))
        if self.body.get("force") and not self.body.get("reason"):
            self.fail(422, "invalid_request", "reason: expected why the model is promoted.")
        if model["verdict"] in (None, "worse", "not_enough") and not self.body.get("force"):
            self.fail(409, "gate_not_passed", "The model did not pass the gate.")
        self.activate_model(area, model)

    def roll_back(self):
        area = self.area
        previous = next((model for model in area.models if model["state"] == "previous"), None)
        if not previous:
            self.fail(409, "no_previous_model", "There is no previous model.")
        self.activate_model(area, previous)

    def archive(self, id):
        model = self.found(self.area.model(id))
        model["state"] = "archived"
        self.reply(200, model)

    def delete_model(self, id):
        area = self.area
        model = self.found(area.model(id))
        if model["id"] in area.pins.values():
            self.fail(409, "model_in_use", "An API key is pinned to this model.")
        area.models.remove(model)
        self.reply(204)

    def clean_up(self):
        area = self.area
        gone = [model for model in area.models if model["state"] == "archived"]
        area.models = [model for model in area.models if model not in gone]
        self.reply(200, {"deleted": len(gone), "freed_bytes": 145_000_000 * len(gone)})

    def set_canary(self):
        area = self.area
        area.canary = {"model": self.body["model"], "share": self.body["share"]}
        self.reply(200, area.canary)

    def end_canary(self):
        self.area.canary = None
        self.reply(204)

    def list_pins(self):
        area = self.area
        self.reply(200, {"items": [{"id": id, "name": key["name"], "user": owner, "model": area.pins.get(id), "last_used_at": key["last_used_at"]}
                                   for id, (owner, key) in self.world.keys.items()], "next": None, "total": len(self.world.keys)})

    def pin(self, id):
        self.area.pins[id] = self.body["model"]
        self.reply(200, {"id": id, "model": self.body["model"]})

    # Schedule and history

    def read_schedule(self):
        self.reply(200, self.area.schedule)

    def change_schedule(self):
        area = self.area
        area.schedule |= self.body | {"next_at": timestamp(-3600) if self.body["enabled"] and self.body["at"] else None}
        self.reply(200, area.schedule)

    def read_audit(self):
        lines = self.area.audit
        start = int(self.query.get("offset", 0))
        self.reply(200, {"entries": lines[start:start + int(self.query.get("limit", 50))], "total": len(lines)})


ID = r"([\w-]+)"
ROUTES = [(method, "/api/training/" + path.replace("ID", ID), getattr(TrainingRoutes, name)) for method, path, name in (
    ("GET", "chats", "list_chats"), ("POST", "chats/bulk", "change_chats"), ("POST", "chats/import", "import_chats"), ("DELETE", "imports/ID", "delete_import"),
    ("GET", "chats/export", "export_chats"), ("GET", "chats/ID", "read_chat"), ("PUT", "chats/ID", "change_chat"),
    ("PUT", "chats/ID/corrections/ID", "correct_chat"), ("DELETE", "chats/ID/corrections/ID", "correct_chat"), ("GET", "tags", "list_tags"),
    ("GET", "runs", "list_runs"), ("POST", "runs", "start_run"), ("GET", "runs/ID", "read_run"), ("POST", "runs/ID/stop", "stop_run"),
    ("POST", "runs/ID/resume", "resume_run"), ("DELETE", "runs/ID", "delete_run"), ("POST", "estimate", "estimate"),
    ("POST", "models/ID/compare", "compare"), ("GET", "comparisons/ID", "read_comparison"), ("POST", "comparisons/ID/votes", "vote"),
    ("GET", "questions", "list_questions"), ("POST", "questions", "add_question"), ("DELETE", "questions/ID", "remove_question"),
    ("GET", "gate", "read_gate"), ("PUT", "gate", "change_gate"), ("GET", "models", "list_models"), ("POST", "models", "register_model"),
    ("GET", "models/ID", "read_model"), ("POST", "models/ID/promote", "promote"), ("POST", "rollback", "roll_back"),
    ("POST", "models/ID/archive", "archive"), ("DELETE", "models/ID", "delete_model"), 
    ("POST", "models/clean-up", "clean_up"), ("PUT", "canary", "set_canary"), ("DELETE", "canary", "end_canary"), ("GET", "keys", "list_pins"),
    ("PUT", "keys/ID", "pin"), ("GET", "schedule", "read_schedule"), ("PUT", "schedule", "change_schedule"), ("GET", "audit", "read_audit"))]
