"""Kills training runs repeatedly. Every checkpoint must load, and the final one must equal that of an uninterrupted run.

    Tests/Peers/kill_training.py .build/release/slm --kills 500

Each kill is a SIGKILL after a random fraction of a second. A run is killed and resumed until it finishes; then the next one begins, which saves every 1, 2, 3, 4 or
5 steps. h5py reads the weights, both optimizer moments and all counters except the seconds, which are compared.
"""
import json
import random
import subprocess
import sys
import time

import h5py
from programs import command_line, run, scratch_folder

STEPS = 60
SKIPPED = {"training/seconds", "training/evaluation_seconds", "training/plan/save_every", "training/evaluations", "training/since_best"}


class Training:
    def __init__(self, slm, folder):
        self.slm, self.folder = slm, folder
        chats = [f"[INST] What comes after {i}? [/INST] After {i} comes {i + 1}." for i in range(300)]
        (folder / "chats.txt").write_text("\n".join(chats) + "\n")
        self.call("tokenize", "corpus", "--data", folder / "chats.txt", "--vocab-size", 300, "--out", folder / "data")

    def call(self, *arguments):
        return run(self.slm, *arguments)

    def arguments(self, run, every, seed=1):
        if (run / "last.h5").exists():
            return ["train", "--data", self.folder / "data", "--out", run, "--threads", 1, "--resume"]
        return ["train", "--data", self.folder / "data", "--out", run, "--threads", 1, "--layers", 1, "--width", 32, "--heads", 2, "--context", 32, "--batch", 4,
                "--dropout", 0.1, "--max-steps", STEPS, "--save-every", every, "--eval-every", 11, "--patience", 0, "--seed", seed]

    def step(self, path):
        """Returns the step of a checkpoint, after slm has verified it."""
        return json.loads(self.call("info", path, "--json"))["training"]["step"]

    def kill(self, run, every, delay):
        """Starts a run and kills it after some seconds. Returns whether it was still running."""
        process = subprocess.Popen([self.slm, *map(str, self.arguments(run, every))], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(delay)
        process.kill()
        errors = process.communicate()[1].decode()
        assert process.returncode in (0, -9), f"exit status {process.returncode}: {errors}"
        return process.returncode == -9


def parts(run):
    """The files that are being written, or were at a kill."""
    return {(path.name, path.stat().st_ino, path.stat().st_mtime_ns) for path in run.glob("*.part")}


def contents(path):
    """Returns the bytes of each array by name, without those that depend on the clock or the options. The last evaluation is repeated if the kill came between it and the
    end of the run, so its counters are left out as well."""
    arrays = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: arrays.update({name: item[()].tobytes()}) if isinstance(item, h5py.Dataset) else None)
    return {name: value for name, value in arrays.items() if name not in SKIPPED}


def different(a, b):
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


def main():
    options = command_line(__doc__, "slm", kills=500, seed=1)
    rng = random.Random(options.seed)
    with scratch_folder() as folder:
        training = Training(options.slm, folder)
        begin = time.monotonic()
        training.call(*training.arguments(folder / "whole", 1))
        seconds = time.monotonic() - begin
        whole = contents(folder / "whole/last.h5")
        training.call(*training.arguments(folder / "other", 1, seed=2))
        weights = sum(name.startswith("weights/") for name in whole)
        assert weights and len([n for n in different(whole, contents(folder / "other/last.h5")) if n.startswith("weights/")]) > weights // 2, "another seed must give other weights"

        kills = runs = saving = early = 0
        steps = set()
        while kills < options.kills:
            run, every, last, is_finished = folder / f"run{runs}", 1 + runs % 5, 0, False
            runs += 1
            while not is_finished:
                before = parts(run)
                # After the last kill, the run may finish.
                is_finished = kills == options.kills or not training.kill(run, every, rng.uniform(0, seconds / 5))
                if kills == options.kills:
                    training.call(*training.arguments(run, every))
                elif not is_finished:
                    kills += 1
                    saving += bool(parts(run) - before)
                if (run / "best.h5").exists():
                    training.step(run / "best.h5")
                if not (run / "last.h5").exists():
                    early += 1
                    continue
                step = training.step(run / "last.h5")
                assert step >= last, f"{run}: from step {last} back to {step}"
                last = step
                steps.add(step)
            wrong = different(whole, contents(run / "last.h5"))
            assert not wrong, f"run {runs}, saved every {every} steps, differs from the uninterrupted run: {wrong[:5]}"
            assert not parts(run), f"{run}: {parts(run)} were left behind"
            print(f"{kills} kills, {runs} runs finished", file=sys.stderr, flush=True)
        print(f"{kills} kills in {runs} runs of {STEPS} steps ({seconds:.2f} s): {saving} while a file was being written, {early} before the first checkpoint, "
              f"at {len(steps)} different steps. Every checkpoint loaded; all {runs} ended with the {len(whole)} arrays of the uninterrupted run, bit for bit.")


if __name__ == "__main__":
    sys.exit(main())
