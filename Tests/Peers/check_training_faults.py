"""A full disk, files that are missing, and a database that goes away, while owners train, compare, promote and import: the answer of the API says what is
wrong, nothing is half-written, and everything works again afterwards.

    Tests/Peers/check_training_faults.py .build/release/slm

The disk is a tmpfs, which only root can mount; the database that goes away is PostgreSQL. What is not there is skipped, and said.
"""
import contextlib
import os
import pathlib
import signal
import time

from kill_store import PostgreSQL
from programs import command_line, scratch_folder, wait_for
from served import tiny_checkpoint
from small_disk import Disk
from training_area import Area, add_chats, call, compared, processes

CHATS = "".join(f"[INST] How much is {i} plus {i}? [/INST] {i} plus {i} is {2 * i}.\n" for i in range(2_000))


def models(server):
    return {model["name"]: model for model in call(server, "GET", "models")[1]["items"]}


def registry(server):
    return sorted((model["name"], model["state"], model["verdict"]) for model in models(server).values())


def check_compared(server, model):
    comparison = compared(server, model)
    assert comparison["state"] == "finished", comparison
    return comparison


def check_full_training_disk(slm, checkpoint, folder):
    """Runs and comparisons; the database is on another disk."""
    with Disk(folder / "disk") as disk, Area(slm, checkpoint, folder / "full", training=folder / "disk/training") as area:
        if disk.error:
            return print(f"skipped: a full disk ({disk.error})")
        server = area.start()
        add_chats(server, 30)
        first = area.add(server, name="first", max_steps=20, replay=[])["id"]
        area.check_finished(server, first)
        before = check_compared(server, models(server)["first"]["id"])
        disk.leave(2_000)
        status, answer = call(server, "POST", "runs", {"max_steps": 20})
        assert status == 422 and answer["error"]["code"] == "disk_full" and "are free" in answer["error"]["message"], answer
        status, estimate = call(server, "POST", "estimate", {"max_steps": 20})
        assert status == 200 and not estimate["fits"] and "on the disk of" in estimate["advice"], estimate
        # A promotion needs no space there.
        status, answer = call(server, "POST", f"models/{models(server)['first']['id']}/promote", {"force": True, "reason": "a test"})
        assert status == 200, answer
        assert call(server, "POST", "rollback", {})[0] == 200
        disk.leave(0)
        failed = compared(server, models(server)["first"]["id"])
        assert failed["state"] == "failed" and "disk" in failed["message"] and "is full" in failed["message"], failed
        assert not list((area.training / "comparisons").glob("*/*.jsonl"))
        print(f"a comparison on a full disk: {failed['message']}")
        disk.leave(100_000)
        assert compared(server, models(server)["first"]["id"])["verdict"] == before["verdict"]
        # The disk fills up while a run computes.
        run = area.add(server, name="second", minutes=5, replay=[])["id"]
        area.wait(server, run, lambda run: run["step"] > 0)
        disk.leave(0)
        ended = area.ended(server, run, "failed")
        assert "disk" in ended["message"] or "space" in ended["message"], ended["message"]
        assert ended["message"].endswith("."), ended["message"]
        assert "second" not in models(server), models(server)
        assert not list((area.training / "runs/second").glob("*.part")), list((area.training / "runs/second").iterdir())
        print(f"a run on a full disk: {ended['message']}")
        # It waits for space: nothing starts, and the message stays.
        call(server, "POST", f"runs/{run}/resume", {})
        again = area.ended(server, run, "failed")
        assert "is full" in again["message"], again["message"]
        disk.leave(100_000)
        call(server, "POST", f"runs/{run}/resume", {})
        area.wait(server, run, lambda run: run["state"] == "running" and run["step"] > ended["step"] and processes(area.training))
        call(server, "POST", f"runs/{run}/stop", {})
        area.ended(server, run, "stopped")
    print("a full disk of runs: refused, reported, and resumed")


def check_full_database_disk(slm, checkpoint, folder):
    """Promotions, imports, runs and comparisons when the database cannot grow."""
    with Disk(folder / "small") as disk, Area(slm, checkpoint, folder / "small", training=folder / "training-of-full") as area:
        if disk.error:
            return print(f"skipped: a database on a full disk ({disk.error})")
        server = area.start()
        add_chats(server, 30)
        run = area.add(server, name="first", max_steps=20, replay=[])["id"]
        area.check_finished(server, run)
        check_compared(server, models(server)["first"]["id"])
        before, total = registry(server), call(server, "GET", "chats")[1]["total"]
        model = models(server)["first"]["id"]
        disk.leave(300)
        status, answer = call(server, "POST", "chats/import", CHATS.encode())
        assert status == 507 and answer["error"]["code"] == "no_space", (status, answer)
        kept = call(server, "GET", "chats")[1]["total"] - total
        assert f"{kept} of 2000 chats were added" in answer["error"]["message"] if kept else "Nothing was saved" in answer["error"]["message"], (kept, answer)
        print(f"an import on a full disk: {answer['error']['message']}")
        disk.leave(0)
        # What still fits is done, the rest is refused.
        for path, body in [(f"models/{model}/compare", {}), ("runs", {"max_steps": 20}), (f"models/{model}/promote", {"force": True, "reason": "a test"})]:
            status, answer = call(server, "POST", path, body)
            assert status in (200, 202, 201, 507), (path, status, answer)
            message = answer["error"]["message"] if status == 507 else "it still fits"
            print(f"{path.split('/')[-1]} with a full database: {status}, {message}")
        # Reads work, and the registry is the old or the new one.
        after = registry(server)
        assert len([state for _, state, _ in after if state == "active"]) == 1, after
        server.kill()
        disk.leave(100_000)
        server = area.start()
        status, answer = call(server, "POST", "chats/import", CHATS.encode())
        assert status == 200 and answer["added"] + answer["duplicates"] == 2_000 and answer["skipped"] == 0, answer
        assert call(server, "GET", "chats")[1]["total"] == total + 2_000
        area.wait(server, run, lambda run: run["state"] == "finished")
        if models(server)["first"]["state"] == "active":
            assert call(server, "POST", "rollback", {})[0] == 200
        check_compared(server, model)
        for other in call(server, "GET", "runs")[1]["items"]:
            area.check_finished(server, other["id"]) if other["name"] != "first" else None
        assert [name for name, _, _ in before if name not in models(server)] == []
    print("a database on a full disk: answers 507, keeps what it had, and goes on when there is space")


def check_missing_files(slm, checkpoint, folder):
    """The candidate, the active model, and the general chats of a comparison."""
    with Area(slm, checkpoint, folder / "missing") as area:
        server = area.start()
        add_chats(server, 30)
        run = area.add(server, name="first", max_steps=20, replay=[])["id"]
        area.check_finished(server, run)
        model = models(server)["first"]
        check_compared(server, model["id"])
        general = folder / "general.txt"
        general.write_text(CHATS[:2_000])
        assert call(server, "PUT", "gate", {"general": [str(general)]})[0] == 200
        for path, what in [(pathlib.Path(model["path"]), "candidate"), (checkpoint, "active model"), (general, "general chats")]:
            moved = path.with_name("moved-" + path.name)
            path.rename(moved)
            try:
                failed = compared(server, model["id"])
                assert failed["state"] == "failed" and path.name in failed["message"], failed
                assert failed["message"].endswith(".") and failed["verdict"] is None, failed
                print(f"the {what} is missing: {failed['message']}")
                if what == "candidate":
                    status, answer = call(server, "POST", f"models/{model['id']}/promote", {"force": True, "reason": "a test"})
                    assert status in (409, 422) and path.name in answer["error"]["message"], (status, answer)
                    assert registry(server)[0][1] == "candidate" or registry(server)[1][1] == "candidate", registry(server)
            finally:
                moved.rename(path)
        check_compared(server, model["id"])


def check_lost_database(slm, checkpoint, folder):
    """PostgreSQL is gone for a while: the run goes on, and its end is stored when the database is back."""
    try:
        database = PostgreSQL(folder)
    except AssertionError as missing:
        return print(f"skipped: a database that goes away ({missing})")
    with contextlib.closing(database), Area(slm, checkpoint, folder / "lost", database=database.address) as area:
        server = area.start()
        add_chats(server, 30)
        # Beside other programs, runs have little of the CPU: few steps, not minutes, and a rate at which these learn something.
        run = area.add(server, max_steps=20, lr=5e-3, replay=[])["id"]
        process = wait_for(lambda: processes(area.training), 240, "the run does not start")
        os.kill(process[0], signal.SIGSTOP)
        database.send("kill")
        status, answer = call(server, "GET", "runs")
        assert status == 503 and answer["error"]["message"], (status, answer)
        print(f"a database that is gone: {answer['error']['message']}")
        # The run ends meanwhile.
        os.kill(process[0], signal.SIGCONT)
        wait_for(lambda: processes(area.training) != process, 240, "the run does not end")
        assert not processes(area.training)
        database.send("start")
        server.wait(lambda: call(server, "GET", "runs")[0] == 200)
        area.wait(server, run, lambda run: run["state"] == "finished", 240)
        area.check_finished(server, run)
        candidate = next(model for model in models(server).values() if model["run"] == run)

        def has_verdict():
            status, found = call(server, "GET", f"models/{candidate['id']}")
            return status == 200 and found["verdict"]

        wait_for(has_verdict, 240, "the model is not compared")
        # Between the end of the comparison and its row.
        call(server, "POST", f"models/{candidate['id']}/compare", {})
        time.sleep(0.2)
        database.send("kill")
        time.sleep(2)
        database.send("start")
        wait_for(has_verdict, 240, "the model is not compared again")
        assert sorted(state for _, state, _ in registry(server)) == ["active", "candidate"], registry(server)
    print("a database that goes away: the run ends by itself and is stored once, the comparison is made")


def main():
    options = command_line(__doc__, "slm", only="")
    with scratch_folder() as folder:
        checkpoint = tiny_checkpoint(options.slm, folder)
        for check in [check_full_training_disk, check_full_database_disk, check_missing_files, check_lost_database]:
            if options.only in ("", check.__name__):
                check(options.slm, checkpoint, folder)


if __name__ == "__main__":
    main()
