"""Kills `slm serve` and the fine-tuning runs that it supervises at random moments. Afterwards the database and the files agree, and each finished run has
made one model.

    Tests/Peers/check_training_runs.py .build/release/slm [--rounds N]

Checked besides: a run from the data set to the model, two servers on one machine, stopping and resuming, a full disk, and a base model that is missing.
"""
import contextlib
import hashlib
import json
import os
import pathlib
import random
import resource
import signal
import subprocess
import time

import programs
from served import ADMIN_KEY, tiny_checkpoint
from training_area import Area, add_chats, call, processes

def check_run(area, server):
    status, estimate = call(server, "POST", "estimate", {"max_steps": 40})
    assert status == 200 and estimate["fits"] and estimate["seconds"] > 0 and estimate["chats"] >= 10, estimate
    assert 10e6 < estimate["memory_bytes"] < estimate["available_bytes"] and estimate["disk_bytes"] < estimate["free_disk_bytes"], estimate
    run = area.add(server, name="first", max_steps=40)
    assert run["settings"]["method"] == "full" and run["settings"]["replay"] == [str(area.folder / "data")], run["settings"]
    run = area.check_finished(server, run["id"])
    data = (area.training / "runs/first/data/chats.jsonl").read_bytes()
    assert run["data"]["digest"] == hashlib.sha256(data).hexdigest() and run["data"]["tokens"] > 0, run["data"]
    assert run["data"]["chats"] == len(data.splitlines()), run["data"]
    assert os.stat(area.training / "runs/first/data/chats.jsonl").st_mode & 0o77 == 0
    assert run["step"] <= 40 and run["steps"] == 40 and run["loss"] > 0 and run["val_loss"] > 0 and run["tokens_per_s"] > 0, run
    assert [point["step"] for point in run["curve"]] == sorted(point["step"] for point in run["curve"]) and len(run["curve"]) <= 500
    status, answer = call(server, "POST", "runs", {"name": "first"})
    assert status == 409 and answer["error"]["code"] == "taken", answer
    run = area.add(server, name="adapter", max_steps=20, method="lora", rank=4, replay=[])
    area.check_finished(server, run["id"])
    print("runs: a whole model and an adapter, from the chats to the checkpoint")


def check_stop(area, server):
    run = area.add(server, minutes=5)["id"]
    second = area.add(server, name="second", max_steps=10)["id"]
    area.wait(server, run, lambda run: run["step"] > 5)
    assert area.run(server, second)["state"] == "queued"
    assert call(server, "DELETE", f"runs/{run}")[1]["error"]["code"] == "run_in_progress"
    assert call(server, "POST", f"runs/{run}/resume", {})[1]["error"]["code"] == "run_in_progress"
    process, = processes(area.training)
    status = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    assert status[16] == "19" and status[38] == "5", f"expected nice 19 and SCHED_IDLE, found {status[16]} and {status[38]}"
    environment = pathlib.Path(f"/proc/{process}/environ").read_bytes()
    assert ADMIN_KEY.encode() not in environment and b"SLM_JWT_SECRET" not in environment
    assert call(server, "POST", f"runs/{run}/stop", {})[0] == 200
    stopped = area.ended(server, run, "stopped")
    area.check_finished(server, second)
    assert call(server, "POST", f"runs/{run}/resume", {})[0] == 200
    area.wait(server, run, lambda run: run["state"] == "running" and run["step"] > stopped["step"])
    assert "--resume" in pathlib.Path(f"/proc/{processes(area.training)[0]}/cmdline").read_text()
    call(server, "POST", f"runs/{run}/stop", {})
    area.ended(server, run, "stopped")
    assert call(server, "DELETE", f"runs/{run}")[0] == 204
    assert call(server, "GET", f"runs/{run}")[0] == 404
    print("a run that was stopped is resumed where it was; the next one starts in the meantime")


def check_commands(area, server):
    """The commands for the terminal."""
    environment = os.environ | {"SLM_API_URL": server.url, "SLM_ADMIN_KEY": ADMIN_KEY}

    def slm(*arguments, status=0):
        return programs.run(area.slm, "training", *arguments, status=status, stderr=subprocess.STDOUT, env=environment)

    assert "memory" in slm("start", "--estimate", "--max-steps", "5")
    assert json.loads(slm("start", "--estimate", "--json"))["settings"]["minutes"] == 10
    assert "the run command has finished" in slm("start", "--name", "command", "--max-steps", "10", "--no-replay", "--quiet")
    assert "taken" in slm("start", "--name", "command", status=1) or "Another run" in slm("start", "--name", "command", status=1)
    assert "queued" in slm("start", "--name", "long", "--minutes", "5", "--no-replay", "--detach")
    watching = subprocess.Popen([area.slm, "training", "run", "long"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    area.wait(server, json.loads(slm("run", "long", "--json"))["id"], lambda run: run["step"] > 3)
    watching.send_signal(signal.SIGINT)
    text = watching.communicate(timeout=30)[0]
    assert watching.returncode == 130 and "the run continues on the server" in text, (watching.returncode, text)
    assert processes(area.training), "Ctrl-C in slm training run stopped the run"
    assert "stopping" in slm("stop", "long")
    area.ended(server, json.loads(slm("run", "long", "--json"))["id"], "stopped")
    assert "stopped" in slm("run", "long") and "queued" in slm("resume", "long")
    slm("stop", "long")
    area.ended(server, json.loads(slm("run", "long", "--json"))["id"], "stopped")
    lines = slm("runs").splitlines()
    assert lines[0].startswith("NAME") and lines[1].startswith("long") and lines[2].startswith("command"), lines
    assert "deleted" in slm("delete-run", "long") and "there is no run 'long'" in slm("run", "long", status=1)
    assert "off" in slm("schedule")
    assert "03:30" in slm("schedule", "--at", "03:30", "--new-chats", "7", "--method", "lora", "--rank", "8")
    schedule = json.loads(slm("schedule", "--json"))
    assert schedule["settings"]["rank"] == 8 and schedule["new_chats"] == 7 and schedule["next_at"], schedule
    assert "off" in slm("schedule", "--off") and json.loads(slm("schedule", "--json"))["settings"]["rank"] == 8
    print("slm training start, runs, run, stop, resume, delete-run and schedule")


def check_survival(area, server):
    """A run survives a stop and a kill of the server, and goes on after a kill of its own."""
    # The chats are few: at a higher rate, an evaluation of the first steps may find them learned by heart, and the run makes no model.
    run = area.add(server, minutes=0.4, lr=2e-5, replay=[])
    id = run["id"]
    area.wait(server, id, lambda run: run["step"] > 5)
    process = processes(area.training)
    server.terminate()
    assert processes(area.training) == process
    server = area.start()
    assert area.wait(server, id, lambda run: run["state"] == "running")["step"] > 5 and processes(area.training) == process
    server.kill()
    server = area.start()
    assert processes(area.training) == process
    os.kill(process[0], signal.SIGKILL)
    area.wait(server, id, lambda _: processes(area.training) not in ([], process))
    # As a service manager stops a service: the server and what it has started.
    process = processes(area.training)
    server.kill()
    os.kill(process[0], signal.SIGTERM)
    server = area.start()
    area.check_finished(server, id)
    print("a run survives its server, and is resumed after its own end")
    return server


def check_two_servers(area, server):
    other = area.start()
    runs = [area.add(server if i % 2 else other, max_steps=15, name=f"pair{i}", replay=[])["id"] for i in range(4)]
    most = 0
    deadline = time.monotonic() + 600
    while any(area.run(server, run)["state"] != "finished" for run in runs):
        most = max(most, len(processes(area.training)))
        assert time.monotonic() < deadline, [area.run(server, run) for run in runs]
    assert most <= 1, f"{most} runs at once"
    for run in runs:
        area.check_finished(other, run)
    other.terminate()
    print("two servers: four runs, one after the other")


def check_full_disk(area, server):
    run = area.add(server, minutes=5, replay=[], name="full")["id"]
    area.wait(server, run, lambda run: run["step"] > 0)
    process, = processes(area.training)
    # No file may grow beyond the checkpoint's size: as when the disk is full.
    resource.prlimit(process, resource.RLIMIT_FSIZE, (4_096, 4_096))
    failed = area.ended(server, run, "failed")
    assert "space left" in failed["message"] or "is full" in failed["message"] or "too large" in failed["message"], failed["message"]
    assert failed["message"].endswith("."), failed["message"]
    call(server, "POST", f"runs/{run}/resume", {})
    area.wait(server, run, lambda run: run["state"] == "running")
    call(server, "POST", f"runs/{run}/stop", {})
    area.ended(server, run, "stopped")
    print(f"a full disk: {failed['message']}")


def check_missing_base(area, server):
    blocker = area.add(server, minutes=5, replay=[])["id"]
    waiting = area.add(server, max_steps=10, replay=[], name="baseless")["id"]
    moved = area.checkpoint.with_name("moved.h5")
    area.checkpoint.rename(moved)
    try:
        status, answer = call(server, "POST", "runs", {})
        assert status == 422 and answer["error"]["code"] == "base_missing", answer
        call(server, "POST", f"runs/{blocker}/stop", {})
        failed = area.ended(server, waiting, "failed")
        assert "cannot be read" in failed["message"], failed
    finally:
        moved.rename(area.checkpoint)
    call(server, "POST", f"runs/{waiting}/resume", {})
    area.check_finished(server, waiting)
    print(f"a missing base: {failed['message']}")


def check_kills(area, server, rounds, generator):
    """Kills the server, the run, or both, at random moments, until the run has finished."""
    kills = {"server": 0, "run": 0, "both": 0}
    for round in range(rounds):
        id = area.add(server, max_steps=60, replay=[], name=f"killed{round}")["id"]
        # A run that is killed three times without progress fails, so most kills are of the server.
        killed = 0
        for _ in range(generator.randrange(1, 4)):
            time.sleep(generator.random() ** 2 * 1.5)
            what = generator.choice(["server", "server", "run", "both"] if killed < 2 else ["server"])
            kills[what] += 1
            if what != "run":
                server.kill()
            if what != "server":
                killed += 1
                for process in processes(area.training):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
            if what != "run":
                server = area.start()
        ended = area.wait(server, id, lambda run: run["state"] in ("finished", "failed"))
        if ended["state"] == "failed":
            # The kill of a server before it had started the process counts as one of the run.
            assert "ended 3 times" in ended["message"], ended
            call(server, "POST", f"runs/{id}/resume", {})
        area.check_finished(server, id)
    print(f"{rounds} runs finished once each after {sum(kills.values())} kills: {kills}")
    return server


def main():
    options = programs.command_line(__doc__, "slm", rounds=6, seed=random.randrange(1 << 32))
    print(f"seed {options.seed}")
    with programs.scratch_folder() as folder, Area(options.slm, tiny_checkpoint(options.slm, folder), folder) as area:
        server = area.start()
        status, answer = call(server, "POST", "runs", {})
        assert status == 422 and answer["error"]["code"] == "too_few_chats", answer
        add_chats(server, 30)
        check_run(area, server)
        check_stop(area, server)
        check_commands(area, server)
        server = check_survival(area, server)
        check_two_servers(area, server)
        check_full_disk(area, server)
        check_missing_base(area, server)
        server = check_kills(area, server, options.rounds, random.Random(options.seed))


if __name__ == "__main__":
    main()
