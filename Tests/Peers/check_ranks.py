"""Trains with 1, 2 and 4 processes of mpirun, and compares the arrays of the checkpoints bit for bit. Then kills and stops processes at random moments, and
gives them a full disk or another program: all of them end within ten seconds and say why, the last checkpoint is whole, and the run resumes.

    Tests/Peers/check_ranks.py .build/release/slm [--kills N]
"""
import argparse
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import time

import h5py
import numpy
import programs
from small_disk import Disk

ENVIRONMENT = os.environ | {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "SLM_AUTOTUNE": "off"}
STEPS = 24


def command(slm, ranks, arguments):
    return (["mpirun", "--oversubscribe", "-np", str(ranks)] if ranks else []) + [str(slm)] + [str(argument) for argument in arguments]


def run(slm, ranks, *arguments, status=0):
    return programs.run(*command(slm, ranks, arguments), status=status, env=ENVIRONMENT, stderr=subprocess.STDOUT, timeout=300)


def arrays(checkpoint):
    found = {}

    def add(name, item):
        if isinstance(item, h5py.Dataset) and name.startswith(("weights/", "optimizer/")):
            found[name] = item[()].view(numpy.uint8)

    with h5py.File(checkpoint) as file:
        file.visititems(add)
    return found


def expect_same(a, b, what):
    a, b = arrays(a), arrays(b)
    assert a.keys() == b.keys() and len(a) > 20, what
    different = [name for name in a if not numpy.array_equal(a[name], b[name])]
    assert not different, f"{what}: {len(different)} of {len(a)} arrays differ, such as {different[0]}"


class Case:
    """A kind of run: its command, and the arguments that resume it."""

    def __init__(self, folder, name, start, resume):
        self.folder, self.name, self.start, self.resume = folder, name, start, resume

    def arguments(self, run):
        return [argument.format(folder=self.folder, run=run) for argument in self.start]

    def resuming(self, run):
        return [argument.format(folder=self.folder, run=run) for argument in self.resume]

    def checkpoint(self, run):
        return self.folder / run / "last.h5"


def check_equality(slm, case):
    run(slm, 1, *case.arguments("one"))
    reference = case.checkpoint("one")
    for ranks, more in [(0, ["--gradient-groups", "4"]), (2, []), (3, []), (4, []), (2, ["--shard-optimizer"]), (4, ["--shard-optimizer"])]:
        run(slm, ranks, *case.arguments("other"), *more)
        expect_same(reference, case.checkpoint("other"), f"{case.name}: {ranks} processes {more}")
        shutil.rmtree(case.folder / "other")
    # Each part of the run by another number of processes.
    run(slm, 2, *case.arguments("parts"), "--stop-after", "5", "--shard-optimizer")
    run(slm, 4, *case.resuming("parts"), "--stop-after", "11")
    run(slm, 1, *case.resuming("parts"), "--stop-after", "17")
    run(slm, 0, *case.resuming("parts"))
    expect_same(reference, case.checkpoint("parts"), f"{case.name}: resumed with other numbers of processes")
    print(f"{case.name}: 1, 2, 3 and 4 processes, with and without --shard-optimizer, and resumed: {len(arrays(reference))} arrays are the same")
    return reference


def children(pid):
    """The processes that an mpirun has started, by rank."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            environment = dict(e.split("=", 1) for e in (folder / "environ").read_bytes().decode(errors="replace").split("\0") if "=" in e)
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError):
            continue
        if parent == pid and "OMPI_COMM_WORLD_RANK" in environment:
            found.append((int(environment["OMPI_COMM_WORLD_RANK"]), int(folder.name)))
    return [pid for _, pid in sorted(found)]


def check_named(output, victim):
    """Whether the victim alone is named, once.

    Where all cores are busy, a rank that got none for half a second can be named, too, or mpirun kills the others before they have said it.
    """
    lines = [line for line in output.splitlines() if "ended without a message" in line]
    assert all(f"rank {victim} on " in line for line in lines), output
    return len(lines) == 1 and " has ended" in lines[0]


def wait_for_moment(process, log, first):
    """Waits for a random moment of a run: while it starts, if `first` is 0, or after one of its steps."""
    step = random.randint(first, STEPS - 4)
    while process.poll() is None and (not log.exists() or log.read_bytes().count(b"\n") < step):
        if step == 0 and children(process.pid):
            break
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.3 if step == 0 else 0.05))


def check_kills(slm, case, reference, kills):
    """Kills `kills` processes, and stops a third as many."""
    waits, killed, asked, named, i = [], 0, 0, 0, -1
    while killed < kills:
        i += 1
        shutil.rmtree(case.folder / "killed", ignore_errors=True)
        ranks = random.choice([2, 4])
        process = subprocess.Popen(command(slm, ranks, case.arguments("killed")), env=ENVIRONMENT, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        stops = i % 4 == 3
        # Before all processes have started, MPI waits for half a minute, so that none is stopped then.
        wait_for_moment(process, case.folder / "killed/log.jsonl", 1 if stops else 0)
        pids = children(process.pid)
        if len(pids) < ranks:
            process.communicate(timeout=60)
            assert i < 3 * kills + 10, "the processes end before they can be killed"
            continue
        victim = random.choice(pids)
        is_training = (case.folder / "killed/log.jsonl").exists()
        begin = time.monotonic()
        os.kill(victim, signal.SIGSTOP if stops else signal.SIGKILL)
        try:
            output, _ = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            # Stopped while it left MPI, after the others had left it: only mpirun waits for it, and the run is complete.
            assert stops and not set(pids) - {victim} & set(children(process.pid)), f"the processes have not ended within 30 s after {i}"
            os.kill(victim, signal.SIGKILL)
            output, _ = process.communicate(timeout=60)
            assert "done:" in output, output
            continue
        waits.append(time.monotonic() - begin)
        killed += not stops
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert process.returncode != 0 or "done:" in output, output
        if process.returncode != 0:
            assert waits[-1] < 20, f"{waits[-1]:.1f} s until all processes had ended\n{output}"
            words = ["has not responded", "has not ended within"] if stops else ["exited on signal 9"]
            assert any(word in output for word in words), output
            if is_training and not stops and "done:" not in output:
                # The first of the others says which one is gone, once.
                asked += 1
                named += check_named(output, pids.index(victim))
        if case.checkpoint("killed").exists() or (case.folder / "killed/best.h5").exists():
            run(slm, random.choice([0, 1, 2, 4]), *case.resuming("killed"))
            expect_same(reference, case.checkpoint("killed"), f"kill {i}: resumed")
    assert named or asked < 3, f"of {asked} processes that were killed while they trained, the others named none"
    print(f"{case.name}: {killed} processes killed and {len(waits) - killed} stopped; all ended within {max(waits):.1f} s; "
          f"the others named {named}, and no other, that were killed while they trained; what had a checkpoint resumed to the same bits")


def check_faults(slm, case):
    # A limit on the size of files would also limit those that Open MPI shares between processes.
    with Disk(case.folder / "full", "3m") as disk:
        if disk.error:
            print(f"skipped: a full disk ({disk.error})")
        else:
            begin = time.monotonic()
            found = run(slm, 2, *case.arguments("full/run"), status=1)
            assert time.monotonic() - begin < 20
            assert "slm: rank 0: not enough disk space" in found and "has ended: not enough disk space" in found, found
    other = case.folder / "other-slm"
    shutil.copy(slm, other)
    with open(other, "ab") as file:
        file.write(b"changed")
    script = case.folder / "start.sh"
    script.write_text(f'#!/bin/sh\nif [ "$OMPI_COMM_WORLD_RANK" = 2 ]; then exec {other} "$@"; else exec {slm} "$@"; fi\n')
    script.chmod(0o755)
    found = run(script, 3, *case.arguments("different"), status=1)
    for rank in range(3):
        # A rank that another one ends before it has compared the versions says so.
        reason = rf"slm: rank {rank}: (rank [12] on \S+ has ended: )?all ranks need the same version of slm: rank 0 has "
        assert re.search(reason, found), found
    many = run(slm, 8, *case.arguments("many"), "--gradient-groups", "4", status=1)
    assert "8 ranks cannot share a batch whose gradients are summed in 4 groups" in many, many
    print("a full disk, where it can be mounted, another program and too many processes are errors of all processes")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("slm", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=6, help="of slm train; each kind of fine-tuning has an eighth of them")
    arguments = parser.parse_args()
    slm = arguments.slm.resolve()
    random.seed(1)
    with programs.scratch_folder() as folder:
        ENVIRONMENT["XDG_CACHE_HOME"] = str(folder / "cache")
        chats = folder / "chats.txt"
        chats.write_text("".join(f"[INST] What comes after {i}? [/INST] After {i} comes {i + 1}.\n" for i in range(400)))
        shape = ["--vocab-size", "400", "--layers", "2", "--width", "64", "--heads", "4", "--context", "64", "--dropout", "0.1"]
        plan = ["--batch", "8", "--max-steps", str(STEPS), "--eval-every", "6", "--save-every", "1", "--threads", "1"]
        train = Case(folder, "train", ["train", "--data", str(chats), "--out", "{folder}/{run}", *shape, *plan],
                     ["train", "--data", str(chats), "--resume", "{folder}/{run}", "--vocab-size", "400"])
        reference = check_equality(slm, train)
        check_kills(slm, train, reference, arguments.kills)
        tuning = ["finetune", str(folder / "one/best.h5"), "--out", "{folder}", "--name", "{run}", *plan]
        preferences = folder / "preferences.jsonl"
        preferences.write_text("".join(json.dumps({"prompt": f"What comes after {i}?", "chosen": f"After {i} comes {i + 1}.", "rejected": "No."}) + "\n"
                                       for i in range(200)))
        for name, data, more in [("fine-tuning", chats, []), ("LoRA", chats, ["--lora", "4"]), ("preferences", preferences, ["--preferences"])]:
            (folder / name).mkdir()
            case = Case(folder / name, name, [*tuning, "--data", str(data), *more], ["finetune", "--resume", "{folder}/{run}"])
            reference = check_equality(slm, case)
            check_kills(slm, case, reference, max(1, arguments.kills // 8))
        check_faults(slm, train)


if __name__ == "__main__":
    main()
