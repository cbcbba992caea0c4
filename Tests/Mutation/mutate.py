#!/usr/bin/env python3
"""Mutation tests: changes one operator or drops one line of a module, and reports the changes that no test notices.

    Tests/Mutation/mutate.py --scratch DIR [--modules Train,Checkpoint,Serve,Store] [--count 300] [--seed 1] [--jobs 2]
    Tests/Mutation/mutate.py --scratch DIR --retry      run the survivors again with the tests of the last commit
    Tests/Mutation/mutate.py --scratch DIR --report     print the results so far
    Tests/Mutation/mutate.py --list --count 20          print the changes, do nothing

Builds all changes into one test program, in a clone of the last commit in DIR/clone; the program chooses one change when it starts
(schemata.py). Each change runs the suites that execute it, shortest first: those of its own module, and if they pass, those of all
others. A change is caught if a test fails, crashes, allocates 4 GB or exceeds the time limit (--limit seconds or ten times as long as
without the change), if it fails again when it is repeated, and if the same suite passes without the change in between. Changes that do
not compile do not count; others take their place. Results are appended to DIR/results.jsonl: an interrupted run continues with the same
command.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import changes
import running
import schemata

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SPARE = 1.3             # changes that are tried for each one that has to compile
VALID = 300             # seconds for which a pass without changes counts


class Run:
    def __init__(self, options):
        self.scratch = options.scratch.resolve()
        self.options = options
        self.tree = self.scratch / "clone"
        self.plan, self.results, self.suites_file = (self.scratch / name for name in ("plan.json", "results.jsonl", "suites.json"))
        self.program = running.TestProgram(self.tree, self.scratch, options.pause_file)
        self.suites = json.loads(self.suites_file.read_text()) if self.suites_file.exists() else {}
        self.suite_locks = {}
        self.passed_at = {}
        self.lock = threading.Lock()

    # The build.

    def prepare(self):
        """Clones the last commit and chooses the changes, unless that is done. Returns the changes by number."""
        if not self.plan.exists():
            if not self.tree.exists():
                subprocess.run(["git", "clone", "--quiet", "--local", str(ROOT), str(self.tree)], check=True)
            # An interrupted choice leaves changes behind.
            subprocess.run(["git", "checkout", "--quiet", "--", "."], cwd=self.tree, check=True)
            subprocess.run(["git", "clean", "--quiet", "--force", "-d", "Sources"], cwd=self.tree, check=True)
            self.choose()
        plan = json.loads(self.plan.read_text())
        self.modules = plan["modules"]
        return {int(number): changes.Change(**change) for number, change in plan["changes"].items()}

    def choose(self):
        modules = self.options.modules.split(",")
        shares = {module: self.options.count // len(modules) + (i < self.options.count % len(modules)) for i, module in enumerate(modules)}
        shuffled = changes.shuffled_changes(self.tree, modules, self.options.seed)
        tried = [change for module in modules for change in shuffled[module][:int(SPARE * shares[module])]]
        sources = schemata.Schemata(self.tree, enumerate(tried, 1))
        sources.write()
        for module in modules:
            self.compile(sources, module)
        chosen = {}
        for module in modules:
            compiled = [number for number, change in sorted(sources.numbered.items()) if change.module == module]
            chosen.update((number, vars(sources.numbered[number])) for number in compiled[:shares[module]])
            if len(compiled) < shares[module]:
                print(f"{module}: only {len(compiled)} changes compile")
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=self.tree, check=True, capture_output=True, text=True).stdout.strip()
        rejected = [change.description for change in sources.rejected]
        self.plan.write_text(json.dumps({"commit": commit, "modules": modules, "changes": chosen, "do not compile": rejected},
                                        ensure_ascii=False, indent=1))

    def compile(self, sources, module):
        """Builds a module, and removes changes until it compiles."""
        while True:
            status, output = self.build("--target", module)
            if status == 0:
                return
            rejected = sources.reject(output)
            print(f"{module}: {len(rejected)} changes do not compile", flush=True)
            if not rejected:
                sys.exit(f"{module} does not build:\n{output[-8_000:]}")
            for changed in {sources.rejected[-1 - i].module for i in range(len(rejected))}:
                sources.write_module(changed)

    def build_tests(self, modules=None):
        """Builds the tests of some modules, or all."""
        status, output = self.build("--build-tests", tests=[f"{module}Tests" for module in modules or []])
        if status != 0:
            sys.exit(f"The tests do not build:\n{output[-8_000:]}")

    def build(self, *arguments, tests=()):
        self.program.wait_while_paused()
        environment = {**os.environ, "ONLY_TESTS": " ".join(tests)} if tests else os.environ
        build = subprocess.run(["nice", "-n", "19", "ionice", "-c3", "swift", "build", "-c", "release", *arguments], cwd=self.tree,
                               env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return build.returncode, build.stdout

    def update_tests(self):
        """Takes the tests of the last commit; the changed sources stay."""
        subprocess.run(["git", "fetch", "--quiet", str(ROOT), "HEAD"], cwd=self.tree, check=True)
        subprocess.run(["git", "checkout", "--quiet", "FETCH_HEAD", "--", "Tests"], cwd=self.tree, check=True)
        self.suites = {}
        self.suites_file.unlink(missing_ok=True)

    # Suites without changes.

    def measured(self, suite):
        """How long a suite takes without changes, and the numbers of the changes that it executes. `seconds` is None if it fails."""
        with self.lock:
            lock = self.suite_locks.setdefault(suite, threading.Lock())
        with lock:
            if suite not in self.suites:
                reached = self.scratch / f"reached.{suite}"
                for _ in range(3):
                    outcome = self.program.run(suite, 0, 3_600, reached)
                    if outcome.failure is None:
                        break
                    print(f"fails without changes: {suite}: {outcome.failure}", flush=True)
                numbers = [number for number, byte in enumerate(reached.read_bytes()) if byte] if reached.exists() else []
                reached.unlink(missing_ok=True)
                with self.lock:
                    self.suites[suite] = {"seconds": outcome.seconds if outcome.failure is None else None, "reached": numbers}
                    self.suites_file.write_text(json.dumps(self.suites))
                    self.passed_at[suite] = time.monotonic()
            return self.suites[suite]

    def limit(self, suite):
        return max(self.options.limit, 10 * self.measured(suite)["seconds"])

    def passes_unchanged(self, suite):
        """Whether a suite passes without changes, now or a short time ago."""
        with self.lock:
            lock = self.suite_locks.setdefault(suite, threading.Lock())
        with lock:
            if time.monotonic() - self.passed_at.get(suite, -VALID) < VALID:
                return True
            outcome = self.program.run(suite, 0, 3_600)
            if outcome.failure is None:
                self.passed_at[suite] = time.monotonic()
            return outcome.failure is None

    # Changes.

    def outcome(self, number, suites):
        """Runs suites with a change until one catches it. Returns the suite and its failure, or None."""
        for suite in suites:
            for attempt in range(3):
                first = self.program.run(suite, number, self.limit(suite))
                if first.failure is None:
                    break
                is_fault_of_change = self.passes_unchanged(suite)
                if is_fault_of_change and (first.failure == "time limit" or self.program.run(suite, number, self.limit(suite)).failure):
                    return suite, first.failure
        return None

    def reaching(self, number, suites):
        """The suites that execute a change, shortest first."""
        usable = [(self.suites[suite]["seconds"], suite) for suite in suites
                  if self.suites[suite]["seconds"] is not None and number in self.suites[suite]["reached"]]
        return [suite for _, suite in sorted(usable)]

    def run(self, numbered, pending, passed):
        """Runs the pending changes with the suites of their modules (unless in `passed`), then the survivors with all other suites."""
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            self.build_tests(self.modules)
            every = self.program.suites()
            list(pool.map(self.measured, every))
            print(f"{len(every)} suites of the modules are measured", flush=True)

            def own(number):
                change = numbered[number]
                start = time.monotonic()
                suites = self.reaching(number, [suite for suite in every if suite.startswith(f"{change.module}Tests.")])
                found = self.outcome(number, suites)
                self.record(number, change, "caught" if found else "passed", found, len(suites), start)

            list(pool.map(own, [number for number in pending if number not in passed]))
            survivors = [number for number in pending if self.entries()[number]["result"] == "passed"]
            print(f"{len(survivors)} changes pass the tests of their modules", flush=True)
            self.build_tests()
            all_suites = self.program.suites()
            list(pool.map(self.measured, all_suites))

            def above(number):
                start = time.monotonic()
                own_tests = f"{numbered[number].module}Tests."
                suites = self.reaching(number, [suite for suite in all_suites if not suite.startswith(own_tests)])
                found = self.outcome(number, suites)
                all_reaching = self.entries()[number]["suites"] + len(suites)
                self.record(number, numbered[number], "caught by other modules" if found else "survived", found, all_reaching, start)

            list(pool.map(above, survivors))

    def record(self, number, change, result, found, suites, start):
        suite, failure = found or (None, None)
        entry = {"number": number, "change": change.description, "module": change.module, "result": result, "suite": suite, "failure": failure,
                 "suites": suites, "old": schemata.Schemata(self.tree, {}).committed(change.path).split("\n")[change.line].strip(),
                 "seconds": round(time.monotonic() - start)}
        with self.lock, self.results.open("a") as log:
            log.write(json.dumps(entry, ensure_ascii=False) + "\n")
        print(f"{result}: {entry['change']}: {entry['old']}" + (f"\n    {suite}: {failure}" if found else ""), flush=True)

    def entries(self):
        """The last result of each change."""
        lines = self.results.read_text().splitlines() if self.results.exists() else []
        return {entry["number"]: entry for entry in map(json.loads, lines)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch", type=pathlib.Path, help="the folder for the clone and the results")
    parser.add_argument("--modules", default="Train,Checkpoint,Serve,Store")
    parser.add_argument("--count", type=int, default=300, help="changes in all modules together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="suites that run at a time")
    parser.add_argument("--limit", type=int, default=300, help="the shortest time limit of a suite, in seconds")
    parser.add_argument("--pause-file", type=pathlib.Path, help="start nothing while this file exists")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--retry", action="store_true")
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    if options.list:
        for module, found in changes.shuffled_changes(ROOT, options.modules.split(","), options.seed).items():
            print(*(change.description for change in found[:options.count // len(options.modules.split(","))]), sep="\n")
            print(f"{module}: {len(found)} changes")
        return
    if options.scratch is None:
        parser.error("--scratch DIR is required")
    options.scratch.mkdir(parents=True, exist_ok=True)
    run = Run(options)
    if not options.report:
        numbered = run.prepare()
        done = run.entries()
        if options.retry:
            run.update_tests()
            pending = [number for number in numbered if number in done and not done[number]["result"].startswith("caught")]
        else:
            pending = [number for number in numbered if number not in done or done[number]["result"] == "passed"]
        print(f"{len(numbered)} changes, {len(pending)} to run", flush=True)
        run.run(numbered, pending, set() if options.retry else {number for number in done if done[number]["result"] == "passed"})
    report(run.entries().values())


def report(entries):
    """Prints the share of caught changes of each module, and the survivors."""
    print()
    for module in [*sorted({entry["module"] for entry in entries}), "all"]:
        of_module = [entry for entry in entries if module in (entry["module"], "all")]
        caught = sum(entry["result"].startswith("caught") for entry in of_module)
        by_others = sum(entry["result"] == "caught by other modules" for entry in of_module)
        unfinished = sum(entry["result"] == "passed" for entry in of_module)
        others = f"{by_others} of them by the tests of other modules" + (f"; {unfinished} not yet run with these" if unfinished else "")
        print(f"{module}: {caught} of {len(of_module)} caught, {100 * caught / len(of_module):.0f} % ({others})")
    survivors = [entry for entry in entries if not entry["result"].startswith("caught")]
    if survivors:
        print("\nSurvivors:")
        for entry in survivors:
            reached = "" if entry["suites"] or entry["result"] == "passed" else " (executed by no test)"
            print(f"  {entry['change']}{reached}\n    {entry['old']}")


if __name__ == "__main__":
    main()
