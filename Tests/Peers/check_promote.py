"""Kills `slm serve` at random moments of promotions, roll-backs and canary changes, starts it again, and checks that the registry and the served
model agree: one model is active, at most one is the previous one, and the active one answers.

    Tests/Peers/check_promote.py .build/release/slm [--rounds N] [--seed N]
"""
import http.client
import random
import threading
import time

from programs import command_line, run, scratch_folder
from served import UNLIMITED, Server, tiny_checkpoint
from training_area import active_and_previous, answering_model, call

arguments = command_line(__doc__, "slm", rounds=40, seed=1)
choose = random.Random(arguments.seed)


def state(server):
    _, registry = call(server, "GET", "models")
    return *active_and_previous(registry["items"]), registry


def change(server, models):
    """Sends random changes until the server is gone. Returns those that were confirmed, and the one that was not."""
    confirmed, asked = [], None
    try:
        while True:
            kind, model = choose.choice(["promote", "promote", "rollback", "canary"]), choose.choice(models)
            asked = (kind, model)
            if kind == "promote":
                status, _ = call(server, "POST", f"models/{model}/promote", {"force": True, "reason": "a test"})
            elif kind == "rollback":
                status, _ = call(server, "POST", "rollback", {})
            else:
                status, _ = call(server, "PUT", "canary", {"model": model, "share": 0.5})
            assert status in (200, 409), (kind, status)
            confirmed.append((kind, model, status))
    except (OSError, ValueError, http.client.HTTPException):
        return confirmed, asked


def expected(active, previous, changes):
    """The active and the previous model after changes; None for a previous one that is not known."""
    for kind, model, status in changes:
        if status != 200:
            continue
        if kind == "promote" and model != active:
            active, previous = model, active
        elif kind == "rollback":
            active, previous = previous, None
    return active, previous


with scratch_folder() as folder:
    first = tiny_checkpoint(arguments.slm, folder)
    for seed, other in enumerate(("second", "third")):
        run(arguments.slm, "train", "--data", folder / "data", "--out", folder / other, "--threads", 1, "--layers", 1, "--width", 32, "--heads", 2,
            "--context", 1024, "--batch", 1, "--max-steps", 20, "--seed", seed + 2)
    database = f"sqlite:{folder}/chats.db"
    options = [*UNLIMITED, "--server-name", "promoted"]
    begin = time.monotonic()
    with Server(arguments.slm, first, *options, database=database) as server:
        models = [state(server)[0]["id"]]
        for other in ("second", "third"):
            status, model = call(server, "POST", "models", {"path": str(folder / other / "best.h5"), "name": other})
            assert status == 201, model
            models.append(model["id"])
    possible, changes, undone = [(models[0], None)], 0, 0
    for round in range(arguments.rounds + 1):
        with Server(arguments.slm, first, *options, database=database) as server:
            found, earlier, registry = state(server)
            now = (found["id"], earlier["id"] if earlier else None)
            assert now in possible, (round, now, possible)
            undone += len(set(possible)) == 2 and now == possible[0]
            # The model that the registry names answers at once: the server is ready.
            assert found["is_served"] and found["error"] is None, found
            canary = registry["canary"] and registry["canary"]["model"]
            names = {model["id"]: model["name"] for model in registry["items"]}
            assert answering_model(server) in {found["name"], names.get(canary)}, (round, found["name"])
            assert canary != found["id"], registry
            if round == arguments.rounds:
                break
            killer = threading.Timer(choose.uniform(0, 0.25), server.process.kill)
            killer.start()
            confirmed, asked = change(server, models)
            killer.join()
            server.process.wait()
        changes += len(confirmed)
        after = expected(*now, confirmed)
        # The change that was not confirmed has happened, or it has not.
        possible = [after, expected(*after, [(*asked, 200)]) if asked[0] != "rollback" or after[1] else after]
    seconds = time.monotonic() - begin
print(f"check_promote: {arguments.rounds} kills during {changes} confirmed changes ({undone} of the changes in progress had not happened), "
      f"registry and served model agree; {seconds:.0f} s")
